// Stage rewrite: TTL, link header and VLAN tag of the way out.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// The MAC of the next hop; resolved is false if control has to find it first.
template <Direction D>
const Adjacency* next_hop_of(const StageContext& context, const Burst& burst, uint8_t i) noexcept {
    const AttachmentState& attachment = context.state.attachments[burst.attachment[i]];
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

// Puts the link header directly before the IP packet, whatever header stood there.
void write_link(Burst& burst, uint8_t i, const MacAddr& destination, const MacAddr& source,
                uint16_t vlan) noexcept {
    const auto header =
        static_cast<uint16_t>(wire::kEthernetHeaderLength + (vlan != 0 ? wire::kVlanTagLength : 0));
    rte_mbuf* packet = burst.packet[i];
    const int move = burst.l3_offset[i] - header; // > 0: the frame gets shorter
    if (move > 0)
        rte_pktmbuf_adj(packet, static_cast<uint16_t>(move));
    else if (move < 0)
        rte_pktmbuf_prepend(packet, static_cast<uint16_t>(-move));
    uint8_t* frame = burst.frame[i] + move;
    burst.frame[i] = frame;
    burst.frame_length[i] -= static_cast<uint32_t>(move);
    burst.l3_offset[i] = header;

    auto* ethernet = wire::overlay<wire::Ethernet>(frame);
    ethernet->destination = destination;
    ethernet->source = source;
    const uint16_t type = burst.ether_type[i];
    if (vlan != 0) {
        ethernet->ether_type = wire::kEtherTypeVlan;
        auto* tag = wire::overlay<wire::Vlan>(frame + wire::kEthernetHeaderLength);
        tag->tci = vlan;
        tag->ether_type = type;
    } else {
        ethernet->ether_type = type;
    }
}

template <Direction D>
void rewrite_one(const StageContext& context, Burst& burst, uint8_t i) noexcept {
    const AttachmentState& attachment = context.state.attachments[burst.attachment[i]];
    uint16_t vlan = attachment.vpc_vlan;
    if constexpr (D == Direction::egress)
        vlan = attachment.features[burst.member[i]].vlan;
    else
        burst.out_port[i] = attachment.vpc_port.value;
    const PortState& out = context.state.ports[burst.out_port[i]];
    if (!out.enabled)
        return burst.drop(i, Drop::port_down);
    const Adjacency* hop = next_hop_of<D>(context, burst, i);
    if (hop == nullptr || !hop->resolved)
        return burst.punt(i, PuntReason::unresolved);
    if (rte_pktmbuf_headroom(burst.packet[i]) < wire::kVlanTagLength)
        return burst.drop(i, Drop::no_room);
    decrement_ttl(burst, i);
    if ((burst.yellow >> i & 1) != 0)
        write_dscp(burst, i,
                   D == Direction::egress ? attachment.egress_rate.excess_dscp
                                          : attachment.ingress_rate.excess_dscp);
    write_link(burst, i, hop->mac, out.mac, vlan);
}

} // namespace

template <Direction D> void rewrite(StageContext& context, Burst& burst) noexcept {
    for (uint16_t k = 0; k < burst.live_count; ++k)
        rewrite_one<D>(context, burst, burst.live[k]);
    burst.compact();
}

template <Direction D>
Hop unresolved_hop(const StageContext& context, const Burst& burst, uint8_t i) noexcept {
    const uint16_t slot = burst.attachment[i];
    Hop hop{{AttachmentId(slot), {}}, {}};
    if constexpr (D == Direction::egress) {
        const auto& interconnect =
            context.state.interconnects[context.state.attachments[slot].interconnect.value];
        hop.link.channel = interconnect.members[burst.member[i]];
    }
    if (const Adjacency* adjacency = next_hop_of<D>(context, burst, i)) {
        hop.address = adjacency->next_hop;
        return hop;
    }
    if (burst.is_ipv6[i])
        hop.address =
            wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i])->destination.host();
    else
        hop.address = Ipv4Addr{burst.destination4[i]};
    return hop;
}

template void rewrite<Direction::egress>(StageContext&, Burst&) noexcept;
template void rewrite<Direction::ingress>(StageContext&, Burst&) noexcept;
template Hop unresolved_hop<Direction::egress>(const StageContext&, const Burst&, uint8_t) noexcept;
template Hop unresolved_hop<Direction::ingress>(const StageContext&, const Burst&,
                                                uint8_t) noexcept;

} // namespace isthmus::dataplane
