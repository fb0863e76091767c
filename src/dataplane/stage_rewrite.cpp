// Stage rewrite: TTL, link header and VLAN tag of the way out.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// The MAC of the next hop; resolved is false if control has to find it first.
template <Direction D>
const Adjacency* next_hop_of(const AttachmentState& attachment, const Burst& burst,
                             uint8_t i) noexcept {
    if constexpr (D == Direction::egress) {
        const FeatureState& feature = attachment.features[burst.member[i]];
        return burst.is_ipv6[i] ? &feature.ipv6 : &feature.ipv4;
    } else {
        if (target_of(burst.target[i]) == Target::connected)
            return nullptr;
        return &attachment.adjacencies[index_of(burst.target[i])];
    }
}

void decrement_ttl(const Burst& burst, uint8_t i) noexcept {
    uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    if (burst.is_ipv6[i]) {
        --wire::overlay<wire::Ipv6>(packet)->hop_limit;
        return;
    }
    auto* ip = wire::overlay<wire::Ipv4>(packet);
    --ip->ttl;
    // RFC 1624, equation 3, for TTL being the high octet of its 16-bit word.
    uint32_t sum = ip->checksum.host() + 0x0100u;
    sum += sum >> 16;
    ip->checksum = static_cast<uint16_t>(sum);
}

// The six bits of RFC 2474; the two of ECN (RFC 3168) stay.
void write_dscp(const Burst& burst, uint8_t i, uint8_t dscp) noexcept {
    uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    if (burst.is_ipv6[i]) {
        auto* ip = wire::overlay<wire::Ipv6>(packet);
        const uint32_t word = ip->version_class_flow.host();
        ip->version_class_flow = (word & ~(0x3fu << 22)) | uint32_t{dscp} << 22;
        return;
    }
    auto* ip = wire::overlay<wire::Ipv4>(packet);
    const uint8_t before = ip->dscp_ecn;
    const auto after = static_cast<uint8_t>(dscp << 2 | (before & 3));
    ip->dscp_ecn = after;
    // RFC 1624, equation 3, for the low octet of the header's first 16-bit word.
    uint32_t sum = (~ip->checksum.host() & 0xffffu) + (0xffffu - before) + after;
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    ip->checksum = static_cast<uint16_t>(~sum);
}

// Moves the beginning of a packet of one segment: > 0 cuts octets off, < 0 takes some of the room
// before it.
void move_front(rte_mbuf* packet, int move) noexcept {
    packet->data_off = static_cast<uint16_t>(packet->data_off + move);
    packet->data_len = static_cast<uint16_t>(packet->data_len - move);
    packet->pkt_len -= static_cast<uint32_t>(move);
}

// Puts the link header directly before the IP packet, whatever header stood there.
inline void write_link(Burst& burst, uint8_t i, const MacAddr& destination, const MacAddr& source,
                       uint16_t vlan) noexcept {
    constexpr int kUntagged = wire::kEthernetHeaderLength;
    const int header = kUntagged + (vlan != 0 ? wire::kVlanTagLength : 0);
    const int move = burst.l3_offset[i] - header;
    uint8_t* frame = burst.frame[i] + move;
    auto* ethernet = wire::overlay<wire::Ethernet>(frame);
    ethernet->destination = destination;
    ethernet->source = source;
    // Without a tag, the type is written twice.
    ethernet->ether_type = wire::kEtherTypeVlan;
    if (vlan != 0)
        wire::overlay<wire::Vlan>(frame + kUntagged)->tci = vlan;
    *wire::overlay<Be16>(frame + header - sizeof(Be16)) = burst.ether_type[i];
    move_front(burst.packet[i], move);
    burst.frame[i] = frame;
    burst.frame_length[i] -= static_cast<uint32_t>(move);
    burst.l3_offset[i] = static_cast<uint16_t>(header);
}

// What a packet of an attachment gets on its way out.
struct WayOut {
    const Adjacency* hop; // null: not known yet
    uint16_t vlan;
    uint16_t port;
    uint8_t excess_dscp;
};
template <Direction D>
WayOut way_out_of(const AttachmentState& attachment, const Burst& burst, uint8_t i) noexcept {
    const Adjacency* hop = next_hop_of<D>(attachment, burst, i);
    if constexpr (D == Direction::egress)
        return {hop, attachment.features[burst.member[i]].vlan, burst.out_port[i],
                attachment.egress_rate.excess_dscp};
    else
        return {hop, attachment.vpc_vlan, attachment.vpc_port.value,
                attachment.ingress_rate.excess_dscp};
}

} // namespace

template <Direction D> void rewrite(StageContext& context, Burst& burst) noexcept {
    const AttachmentState* const attachments = context.state.attachments.data();
    const PortState* const ports = context.state.ports.data();
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        const WayOut way = way_out_of<D>(attachments[burst.attachment[i]], burst, i);
        const PortState& out = ports[way.port];
        if (!out.enabled) [[unlikely]]
            burst.drop(i, Drop::port_down);
        else if (way.hop == nullptr || !way.hop->resolved) [[unlikely]]
            burst.punt(i, PuntReason::unresolved);
        else if (rte_pktmbuf_headroom(burst.packet[i]) < wire::kVlanTagLength) [[unlikely]]
            burst.drop(i, Drop::no_room);
        else {
            decrement_ttl(burst, i);
            if ((burst.yellow >> i & 1) != 0) [[unlikely]]
                write_dscp(burst, i, way.excess_dscp);
            write_link(burst, i, way.hop->mac, out.mac, way.vlan);
            burst.out_port[i] = way.port;
        }
    }
    burst.compact();
}

template <Direction D>
Hop unresolved_hop(const StageContext& context, const Burst& burst, uint8_t i) noexcept {
    const uint16_t slot = burst.attachment[i];
    const AttachmentState& attachment = context.state.attachments[slot];
    Hop hop{{AttachmentId(slot), {}}, {}};
    if constexpr (D == Direction::egress) {
        const auto& interconnect = context.state.interconnects[attachment.interconnect.value];
        hop.link.channel = interconnect.members[burst.member[i]];
    }
    if (const Adjacency* adjacency = next_hop_of<D>(attachment, burst, i)) {
        hop.address = adjacency->next_hop;
        return hop;
    }
    if (burst.is_ipv6[i])
        hop.address =
            wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i])->destination.host();
    else
        hop.address = burst.destination4[i];
    return hop;
}

template void rewrite<Direction::egress>(StageContext&, Burst&) noexcept;
template void rewrite<Direction::ingress>(StageContext&, Burst&) noexcept;
template Hop unresolved_hop<Direction::egress>(const StageContext&, const Burst&, uint8_t) noexcept;
template Hop unresolved_hop<Direction::ingress>(const StageContext&, const Burst&,
                                                uint8_t) noexcept;

} // namespace isthmus::dataplane
