// How a changed Model reaches the host stack and the workers.

#include "control/control_plane_state.hpp"

#include <new>

namespace isthmus::control {
namespace {

Error not_confirmed() {
    return {ErrorCode::unavailable,
            "the change is made, but a worker has not confirmed it within 1 s"};
}

} // namespace

uint64_t ControlPlane::State::publish_now() {
    can_send.clear();
    for (const auto& secy : secys)
        can_send.push_back(secy->can_send());
    published = false;
    auto next = compile({model, ports, secys, neighbours, cache, dataplane.tsc_hz(), ++generation});
    events->set_generation(generation);
    published_token = dataplane.publish(std::move(next), cache.take_replaced());
    published = true;
    return published_token;
}

void ControlPlane::State::tell_ports_links() {
    std::vector<std::vector<dataplane::PortLink>> links(ports.size());
    std::vector<bool> wanted(ports.size());
    bool any = false;
    for (std::size_t p = 0; p < ports.size(); ++p)
        any = (wanted[p] = dataplane.port(PortId(p)).wants_links()) || any;
    if (!any)
        return;
    const auto add = [&](PortId port, uint16_t vlan, const LinkAddresses& local) {
        if (!wanted[port.value])
            return;
        dataplane::PortLink& link = links[port.value].emplace_back();
        link.vlan = vlan;
        if (local.ipv4)
            link.addresses.emplace_back(*local.ipv4);
        if (local.ipv6)
            link.addresses.emplace_back(*local.ipv6);
    };
    for (const auto& [id, spec] : model.attachments) {
        add(spec.port, spec.vlan, spec.local);
        for (const auto& [channel, feature] : spec.features)
            add(model.config.channels[channel.value].port, feature.vlan, feature.local);
    }
    for (std::size_t p = 0; p < ports.size(); ++p)
        if (wanted[p])
            dataplane.port(PortId(p)).follow_links(links[p]);
}

void ControlPlane::State::follow_channels() {
    const uint64_t now_ns = monotonic_ns();
    const auto set_link = [&](LinkId link, bool up) {
        if (up)
            host.set_link(make_link(model, ports, link), now_ns);
        else
            host.remove_link(link, now_ns);
    };
    for (std::size_t c = 0; c < channel_linked.size(); ++c) {
        const bool up = has_link(model, secys, ChannelId(c));
        if (up == channel_linked[c])
            continue;
        channel_linked[c] = up;
        for (const auto& [id, spec] : model.attachments)
            if (spec.features.contains(ChannelId(c)))
                set_link({id, ChannelId(c)}, up);
    }
    for (std::size_t p = 0; p < port_linked.size(); ++p) {
        const bool up = model.port_enabled[p];
        if (up == port_linked[p])
            continue;
        port_linked[p] = up;
        for (const auto& [id, spec] : model.attachments)
            if (spec.port == PortId(p))
                set_link({id, {}}, up);
    }
}

void ControlPlane::State::follow_neighbours() {
    for (const NeighbourKey& key : host.take_changes()) {
        const auto mac = host.resolve(key.link, key.address);
        std::optional<MacAddr> before;
        if (const auto link = neighbours.find(key.link); link != neighbours.end())
            if (const auto it = link->second.find(key.address); it != link->second.end())
                before = it->second;
        tell_neighbour(key, before, mac);
        if (mac) {
            neighbours[key.link][key.address] = *mac;
        } else if (const auto known = neighbours.find(key.link); known != neighbours.end()) {
            known->second.erase(key.address);
            if (known->second.empty())
                neighbours.erase(known);
        }
        cache.set_neighbour(key, mac);
    }
}

bool ControlPlane::State::settle() {
    if (!published || !dataplane.seen(published_token))
        return false;
    std::vector<std::pair<AttachmentId, Vrf*>> vrfs;
    bool changed = false;
    for (const AttachmentId id : cache.take_unsettled()) {
        Vrf* vrf = cache.find(id);
        if (vrf == nullptr)
            continue;
        vrfs.emplace_back(id, vrf);
        vrf->confirm();
        const auto flushed = vrf->flush_hosts(model.attachments.at(id).routes);
        changed = changed || (flushed && *flushed);
    }
    if (vrfs.empty())
        return false;
    const uint64_t token = dataplane.grace_period();
    for (const auto& [id, vrf] : vrfs) {
        vrf->retire_idle(model.attachments.at(id).routes, token);
        vrf->reuse([this](uint64_t retired) { return dataplane.seen(retired); });
        if (vrf->unsettled())
            cache.unsettled(id);
    }
    return changed;
}

Result<void> ControlPlane::State::apply(std::span<const AttachmentId> changed) {
    watched.sold = watched.sold || !changed.empty();
    bool confirmed = publish_and_wait();
    follow_channels();
    if (!changed.empty())
        tell_ports_links();
    for (const AttachmentId id : changed)
        host.set_links(id,
                       model.attachments.contains(id) ? make_links(model, ports, secys, id)
                                                      : std::vector<Link>{},
                       monotonic_ns());
    follow_neighbours();
    if (cache.changed())
        confirmed = publish_and_wait() && confirmed;
    if (settle())
        confirmed = dataplane.wait_seen(dataplane.grace_period(), kConfirmNs) && confirmed;
    follow_usage(changed);
    if (!confirmed)
        return not_confirmed();
    for (const auto& secy : secys)
        if (const auto done = secy->forget_removed(); !done)
            tell_store_failure(done.error(), monotonic_ns());
    dataplane.reclaim();
    return {};
}

Result<void> ControlPlane::State::apply_or(AttachmentId changed, const std::function<void()>& undo,
                                           const AttachmentEvent& event) {
    Result<void> done;
    try {
        done = apply({&changed, 1});
    } catch (const std::bad_alloc&) {
        undo();
        cache.keep(changed);
        take_back(changed);
        return Error{ErrorCode::unavailable, "no room for the routes in the forwarding tables"};
    }
    tell_attachment(changed, event);
    return done;
}

Result<void> ControlPlane::State::change(AttachmentId id,
                                         const std::function<void(Attachment&)>& edit,
                                         const std::string& what) {
    auto found = find(id);
    if (!found)
        return found.error();
    Attachment& now = **found;
    // Not copied: there may be millions.
    RouteTable routes = std::exchange(now.routes, {});
    Attachment next = now;
    edit(next);
    auto good = check_parameters(model, next, id);
    if (good)
        good = check_capacity(model, next, id);
    if (good)
        good = settle_rows();
    if (good)
        good = store->put_parameters(model.config, id, next);
    if (good)
        model.exchange(id, next);
    now.routes = std::move(routes);
    if (!good)
        return good;
    cache.touch(id);
    return apply_or(id,
                    [&] {
                        std::swap(now.routes, next.routes);
                        model.exchange(id, next);
                    },
                    {EventKind::attachment_changed, "was changed: " + what, what});
}

} // namespace isthmus::control
