// Changes of routes: in the model and, prefix by prefix, in the attachment's FIB. A forwarding
// state is published only for a next hop that workers have no adjacency for yet.

#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

Result<void> check_change(const Attachment& attachment, const RouteChange& change) {
    for (const IpPrefix& prefix : change.remove)
        if (!attachment.routes.contains(prefix))
            return no_such("route", to_string(prefix));
    for (const auto& [prefix, route] : change.add)
        if (auto good = check_route(attachment, prefix, route); !good)
            return good;
    return {};
}

FibChanges fib_changes(const Vrf& vrf, const RouteChange& change) {
    FibChanges changes;
    for (const IpPrefix& prefix : change.remove)
        changes.add(prefix, vrf.winner(prefix, std::nullopt));
    for (const auto& [prefix, route] : change.add)
        changes.add(prefix, vrf.winner(prefix, route));
    return changes;
}

} // namespace

RouteChange inverse(const RouteTable& routes, const RouteChange& change) {
    RouteChange back;
    const auto add = [&](const IpPrefix& prefix) {
        if (const auto route = routes.find(prefix))
            back.add.emplace_back(prefix, *route);
        else
            back.remove.push_back(prefix);
    };
    for (const IpPrefix& prefix : change.remove)
        add(prefix);
    for (const auto& [prefix, route] : change.add)
        add(prefix);
    return back;
}

// Before routes lead to a next hop, every worker has an adjacency for it.
Result<void> ControlPlane::State::make_next_hops(AttachmentId id, const RouteChange& change) {
    Vrf& vrf = *cache.find(id);
    vrf.reuse([this](uint64_t token) { return dataplane.seen(token); });
    bool known = true;
    for (const auto& [prefix, route] : change.add)
        if (route.next_hop)
            known = vrf.want(*route.next_hop) && known;
    if (known)
        return {};
    cache.touch(id);
    cache.unsettled(id);
    if (!publish_and_wait()) {
        give_up_next_hops(id, change);
        return Error{ErrorCode::unavailable,
                     "nothing is changed: a worker has not confirmed new next hops within 1 s"};
    }
    (void)settle();
    return {};
}

void ControlPlane::State::give_up_next_hops(AttachmentId id, const RouteChange& change) {
    Vrf& vrf = *cache.find(id);
    for (const auto& [prefix, route] : change.add)
        if (route.next_hop)
            vrf.leave(*route.next_hop);
    vrf.retire_idle(model.attachments.at(id).routes, dataplane.grace_period());
}

bool ControlPlane::State::store_routes(AttachmentId id, const RouteChange& change) {
    Vrf& vrf = *cache.find(id);
    RouteTable& routes = model.attachments.at(id).routes;
    bool other_next_hops = false;
    const auto left = [&](const std::optional<Route>& before) {
        if (!before || !before->next_hop || routes.leads_to(*before->next_hop))
            return;
        vrf.leave(*before->next_hop);
        other_next_hops = true;
    };
    for (const IpPrefix& prefix : change.remove)
        left(routes.erase(prefix));
    for (const auto& [prefix, route] : change.add) {
        other_next_hops = other_next_hops || (route.next_hop && !routes.leads_to(*route.next_hop));
        left(routes.set(prefix, route));
    }
    return other_next_hops;
}

Result<void> ControlPlane::change_routes(AttachmentId id, const RouteChange& change) {
    return state_->change_routes(id, change, true);
}

Result<void> ControlPlane::State::change_routes(AttachmentId id, const RouteChange& change,
                                                bool rows) {
    State& s = *this;
    auto found = s.find(id);
    if (!found)
        return found.error();
    Attachment& attachment = **found;
    if (auto good = check_change(attachment, change); !good)
        return good;
    if (rows)
        if (auto good = s.settle_rows(); !good)
            return good;
    if (auto good = s.make_next_hops(id, change); !good)
        return good;
    Vrf& vrf = *s.cache.find(id);
    const FibChanges changes = fib_changes(vrf, change);
    attachment.routes.reserve_more(changes.ipv4.size(), changes.ipv6.size());
    if (rows)
        if (auto good = s.store->change_routes(id, change); !good) {
            s.give_up_next_hops(id, change);
            return good;
        }
    if (auto good = vrf.apply(changes); !good) {
        s.give_up_next_hops(id, change);
        if (rows && !s.store->change_routes(id, inverse(attachment.routes, change)))
            s.rows_owed.insert(id);
        return good;
    }
    const uint64_t token = s.dataplane.grace_period();
    if (s.store_routes(id, change) && s.port_linked[attachment.port.value])
        s.host.set_link(make_link(s.model, s.ports, {id, {}}), monotonic_ns());
    vrf.retire_idle(attachment.routes, token);
    const bool confirmed = s.dataplane.wait_seen(token, kConfirmNs);
    if (rows) // else it is a step of a plan, told when the whole of it is made
        emit(*s.events, routes_told(s.name_of(id), change));
    if (!confirmed)
        return Error{ErrorCode::unavailable,
                     "the change is made, but a worker has not confirmed it within 1 s"};
    s.dataplane.reclaim();
    return {};
}

} // namespace isthmus::control
