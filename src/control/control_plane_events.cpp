// What operators are told of that no request has caused.

#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

constexpr uint64_t kLimitPauseNs = 60'000'000'000;
constexpr unsigned kMetersPerTick = 512;

} // namespace

std::string ControlPlane::State::name_of(AttachmentId id) const {
    return name_in(model.config, model.attachments.at(id));
}

std::string ControlPlane::State::name_of(ChannelId id) const {
    return name_in(model.config, id);
}

std::string ControlPlane::State::name_of(PortId id) const {
    return name_in(model.config, id);
}

std::string ControlPlane::State::neighbour_name(LinkId link, const IpAddr& address) const {
    const auto found = model.attachments.find(link.attachment);
    return found == model.attachments.end()
               ? to_string(address)
               : neighbour_in(model.config, found->second, link.channel, address);
}

void ControlPlane::State::tell_attachment(AttachmentId id, const AttachmentEvent& event) const {
    emit(*events, attachment_told(event.kind, name_of(id), event.what, event.reason));
}

void ControlPlane::State::tell_neighbour(const NeighbourKey& key,
                                         const std::optional<MacAddr>& before,
                                         const std::optional<MacAddr>& now) const {
    if (before == now || !model.attachments.contains(key.link.attachment))
        return;
    const std::string name =
        fmt::format("{}/{}", name_of(key.link.attachment), to_string(key.address));
    if (!now)
        events->emit(EventKind::neighbour_lost, name,
                     "neighbour " + name + " is not known any more");
    else if (!before)
        events->emit(EventKind::neighbour_learnt, name,
                     "neighbour " + name + " is at " + to_string(*now), to_string(*now));
    else
        events->emit(EventKind::neighbour_moved, name,
                     "neighbour " + name + " moved to " + to_string(*now), to_string(*now));
}

void ControlPlane::State::watch_channels() {
    for (std::size_t c = 0; c < secys.size(); ++c) {
        const ChannelId id(c);
        const bool link_up = ports[model.config.channels[c].port.value].link_up;
        const std::string reason = unusable_reason(model, id, link_up, *secys[c]);
        if (reason.empty() == watched.channel_usable[c])
            continue;
        watched.channel_usable[c] = reason.empty();
        const std::string name = name_of(id);
        if (reason.empty())
            events->emit(EventKind::channel_up, name, "channel " + name + " carries traffic");
        else
            events->emit(EventKind::channel_down, name,
                         "channel " + name + " carries no traffic: " + reason, reason);
    }
}

// A part of the attachments each time: there may be thousands.
void ControlPlane::State::watch_limits(uint64_t now_ns) {
    auto it = model.attachments.lower_bound(watched.next_meter);
    for (unsigned n = 0; n < kMetersPerTick && it != model.attachments.end(); ++n, ++it) {
        const AttachmentCounters counters = raw_counters(it->first);
        const DirectionCounters* directions[] = {&counters.egress, &counters.ingress};
        for (const std::size_t d : {0, 1}) {
            Watched::Meter& meter = watched.meters[it->first.value][d];
            const bool dropped = directions[d]->meter_drop_packets > meter.drops;
            meter.drops = directions[d]->meter_drop_packets;
            if (!dropped || (meter.told_ns != 0 && now_ns - meter.told_ns < kLimitPauseNs))
                continue;
            meter.told_ns = now_ns;
            const std::string way = d == 0 ? "egress" : "ingress";
            tell_attachment(it->first,
                            {EventKind::limit_hit, "is over its " + way + " limit", way});
        }
    }
    watched.next_meter = it == model.attachments.end() ? AttachmentId(std::size_t{0}) : it->first;
}

void ControlPlane::State::watch_capacity() {
    if (!std::exchange(watched.sold, false))
        return;
    for (std::size_t i = 0; i < watched.capacity_short.size(); ++i) {
        const InterconnectCapacity sheet = capacity_of(model, InterconnectId(i));
        if (sheet.is_short() == watched.capacity_short[i])
            continue;
        watched.capacity_short[i] = sheet.is_short();
        const InterconnectConfig& it = model.config.interconnects[i];
        const std::string name = model.config.edges[it.edge.value].name + "/" + it.name;
        events->emit(
            sheet.is_short() ? EventKind::capacity_short : EventKind::capacity_restored, name,
            fmt::format("interconnect {}: channels in use carry {} bit/s, sold are {} "
                        "egress and {} ingress",
                        name, sheet.channels_bps, sheet.egress.sold_bps, sheet.ingress.sold_bps));
    }
}

} // namespace isthmus::control
