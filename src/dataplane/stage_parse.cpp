// Stages parse, attachment and ip_check: from octets to a checked IP packet of a known attachment.

#include "dataplane/flow_hash.hpp"
#include "dataplane/frame_parser.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

void take_link(uint64_t own_mac, Burst& burst, uint8_t i, const LinkHeader& link) noexcept {
    const auto& header = *wire::overlay<wire::Ethernet>(burst.frame[i]);
    if (header.destination.number() != own_mac && !header.destination.is_multicast()) [[unlikely]]
        return burst.drop(i, Drop::not_for_us);
    burst.ether_type[i] = link.ether_type;
    burst.vlan[i] = link.vlan;
    burst.l3_offset[i] = link.l3_offset;
}

// Apart, as all that is not plain: the address of `link` leaves this function, and would keep the
// members of the plain one in memory.
[[gnu::noinline]] void parse_carefully(uint64_t own_mac, Burst& burst, uint8_t i) noexcept {
    LinkHeader link;
    if (const auto bad = parse_link(burst.frame[i], burst.frame_length[i], link))
        return burst.drop(i, *bad);
    take_link(own_mac, burst, i, link);
}

void check_arp(Burst& burst, uint8_t i) noexcept {
    const uint32_t available = burst.frame_length[i] - burst.l3_offset[i];
    if (available < sizeof(wire::Arp))
        return burst.drop(i, Drop::arp_malformed);
    const auto* arp = wire::overlay<wire::Arp>(burst.frame[i] + burst.l3_offset[i]);
    if (arp->hardware_type.host() != 1 || arp->protocol_type.host() != wire::kEtherTypeIpv4 ||
        arp->hardware_length != 6 || arp->protocol_length != 4)
        return burst.drop(i, Drop::arp_malformed);
    burst.punt(i, PuntReason::arp);
}

// Ethernet padding is cut off: what follows carries the IP packet only.
void trim_padding(Burst& burst, uint8_t i, uint16_t ip_length) noexcept {
    const uint32_t length = burst.l3_offset[i] + uint32_t{ip_length};
    const auto surplus = static_cast<uint16_t>(burst.frame_length[i] - length);
    if (surplus != 0) {
        burst.frame_length[i] = length;
        rte_pktmbuf_trim(burst.packet[i], surplus);
    }
}

// An ICMP error takes the channel of the packets that answer the flow which it is about.
uint32_t hash_of_ipv4(uint32_t seed, const uint8_t* packet, const IpHeader& header) noexcept {
    if (header.quote != 0) [[unlikely]]
        if (const auto a =
                answer_to_ipv4(packet + header.quote, uint32_t{header.length} - header.quote))
            return flow_hash(seed, a->source, a->destination, a->protocol, a->ports);
    const auto* ip = wire::overlay<wire::Ipv4>(packet);
    return flow_hash(seed, Ipv4Addr{ip->source.host()}, Ipv4Addr{ip->destination.host()},
                     header.protocol, header.ports);
}

uint32_t hash_of_ipv6(uint32_t seed, const uint8_t* packet, const IpHeader& header) noexcept {
    if (header.quote != 0) [[unlikely]]
        if (const auto a =
                answer_to_ipv6(packet + header.quote, uint32_t{header.length} - header.quote))
            return flow_hash(seed, a->source, a->destination, a->protocol, a->ports);
    const auto* ip = wire::overlay<wire::Ipv6>(packet);
    return flow_hash(seed, ip->source.host(), ip->destination.host(), header.protocol,
                     header.ports);
}

// False: dropped.
template <Direction D>
bool take_v4(Burst& burst, uint8_t i, const IpHeader& header, uint32_t hash) noexcept {
    const uint8_t* frame = burst.frame[i];
    // RFC 1812, 5.3.4: a packet that came as a link-layer broadcast is not forwarded.
    if (wire::overlay<wire::Ethernet>(frame)->destination.is_multicast()) [[unlikely]] {
        burst.drop(i, Drop::ip_multicast);
        return false;
    }
    const auto* ip = wire::overlay<wire::Ipv4>(frame + burst.l3_offset[i]);
    burst.is_ipv6[i] = false;
    burst.link_local_source[i] = false;
    burst.ttl[i] = header.ttl;
    burst.ip_length[i] = header.length;
    burst.destination4[i].value = ip->destination.host();
    if constexpr (D == Direction::egress)
        burst.flow_hash[i] = hash;
    trim_padding(burst, i, header.length);
    return true;
}

template <Direction D>
[[gnu::noinline]] bool check_v4_carefully(Burst& burst, uint8_t i, uint32_t seed) noexcept {
    const uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    IpHeader header;
    if (const auto bad = check_ipv4(packet, burst.frame_length[i] - burst.l3_offset[i], header)) {
        burst.drop(i, *bad);
        return false;
    }
    return take_v4<D>(burst, i, header, hash_of_ipv4(seed, packet, header));
}

template <Direction D> bool check_v4(Burst& burst, uint8_t i, uint32_t seed) noexcept {
    const uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    IpHeader header;
    if (!is_plain_ipv4(packet, burst.frame_length[i] - burst.l3_offset[i], header)) [[unlikely]]
        return check_v4_carefully<D>(burst, i, seed);
    const auto* ip = wire::overlay<wire::Ipv4>(packet);
    return take_v4<D>(burst, i, header,
                      flow_hash(seed, Ipv4Addr{ip->source.host()}, Ipv4Addr{ip->destination.host()},
                                header.protocol, header.ports));
}

