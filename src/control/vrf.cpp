#include "control/vrf.hpp"

#include <algorithm>

namespace isthmus::control {

using dataplane::Adjacency;
using dataplane::FibValue;
using dataplane::kNoRoute;
using dataplane::make_target;
using dataplane::Target;

namespace {

IpPrefix host_prefix(const IpAddr& address) {
    if (const auto* v4 = std::get_if<Ipv4Addr>(&address))
        return Ipv4Prefix{*v4, 32};
    return Ipv6Prefix{std::get<Ipv6Addr>(address), 128};
}

// The address of a host route.
std::optional<IpAddr> host_of(const IpPrefix& prefix) {
    if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
        return v4->length == 32 ? std::optional<IpAddr>(v4->addr) : std::nullopt;
    const auto& v6 = std::get<Ipv6Prefix>(prefix);
    return v6.length == 128 ? std::optional<IpAddr>(v6.addr) : std::nullopt;
}

void add_connected(FixedRoutes& fixed, const LinkAddresses& local) {
    if (local.ipv4) {
        const uint8_t length = local.ipv4->length;
        const Ipv4Addr network = masked(local.ipv4->addr, length);
        fixed.weak[Ipv4Prefix{network, length}] = make_target(Target::connected);
        if (length < 31) { // RFC 3021: a /31 has neither network nor broadcast address
            const Ipv4Addr last{network.value | ~ipv4_mask(length)};
            fixed.weak[Ipv4Prefix{network, 32}] = make_target(Target::broadcast);
            fixed.weak[Ipv4Prefix{last, 32}] = make_target(Target::broadcast);
        }
    }
    if (local.ipv6)
        fixed.weak[Ipv6Prefix{masked(local.ipv6->addr, local.ipv6->length), local.ipv6->length}] =
            make_target(Target::connected);
}

void add_own(FixedRoutes& fixed, const LinkAddresses& local) {
    if (local.ipv4)
        fixed.strong[Ipv4Prefix{local.ipv4->addr, 32}] = make_target(Target::local);
    if (local.ipv6)
        fixed.strong[Ipv6Prefix{local.ipv6->addr, 128}] = make_target(Target::local);
}

} // namespace

std::optional<MacAddr> find_mac(const NeighbourMacs& neighbours, LinkId link,
                                const IpAddr& address) {
    if (const auto known = neighbours.find(link); known != neighbours.end())
        if (const auto mac = known->second.find(address); mac != known->second.end())
            return mac->second;
    return std::nullopt;
}

void FibChanges::add(const IpPrefix& prefix, FibValue value) {
    if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
        ipv4.push_back({*v4, value});
    else
        ipv6.push_back({std::get<Ipv6Prefix>(prefix), value});
}

FixedRoutes fixed_routes(const Attachment& spec, const std::vector<ChannelId>& members) {
    FixedRoutes fixed;
    add_connected(fixed, spec.local);
    uint32_t member = 0;
    for (const ChannelId channel : members) {
        if (const auto found = spec.features.find(channel); found != spec.features.end()) {
            const Feature& feature = found->second;
            if (feature.peer_ipv4)
                fixed.strong[Ipv4Prefix{*feature.peer_ipv4, 32}] =
                    make_target(Target::member, member);
            if (feature.peer_ipv6)
                fixed.strong[Ipv6Prefix{*feature.peer_ipv6, 128}] =
                    make_target(Target::member, member);
        }
        ++member;
    }
    // After the peers, since an own address wins.
    for (const auto& [channel, feature] : spec.features)
        add_own(fixed, feature.local);
    add_own(fixed, spec.local);
    return fixed;
}

Vrf::Vrf(FixedRoutes fixed, const RouteTable& routes, const std::map<IpAddr, MacAddr>& neighbours,
         dataplane::FibArena& arena)
    : fixed_(std::move(fixed)), arena_(arena), fib4_(arena), fib6_(arena) {
    // From weak to strong: of two with one prefix the later one counts.
    FibChanges all;
    for (const auto& [prefix, value] : fixed_.weak)
        all.add(prefix, value);
    for (const auto& [address, mac] : neighbours) {
        set_neighbour(address, mac);
        all.add(host_prefix(address), make_target(Target::vpc, hops_.at(address).index));
    }
    for (const IpAddr& next_hop : routes.next_hops())
        (void)want(next_hop);
    routes.for_each(
        [&](const IpPrefix& prefix, const Route& route) { all.add(prefix, target_of(route)); });
    for (const auto& [prefix, value] : fixed_.strong)
        all.add(prefix, value);
    hosts_.clear();
    if (!apply(all))
        throw std::bad_alloc();
}

Vrf::Hop& Vrf::place_of(const IpAddr& address) {
    const auto [known, fresh] = hops_.try_emplace(address);
    Hop& hop = known->second;
    if (!fresh)
        return hop;
    if (free_.empty()) {
        hop.index = static_cast<uint32_t>(adjacencies_.size());
        adjacencies_.emplace_back();
    } else {
        hop.index = free_.back();
        free_.pop_back();
    }
    adjacencies_[hop.index] = {{}, address};
    ++unknown_;
    changed_ = true;
    return hop;
}

bool Vrf::want(const IpAddr& next_hop) {
    return place_of(next_hop).known == Known::yes;
}

void Vrf::set_neighbour(const IpAddr& address, const std::optional<MacAddr>& mac) {
    if (!mac && !hops_.contains(address))
        return;
    Hop& hop = place_of(address);
    adjacencies_[hop.index] = {{mac.value_or(MacAddr{}), mac.has_value()}, address};
    changed_ = true;
    if (hop.neighbour == mac.has_value())
        return;
    hop.neighbour = mac.has_value();
    hosts_.push_back(address);
}

std::vector<Adjacency> Vrf::adjacencies() {
    if (unknown_ != 0)
        for (auto& [address, hop] : hops_)
            if (hop.known == Known::no)
                hop.known = Known::published;
    changed_ = false;
    return adjacencies_;
}

void Vrf::confirm() {
    if (unknown_ == 0)
        return;
    unknown_ = 0;
    for (auto& [address, hop] : hops_) {
        if (hop.known == Known::published)
            hop.known = Known::yes;
        unknown_ += hop.known != Known::yes;
    }
}

FibValue Vrf::target_of(const Route& route) const {
    if (route.via == Via::channels)
        return make_target(Target::channels);
    if (route.via == Via::blackhole)
        return make_target(Target::blackhole);
    return make_target(Target::vpc, hops_.at(*route.next_hop).index);
}

FibValue Vrf::winner(const IpPrefix& prefix, const std::optional<Route>& route) const {
    if (const auto strong = fixed_.strong.find(prefix); strong != fixed_.strong.end())
        return strong->second;
    if (route)
        return target_of(*route);
    if (const auto host = host_of(prefix))
        if (const auto hop = hops_.find(*host);
            hop != hops_.end() && hop->second.neighbour && hop->second.known == Known::yes)
            return make_target(Target::vpc, hop->second.index);
    const auto weak = fixed_.weak.find(prefix);
    return weak != fixed_.weak.end() ? weak->second : kNoRoute;
}

Result<void> Vrf::apply(const FibChanges& changes) {
    // Room for both before either is touched; then the second one can not fail any more.
    const std::size_t needed =
        fib4_.room_needed(changes.ipv4.size()) + fib6_.room_needed(changes.ipv6.size());
    if (!changes.ipv4.empty() && !changes.ipv6.empty())
        if (auto good =
                dataplane::check_room(arena_, needed, changes.ipv4.size() + changes.ipv6.size());
            !good)
            return good;
    if (!changes.ipv4.empty())
        if (auto good = fib4_.apply(changes.ipv4); !good)
            return good;
    if (!changes.ipv6.empty())
        return fib6_.apply(changes.ipv6);
    return {};
}

Result<bool> Vrf::flush_hosts(const RouteTable& routes) {
    FibChanges changes;
    std::vector<IpAddr> later, done;
    for (const IpAddr& address : hosts_) {
        const auto hop = hops_.find(address);
        if (hop != hops_.end() && hop->second.neighbour && hop->second.known != Known::yes) {
            later.push_back(address);
            continue;
        }
        const IpPrefix prefix = host_prefix(address);
        changes.add(prefix, winner(prefix, routes.find(prefix)));
        done.push_back(address);
    }
    if (auto good = apply(changes); !good)
        return good.error();
    hosts_ = std::move(later);
    idle_.insert(idle_.end(), done.begin(), done.end());
    return !done.empty();
}

void Vrf::retire_idle(const RouteTable& routes, uint64_t token) {
    for (const IpAddr& address : std::exchange(idle_, {})) {
        const auto hop = hops_.find(address);
        // A host route that flush_hosts() has not seen to yet may still lead there.
        if (hop == hops_.end() || hop->second.neighbour || routes.leads_to(address) ||
            std::find(hosts_.begin(), hosts_.end(), address) != hosts_.end())
            continue;
        unknown_ -= hop->second.known != Known::yes;
        retired_.push_back({token, hop->second.index});
        hops_.erase(hop);
    }
}

void Vrf::reuse(const std::function<bool(uint64_t token)>& seen) {
    for (; !retired_.empty() && seen(retired_.front().token); retired_.pop_front())
        free_.push_back(retired_.front().index);
}

} // namespace isthmus::control
