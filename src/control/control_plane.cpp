#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

constexpr uint64_t kTickNs = 100'000'000;
constexpr unsigned kPuntsPerPoll = 512;

uint16_t first_free(const std::map<AttachmentId, Attachment>& attachments) {
    if (attachments.empty() || attachments.rbegin()->first.value + 1u == attachments.size())
        return static_cast<uint16_t>(attachments.size());
    uint16_t slot = 0;
    for (const auto& [id, attachment] : attachments) {
        if (id.value != slot)
            break;
        ++slot;
    }
    return slot;
}

} // namespace

ControlPlane::ControlPlane(Config config, dataplane::Dataplane& dataplane, ControlOptions options)
    : state_(std::make_unique<State>(std::move(config), dataplane, std::move(options))) {
    (void)state_->publish_now();
}

ControlPlane::~ControlPlane() = default;

const Model& ControlPlane::model() const {
    return state_->model;
}

EventLog& ControlPlane::events() {
    return *state_->events;
}

Result<AttachmentId> ControlPlane::add_attachment(Attachment spec) {
    if (auto good = check_attachment(state_->model, spec, std::nullopt); !good)
        return good.error();
    if (auto good = check_capacity(state_->model, spec, std::nullopt); !good)
        return good.error();
    const uint16_t slot = first_free(state_->model.attachments);
    if (slot >= state_->model.config.max_attachments)
        return Error{ErrorCode::conflict,
                     fmt::format("attachment {}: all {} places are taken (max_attachments)",
                                 spec.name, state_->model.config.max_attachments),
                     "name", spec.name, std::to_string(state_->model.config.max_attachments)};
    const AttachmentId id(slot);
    if (auto good = state_->settle_rows(); !good)
        return good.error();
    if (auto good = state_->store->put_attachment(state_->model.config, id, spec); !good)
        return good.error();
    state_->take_slot(id, spec.edge);
    state_->model.add(id, std::move(spec));
    state_->cache.erase(id);
    if (auto good = state_->apply_or(id, [&] { state_->model.erase(id); },
                                     {EventKind::attachment_added, "was made"});
        !good)
        return good.error();
    return id;
}

Result<void> ControlPlane::replace_attachment(AttachmentId id, Attachment spec) {
    auto found = state_->find(id);
    if (!found)
        return found.error();
    Attachment& now = **found;
    spec.name = now.name;
    spec.edge = now.edge;
    if (auto good = check_attachment(state_->model, spec, id); !good)
        return good;
    if (auto good = check_capacity(state_->model, spec, id); !good)
        return good;
    if (auto good = state_->settle_rows(); !good)
        return good;
    if (auto good = state_->store->put_attachment(state_->model.config, id, spec); !good)
        return good;
    state_->model.exchange(id, spec);
    state_->cache.erase(id);
    return state_->apply_or(id, [&] { state_->model.exchange(id, spec); },
                            {EventKind::attachment_changed, "was replaced", "replaced"});
}

Result<void> ControlPlane::remove_attachment(AttachmentId id) {
    if (auto found = state_->find(id); !found)
        return found.error();
    if (auto good = state_->settle_rows(); !good)
        return good;
    if (auto good = state_->store->erase_attachment(id); !good)
        return good;
    const Told removed =
        attachment_told(EventKind::attachment_removed, state_->name_of(id), "was removed");
    state_->model.erase(id);
    state_->cache.erase(id);
    auto done = state_->apply({&id, 1});
    emit(*state_->events, removed);
    return done;
}

Result<void> ControlPlane::set_feature(AttachmentId id, ChannelId channel, const Feature& feature) {
    return state_->change(
        id, [&](Attachment& attachment) { attachment.features[channel] = feature; },
        feature_set(state_->model.config, channel));
}

