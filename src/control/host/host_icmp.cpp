// IP packets for the edge itself: ND, ping, and a polite no to UDP.

#include "control/host/host_state.hpp"

namespace isthmus::control {

using namespace host;

void HostStack::State::receive_ip(const Link& link, const L2View& l2) {
    const auto ip = parse_ip(l2);
    if (!ip) {
        ++counters.malformed;
        return;
    }
    const bool nd = ip->is_v6() && ip->protocol == wire::kProtoIcmpv6 && !ip->later_fragment &&
                    !ip->payload.empty() && ip->payload[0] >= wire::kIcmpv6RouterSolicitation &&
                    ip->payload[0] <= 137;
    if (nd)
        return receive_nd_type(link, l2, *ip);
    // RFC 1122, 3.3.6: unicast to an own address, unless it came in a broadcast frame; no answers
    // to more than one host, and none to ourselves.
    if (!links.is_own(link, ip->destination) || l2.destination.is_multicast() || ip->fragment ||
        !is_unicast(ip->source) || links.is_own(link, ip->source) ||
        links.is_broadcast(link, ip->source)) {
        ++counters.local_ignored;
        return;
    }
    receive_local(link, l2, *ip);
}

void HostStack::State::receive_nd_type(const Link& link, const L2View& l2, const IpView& ip) {
    if (ip.payload[0] == wire::kIcmpv6NeighborSolicitation)
        receive_solicitation(link, l2, ip);
    else if (ip.payload[0] == wire::kIcmpv6NeighborAdvertisement)
        receive_advertisement(link, ip);
    else
        ++counters.local_ignored; // router solicitation, router advertisement, redirect
}

void HostStack::State::receive_local(const Link& link, const L2View& l2, const IpView& ip) {
    if (ip.protocol == wire::kProtoUdp)
        return refuse_port(link, l2, ip);
    if (ip.protocol != (ip.is_v6() ? wire::kProtoIcmpv6 : wire::kProtoIcmp)) {
        ++counters.local_ignored;
        return;
    }
    const wire::Icmp* icmp = parse_icmp(ip);
    if (icmp == nullptr) {
        ++counters.malformed;
        return;
    }
    const uint8_t echo = ip.is_v6() ? wire::kIcmpv6EchoRequest : wire::kIcmpEchoRequest;
    // What can not go back whole is not answered: the edge does not fragment.
    if (icmp->type == echo && icmp->code == 0 && ip.packet.size() <= link.mtu)
        answer_echo(link, l2, ip, *icmp);
    else
        ++counters.local_ignored;
}

// RFC 792 and RFC 4443, 4.2: the same data back, with the addresses swapped.
void HostStack::State::answer_echo(const Link& link, const L2View& l2, const IpView& ip,
                                   const wire::Icmp& request) {
    const L2Header back{l2.source, link.mac, link.vlan};
    const Octets data = ip.payload.subspan(sizeof(wire::Icmp));
    const uint32_t id_and_sequence = request.rest.host();
    const auto dscp = static_cast<uint8_t>(ip.traffic_class & 0xfc);
    const Frame reply =
        ip.is_v6()
            ? icmpv6_frame(back, {ip.destination6(), ip.source6(), dscp},
                           {wire::kIcmpv6EchoReply, 0, id_and_sequence, data})
            : icmp_frame(back, {ip.destination4(), ip.source4(), dscp, next_identification++},
                         {wire::kIcmpEchoReply, 0, id_and_sequence, data});
    send(link, reply, counters.echo_replies_sent);
}

} // namespace isthmus::control
