// ARP (RFC 826), with address probes and announcements as RFC 5227 has them.

#include "control/host/host_state.hpp"

namespace isthmus::control {

using namespace host;

void HostStack::State::receive_arp(const Link& link, const L2View& l2) {
    const auto arp = parse_arp(l2.payload);
    if (!arp) {
        ++counters.malformed;
        return;
    }
    const Ipv4Addr sender{arp->sender_ip.host()};
    const Ipv4Addr target{arp->target_ip.host()};
    const bool request = arp->operation.host() == static_cast<uint16_t>(ArpOperation::request);
    const bool for_us = link.local.ipv4 && link.local.ipv4->addr == target;
    const NeighbourKey key{link.id, sender};
    const bool known = neighbours.find(key) != nullptr;
    // An address probe (RFC 5227, 1.1) has no sender address to learn, but needs its answer.
    const bool probe = request && sender == Ipv4Addr{};
    if (owns(link, sender) || arp->sender_mac == link.mac || (!known && !for_us) ||
        (!known && !probe && !on_link(link, sender))) {
        ++counters.local_ignored;
        return;
    }
    // RFC 826: whoever is known already is updated by any packet; a stranger is only worth an
    // entry when it is about to talk to us.
    if (!probe)
        neighbours.learn(key, arp->sender_mac, NeighbourTable::Evidence::confirmed,
                         for_us && request, now_ns);
    if (for_us && request)
        answer_arp(link, *arp);
}

void HostStack::State::answer_arp(const Link& link, const wire::Arp& request) {
    ++counters.arp_requests_received;
    const Frame reply = arp_frame({request.sender_mac, link.mac, link.vlan}, ArpOperation::reply,
                                  {link.mac, link.local.ipv4->addr},
                                  {request.sender_mac, {request.sender_ip.host()}});
    send(link, reply, counters.arp_replies_sent);
}

void HostStack::State::ask_arp(const Link& link, Ipv4Addr target, std::optional<MacAddr> to) {
    if (!link.local.ipv4)
        return;
    const Frame request =
        arp_frame({to.value_or(kBroadcastMac), link.mac, link.vlan}, ArpOperation::request,
                  {link.mac, link.local.ipv4->addr}, {MacAddr{}, target});
    send(link, request, counters.arp_requests_sent);
}

// ARP Announcement: a request for one's own address (RFC 5227, 2.3).
void HostStack::State::announce_arp(const Link& link) {
    if (link.local.ipv4)
        ask_arp(link, link.local.ipv4->addr, std::nullopt);
}

} // namespace isthmus::control
