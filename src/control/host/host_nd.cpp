// Neighbor Discovery (RFC 4861): solicitations and advertisements. The edge sends no router
// advertisements and hears none: its peers are configured.

#include "control/host/host_state.hpp"

namespace isthmus::control {

using namespace host;

namespace {

constexpr Ipv6Addr kAllNodes{uint64_t{0xff02} << 48, 1};

} // namespace

void HostStack::State::receive_solicitation(const Link& link, const L2View& l2, const IpView& ip) {
    const auto message = parse_solicitation(ip);
    if (!message) {
        ++counters.malformed;
        return;
    }
    const Ipv6Addr source = ip.source6();
    const NeighbourKey key{link.id, source};
    const bool detection = source.is_unspecified(); // duplicate address detection (RFC 4862, 5.4)
    // Who is not on the link has no business asking (RFC 5942, 3).
    if (!owns(link, message->target) ||
        (!ip.destination6().is_multicast() && !owns(link, ip.destination6())) ||
        (!detection && neighbours.find(key) == nullptr && !on_link(link, source)) ||
        owns(link, source)) {
        ++counters.local_ignored;
        return;
    }
    ++counters.nd_solicitations_received;
    if (message->mac)
        neighbours.learn(key, *message->mac, NeighbourTable::Evidence::confirmed, true, now_ns);
    const MacAddr to = detection ? multicast_mac(kAllNodes) : message->mac.value_or(l2.source);
    // RFC 4861, 7.2.4: to all nodes, and not solicited, if the asker has no address yet.
    const Frame answer =
        advertisement_frame({to, link.mac, link.vlan}, message->target,
                            detection ? kAllNodes : source, message->target, !detection);
    send(link, answer, counters.nd_advertisements_sent);
}

// RFC 4861, 7.2.5. What the RFC calls STALE is a hint here: used, and verified at once.
void HostStack::State::receive_advertisement(const Link& link, const IpView& ip) {
    const auto message = parse_advertisement(ip);
    if (!message) {
        ++counters.malformed;
        return;
    }
    const NeighbourKey key{link.id, message->target};
    const auto* entry = neighbours.find(key);
    if (entry == nullptr || entry->state == NeighbourState::permanent ||
        (!entry->usable() && !message->mac)) {
        ++counters.local_ignored;
        return;
    }
    const bool changes = entry->usable() && message->mac && *message->mac != entry->mac;
    const MacAddr mac = message->mac.value_or(entry->mac);
    if (changes && !message->overrides)
        neighbours.suspect(key, now_ns);
    else if (message->solicited)
        neighbours.learn(key, mac, NeighbourTable::Evidence::confirmed, false, now_ns);
    else if (changes || !entry->usable())
        neighbours.learn(key, mac, NeighbourTable::Evidence::hint, false, now_ns);
}

void HostStack::State::ask_nd(const Link& link, Ipv6Addr target, std::optional<MacAddr> to) {
    if (!link.local.ipv6)
        return;
    const Ipv6Addr group = solicited_node_multicast(target);
    const Frame solicitation =
        solicitation_frame({to.value_or(multicast_mac(group)), link.mac, link.vlan},
                           link.local.ipv6->addr, to ? target : group, target);
    send(link, solicitation, counters.nd_solicitations_sent);
}

// Unsolicited advertisement (RFC 4861, 7.2.6).
void HostStack::State::announce_nd(const Link& link) {
    if (!link.local.ipv6)
        return;
    const Ipv6Addr own = link.local.ipv6->addr;
    send(link,
         advertisement_frame({multicast_mac(kAllNodes), link.mac, link.vlan}, own, kAllNodes, own,
                             false),
         counters.nd_advertisements_sent);
}

} // namespace isthmus::control
