// Stage rewrite: TTL, link header and VLAN tag of the way out.

#include "dataplane/one_buffer.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

#include <cstring>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// The MAC of a host that nobody has asked for yet.
constexpr HopMac kNoHop;

const FeatureState& feature_of(const AttachmentState& attachment, const Burst& burst,
                               uint8_t i) noexcept {
    return attachment.egress.features[burst.member[i]];
}
// Nullptr: the destination itself.
const Adjacency* adjacency_of(const AttachmentState& attachment, const Burst& burst,
                              uint8_t i) noexcept {
    if (target_of(burst.target[i]) == Target::connected)
        return nullptr;
    return &attachment.ingress.adjacencies[index_of(burst.target[i])];
}

inline void decrement_ttl(uint8_t* packet, bool is_ipv6) noexcept {
    if (is_ipv6) {
        --wire::overlay<wire::Ipv6>(packet)->hop_limit;
        return;
    }
    // TTL, protocol and checksum as one word. RFC 1624, equation 3, for TTL being the first octet
    // of its 16-bit word; sums are the same in either octet order (RFC 1071, 2 B).
    auto* at = wire::overlay<Be32>(packet + offsetof(wire::Ipv4, ttl));
    const uint32_t word = at->raw();
    uint32_t sum = (word >> 16) + 1;
    sum += sum >> 16;
    at->set_raw(((word - 1) & 0xffff) | sum << 16);
}

// The six bits of RFC 2474; the two of ECN (RFC 3168) stay.
void write_dscp(const Burst& burst, uint8_t i, uint8_t dscp) noexcept {
    uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    if (burst.is_ipv6(i)) {
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

// What packets of one attachment, next hop and version get on their way out.
struct WayOut {
    bool ready; // else it is looked at why
    bool is_ipv6;
    uint8_t header; // octets
    uint16_t port;
    Be16 ether_type;
    uint64_t first, second; // DA, SA and a VLAN tag but for its last two octets
};

// By reference, field by field, so that it stays in registers.
inline void way_out_by(WayOut& way, const ForwardingState& state, PortId port, const HopMac& hop,
                       uint16_t vlan, bool is_ipv6) noexcept {
    const PortState& out = state.ports[port.value];
    way.port = port.value;
    way.ready = out.enabled && hop.resolved;
    if (!way.ready)
        return;
    way.is_ipv6 = is_ipv6;
    way.header = wire::kEthernetHeaderLength + (vlan != 0 ? wire::kVlanTagLength : 0);
    way.ether_type = is_ipv6 ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4;
    const uint64_t source = out.mac.number();
    way.first = hop.mac.number() | source << 48;
    way.second = source >> 16 | uint64_t{byte_swap(wire::kEtherTypeVlan)} << 32 |
                 uint64_t{byte_swap(vlan)} << 48;
}

template <Direction D>
inline void find_way_out(WayOut& way, const ForwardingState& state, const Burst& burst,
                         uint8_t i) noexcept {
    const AttachmentState& attachment = state.attachments[burst.attachment[i]];
    const bool is_ipv6 = burst.is_ipv6(i);
    if constexpr (D == Direction::egress) {
        const FeatureState& feature = feature_of(attachment, burst, i);
        way_out_by(way, state, feature.port, is_ipv6 ? feature.ipv6 : feature.ipv4, feature.vlan,
                   is_ipv6);
    } else {
        const Adjacency* adjacency = adjacency_of(attachment, burst, i);
        way_out_by(way, state, attachment.ingress.vpc_port, adjacency ? adjacency->hop : kNoHop,
                   attachment.ingress.vpc_vlan, is_ipv6);
    }
}

// Different for packets whose WayOut may be.
template <Direction D> uint64_t key_of(const Burst& burst, uint8_t i) noexcept {
    const uint32_t hop = D == Direction::egress ? burst.member[i] : burst.target[i];
    return (burst.ipv6 >> i & 1) << 63 | uint64_t{burst.attachment[i]} << 32 | hop;
}

// Puts the link header directly before the IP packet, whatever header stood there. On egress there
// is more to come; what goes to the VPC is finished.
template <Direction D>
void write_link(Burst& burst, uint8_t i, uint8_t* packet, const WayOut& way) noexcept {
    uint8_t* frame = packet - way.header;
    const uint32_t length = burst.frame_length[i] - burst.l3_offset[i] + way.header;
    burst.frame[i] = frame;
    burst.frame_length[i] = length;
    burst.l3_offset[i] = way.header;
    burst.out_port[i] = way.port;
    if constexpr (D == Direction::ingress)
        set_frame(burst.packet[i], frame, length);
    std::memcpy(frame, &way.first, sizeof way.first);
    if (way.header != wire::kEthernetHeaderLength)
        std::memcpy(frame + sizeof way.first, &way.second, sizeof way.second);
    else
        std::memcpy(frame + sizeof way.first, &way.second, sizeof(uint32_t));
    std::memcpy(packet - sizeof way.ether_type, &way.ether_type, sizeof way.ether_type);
}

[[gnu::noinline]] void not_ready(const StageContext& context, Burst& burst, uint8_t i,
                                 uint16_t port) noexcept {
    if (!context.state.ports[port].enabled)
        burst.drop(i, Drop::port_down);
    else
        burst.punt(i, PuntReason::unresolved);
}

} // namespace

template <Direction D> void rewrite(StageContext& context, Burst& burst) noexcept {
    const AttachmentState* const attachments = context.state.attachments.data();
    const uint16_t count = burst.live_count;
    uint64_t key = ~uint64_t{0};
    WayOut way{};
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        if (const uint64_t own = key_of<D>(burst, i); own != key) {
            key = own;
            find_way_out<D>(way, context.state, burst, i);
        }
        if (!way.ready) [[unlikely]] {
            not_ready(context, burst, i, way.port);
            continue;
        }
        uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
        if (packet - way.header < burst.packet[i]->buf_addr) [[unlikely]] {
            burst.drop(i, Drop::no_room);
            continue;
        }
        if ((burst.yellow >> i & 1) != 0) [[unlikely]]
            write_dscp(burst, i, attachments[burst.attachment[i]].side<D>().rate.excess_dscp);
        decrement_ttl(packet, way.is_ipv6);
        write_link<D>(burst, i, packet, way);
    }
    burst.compact();
}

