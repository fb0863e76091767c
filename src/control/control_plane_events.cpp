// What operators are told of that no request has caused.

#include "control/control_plane_state.hpp"
#include "control/plan.hpp"

namespace isthmus::control {
namespace {

constexpr uint64_t kLimitPauseNs = 60'000'000'000;
constexpr unsigned kMetersPerTick = 512;

std::string edge_and(const Config& config, EdgeId edge, const std::string& name) {
    return config.edges[edge.value].name + "/" + name;
}

} // namespace

std::string ControlPlane::State::name_of(AttachmentId id) const {
    const Attachment& it = model.attachments.at(id);
    return edge_and(model.config, it.edge, it.name);
}

std::string ControlPlane::State::name_of(ChannelId id) const {
    const ChannelConfig& it = model.config.channels[id.value];
    return edge_and(model.config, it.edge, it.name);
}

std::string ControlPlane::State::name_of(PortId id) const {
    const PortConfig& it = model.config.ports[id.value];
    return edge_and(model.config, it.edge, it.name);
}

std::string ControlPlane::State::neighbour_name(LinkId link, const IpAddr& address) const {
    const std::string text = to_string(address) + " on ";
    if (link.channel.valid())
        return text + name_of(link.channel);
    const auto found = model.attachments.find(link.attachment);
    return text + (found == model.attachments.end() ? "no port" : name_of(found->second.port));
}

void ControlPlane::State::tell_attachment(AttachmentId id, const AttachmentEvent& event) const {
    const std::string name = name_of(id);
    events->emit(event.kind, name, "attachment " + name + " " + event.what, event.reason);
}

// A step of a document is told like a change of its own; the reason says where it came from.
void ControlPlane::State::tell_plan(const std::vector<PlanEntry>& entries) const {
    constexpr const char* kReason = "document";
    for (const PlanEntry& entry : entries) {
        EventKind kind = EventKind::sa_changed;
        if (entry.kind == "attachment")
            kind = entry.action == PlanAction::add      ? EventKind::attachment_added
                   : entry.action == PlanAction::remove ? EventKind::attachment_removed
                                                        : EventKind::attachment_changed;
        else if (entry.kind == "port")
            kind = EventKind::port_admin;
        else if (entry.kind == "channel")
            kind = EventKind::channel_admin;
        else if (entry.kind == "key")
            kind = EventKind::sa_installed;
        const std::string name = entry.edge + "/" + entry.name;
        events->emit(kind, name, entry.kind + " " + name + " is as the document says", kReason);
    }
}

void ControlPlane::State::tell_sa(ChannelId id, const SaEvent& event) const {
    const std::string name = name_of(id);
    const std::string_view did = event.kind == EventKind::sa_installed ? "was installed"
                                 : event.kind == EventKind::sa_retired ? "was removed"
                                                                       : "is now";
    const bool names_way = event.kind != EventKind::sa_changed;
    events->emit(event.kind, fmt::format("{}/{}", name, event.an),
                 names_way
                     ? fmt::format("channel {}: {} SA {} {}", name, event.reason, event.an, did)
                     : fmt::format("channel {}: SA {} {} {}", name, event.an, did, event.reason),
                 event.reason);
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
        const std::string name = edge_and(model.config, it.edge, it.name);
        events->emit(
            sheet.is_short() ? EventKind::capacity_short : EventKind::capacity_restored, name,
            fmt::format("interconnect {}: channels in use carry {} bit/s, sold are {} "
                        "egress and {} ingress",
                        name, sheet.channels_bps, sheet.egress.sold_bps, sheet.ingress.sold_bps));
    }
}

} // namespace isthmus::control