// Neighbour discovery to a group of the link (RFC 4861: solicitations and advertisements).
bool is_neighbour_discovery(const uint8_t* packet, const IpHeader& header) noexcept {
    if (header.protocol != wire::kProtoIcmpv6 || header.fragment ||
        header.length < wire::kIpv6Header + sizeof(wire::Icmp) ||
        wire::overlay<wire::Ipv6>(packet)->next_header != wire::kProtoIcmpv6)
        return false;
    const uint8_t type = packet[wire::kIpv6Header];
    return type == wire::kIcmpv6NeighborSolicitation || type == wire::kIcmpv6NeighborAdvertisement;
}

void check_v6_destination(const StageContext& context, Burst& burst, uint8_t i,
                          const uint8_t* packet, const IpHeader& header) noexcept {
    const Ipv6Addr destination = wire::overlay<wire::Ipv6>(packet)->destination.host();
    if (destination.is_multicast() || destination == context.port.link_local) {
        if (is_neighbour_discovery(packet, header))
            return burst.punt(i, PuntReason::nd);
        if (destination.is_multicast())
            return burst.drop(i, Drop::ip_multicast);
        return burst.punt(i, PuntReason::local);
    }
    if (wire::overlay<wire::Ethernet>(burst.frame[i])->destination.is_multicast())
        return burst.drop(i, Drop::ip_multicast);
    if (destination.is_link_local())
        return burst.drop(i, Drop::ipv6_scope);
    trim_padding(burst, i, header.length);
}

template <Direction D>
bool check_v6(const StageContext& context, Burst& burst, uint8_t i, uint32_t seed) noexcept {
    const uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    IpHeader header;
    if (const auto bad = check_ipv6(packet, burst.frame_length[i] - burst.l3_offset[i], header)) {
        burst.drop(i, *bad);
        return false;
    }
    burst.is_ipv6[i] = true;
    burst.link_local_source[i] = wire::overlay<wire::Ipv6>(packet)->source.host().is_link_local();
    burst.ttl[i] = header.ttl;
    burst.ip_length[i] = header.length;
    if constexpr (D == Direction::egress)
        burst.flow_hash[i] = hash_of_ipv6(seed, packet, header);
    check_v6_destination(context, burst, i, packet, header);
    return burst.verdict[i] == kInPipeline;
}

// Apart from IPv4, for what a loop keeps in registers. False: not IP, or not any more.
template <Direction D>
[[gnu::noinline]] bool check_other(const StageContext& context, Burst& burst, uint8_t i,
                                   uint32_t seed) noexcept {
    if (burst.ether_type[i] == wire::kEtherTypeIpv6)
        return check_v6<D>(context, burst, i, seed);
    if (burst.ether_type[i] == wire::kEtherTypeArp)
        check_arp(burst, i);
    else
        burst.drop(i, Drop::ether_type_unsupported);
    return false;
}

} // namespace

template <Direction D> void parse(StageContext& context, Burst& burst) noexcept {
    const uint64_t own_mac = context.port.mac.number();
    const uint32_t max_frame = context.port.max_frame;
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        if constexpr (D == Direction::egress) {
            rte_mbuf* packet = burst.packet[i];
            burst.frame[i] = rte_pktmbuf_mtod(packet, uint8_t*);
            burst.frame_length[i] = packet->pkt_len;
            if (packet->pkt_len > max_frame) [[unlikely]] {
                burst.drop(i, Drop::frame_oversized);
                continue;
            }
        }
        LinkHeader link;
        if (is_plain_link(burst.frame[i], burst.frame_length[i], link)) [[likely]]
            take_link(own_mac, burst, i, link);
        else
            parse_carefully(own_mac, burst, i);
    }
    burst.compact();
}

template <Direction D> void find_attachment(StageContext& context, Burst& burst) noexcept {
    const VlanTable* table = D == Direction::egress
                                 ? context.port.vlans.get()
                                 : context.state.channels[context.port.channel.value].vlans.get();
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        burst.attachment[i] = (*table)[burst.vlan[i]];
        if (burst.attachment[i] == AttachmentId::kNone)
            burst.drop(i, Drop::no_attachment);
    }
    burst.compact();
}

template <Direction D> void check_ip(StageContext& context, Burst& burst) noexcept {
    RxCount received(D == Direction::egress ? context.counters.egress : context.counters.ingress);
    const uint32_t seed = context.port.hash_seed;
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        const bool good = burst.ether_type[i] == wire::kEtherTypeIpv4
                              ? check_v4<D>(burst, i, seed)
                              : check_other<D>(context, burst, i, seed);
        if (good) [[likely]]
            received.add(burst.attachment[i], burst.ip_length[i]);
    }
    burst.compact();
}

template void parse<Direction::egress>(StageContext&, Burst&) noexcept;
template void parse<Direction::ingress>(StageContext&, Burst&) noexcept;
template void find_attachment<Direction::egress>(StageContext&, Burst&) noexcept;
template void find_attachment<Direction::ingress>(StageContext&, Burst&) noexcept;
template void check_ip<Direction::egress>(StageContext&, Burst&) noexcept;
template void check_ip<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