template <Direction D>
Hop unresolved_hop(const StageContext& context, const Burst& burst, uint8_t i) noexcept {
    const uint16_t slot = burst.attachment[i];
    const AttachmentState& attachment = context.state.attachments[slot];
    Hop hop{{AttachmentId(slot), {}}, {}};
    if constexpr (D == Direction::egress) {
        const auto& interconnect =
            context.state.interconnects[attachment.egress.interconnect.value];
        const FeatureState& feature = feature_of(attachment, burst, i);
        hop.link.channel = interconnect.members[burst.member[i]];
        hop.address = burst.is_ipv6(i) ? IpAddr(feature.next_hop6) : IpAddr(feature.next_hop4);
    } else if (const Adjacency* adjacency = adjacency_of(attachment, burst, i)) {
        hop.address = adjacency->next_hop;
    } else if (burst.is_ipv6(i)) {
        hop.address =
            wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i])->destination.host();
    } else {
        hop.address = burst.destination4[i];
    }
    return hop;
}

template void rewrite<Direction::egress>(StageContext&, Burst&) noexcept;
template void rewrite<Direction::ingress>(StageContext&, Burst&) noexcept;
template Hop unresolved_hop<Direction::egress>(const StageContext&, const Burst&, uint8_t) noexcept;
template Hop unresolved_hop<Direction::ingress>(const StageContext&, const Burst&,
                                                uint8_t) noexcept;

} // namespace isthmus::dataplane