Result<void> ControlPlane::remove_feature(AttachmentId id, ChannelId channel) {
    auto found = state_->find(id);
    if (!found)
        return found.error();
    if (!(*found)->features.contains(channel))
        return no_such("feature", state_->model.config.channels[channel.value].name);
    return state_->change(
        id,
        [&](Attachment& attachment) {
            attachment.features.erase(channel);
            std::erase_if(attachment.static_neighbours,
                          [&](const auto& entry) { return entry.first.first == channel; });
        },
        feature_removed(state_->model.config, channel));
}

Result<void> ControlPlane::set_limits(AttachmentId id, std::optional<std::optional<Limit>> egress,
                                      std::optional<std::optional<Limit>> ingress) {
    return state_->change(
        id,
        [&](Attachment& attachment) {
            if (egress)
                attachment.egress_limit = *egress;
            if (ingress)
                attachment.ingress_limit = *ingress;
        },
        limits_set(egress, ingress));
}

Result<void> ControlPlane::set_static_neighbour(LinkId link, const IpAddr& address, MacAddr mac) {
    return state_->change(
        link.attachment,
        [&](Attachment& attachment) {
            attachment.static_neighbours[{link.channel, address}] = mac;
        },
        neighbour_set(state_->neighbour_name(link, address), mac));
}

Result<void> ControlPlane::remove_neighbour(LinkId link, const IpAddr& address) {
    auto found = state_->find(link.attachment);
    if (!found)
        return found.error();
    const std::pair where{link.channel, address};
    if ((*found)->static_neighbours.contains(where))
        return state_->change(
            link.attachment,
            [&](Attachment& attachment) { attachment.static_neighbours.erase(where); },
            neighbour_removed(state_->neighbour_name(link, address)));
    if (!state_->host.forget(link, address))
        return no_such("neighbour", to_string(address));
    return state_->apply({&link.attachment, 1});
}

std::vector<Neighbour> ControlPlane::neighbours() const {
    return state_->host.neighbours();
}

Result<void> ControlPlane::set_port_enabled(PortId port, bool enabled) {
    if (auto good = state_->store->put_port(state_->model.config.ports[port.value], enabled); !good)
        return good;
    state_->model.port_enabled[port.value] = enabled;
    auto done = state_->apply();
    emit(*state_->events, port_told(state_->name_of(port), enabled));
    return done;
}

Result<void> ControlPlane::set_channel_admin(ChannelId channel, AdminState admin) {
    if (auto good = state_->store->put_channel(state_->model.config, channel, admin); !good)
        return good;
    state_->model.channel_admin[channel.value] = admin;
    state_->watched.sold = true;
    auto done = state_->apply();
    emit(*state_->events, channel_told(state_->name_of(channel), admin));
    return done;
}

Result<void> ControlPlane::set_traffic(PortId port, const sim::TrafficSpec& spec) {
    auto generator = state_->generator(port);
    if (!generator)
        return generator.error();
    return (*generator)->set_traffic(spec);
}

Result<sim::TrafficReport> ControlPlane::traffic(PortId port) const {
    auto generator = state_->generator(port);
    if (!generator)
        return generator.error();
    return (*generator)->report();
}

void ControlPlane::poll(uint64_t now_ns) {
    State& s = *state_;
    s.dataplane.receive_punts([&](const Punt& punt) { s.host.receive(punt, now_ns); },
                              kPuntsPerPoll);
    bool changed = false;
    if (now_ns >= s.next_tick_ns) {
        s.next_tick_ns = now_ns + kTickNs;
        s.host.tick(now_ns);
        changed = s.watch_ports();
        changed = s.tick_keys(now_ns) || changed;
        s.tick_store(now_ns);
        s.tick_usage(now_ns);
        s.watch_channels();
        s.watch_limits(now_ns);
        s.watch_capacity();
    }
    s.follow_neighbours();
    if (changed || s.cache.changed())
        (void)s.publish_now();
    (void)s.settle();
    s.dataplane.reclaim();
}

} // namespace isthmus::control
