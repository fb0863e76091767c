// Stage parse: from octets to a checked IP packet of a known attachment.

#include "dataplane/flow_hash.hpp"
#include "dataplane/frame_parser.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

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
    burst.frame_length[i] = burst.l3_offset[i] + uint32_t{ip_length};
}

// An ICMP error takes the channel of the packets that answer the flow which it is about.
uint32_t hash_of_ipv4(const HashSeed& seed, const uint8_t* packet,
                      const IpHeader& header) noexcept {
    if (header.quote != 0) [[unlikely]]
        if (const auto a =
                answer_to_ipv4(packet + header.quote, uint32_t{header.length} - header.quote))
            return flow_hash(seed, a->source, a->destination, a->protocol, a->ports);
    const auto* ip = wire::overlay<wire::Ipv4>(packet);
    return flow_hash(seed, Ipv4Addr{ip->source.host()}, Ipv4Addr{ip->destination.host()},
                     header.protocol, header.ports);
}

uint32_t hash_of_ipv6(const HashSeed& seed, const uint8_t* packet,
                      const IpHeader& header) noexcept {
    if (header.quote != 0) [[unlikely]]
        if (const auto a =
                answer_to_ipv6(packet + header.quote, uint32_t{header.length} - header.quote))
            return flow_hash(seed, a->source, a->destination, a->protocol, a->ports);
    const auto* ip = wire::overlay<wire::Ipv6>(packet);
    return flow_hash(seed, ip->source.host(), ip->destination.host(), header.protocol,
                     header.ports);
}

// In the upper 48 bits. Reads two octets behind it, which all frames have.
uint64_t destination_of(const uint8_t* frame) noexcept {
    uint64_t first;
    std::memcpy(&first, frame, sizeof first);
    return first << 16;
}

// What is known of the packets of a burst before they are looked at.
struct Intake {
    template <Direction D>
    static Intake of(const StageContext& context, std::integral_constant<Direction, D>) noexcept {
        const auto& vlans = D == Direction::egress
                                ? context.port.vlans
                                : context.state.channels[context.port.channel.value].vlans;
        return {vlans->data(), context.port.mac.number() << 16, context.port.hash_seed};
    }
    const uint16_t* attachments; // by VLAN
    uint64_t own_mac;            // as destination_of has it
    HashSeed hash_seed;
};

template <Direction D>
[[gnu::always_inline]] inline void take_v4(Burst& burst, uint8_t i, const IpHeader& header,
                                           Ipv4Addr destination, uint32_t hash) noexcept {
    burst.ttl[i] = header.ttl;
    burst.ip_length[i] = header.length;
    burst.destination4[i] = destination;
    if constexpr (D == Direction::egress)
        burst.flow_hash[i] = hash;
}

template <Direction D> void check_v4(Burst& burst, uint8_t i, const HashSeed& seed) noexcept {
    const uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    IpHeader header;
    if (const auto bad = check_ipv4(packet, burst.frame_length[i] - burst.l3_offset[i], header))
        return burst.drop(i, *bad);
    // RFC 1812, 5.3.4: a packet that came as a link-layer broadcast is not forwarded.
    if (wire::overlay<wire::Ethernet>(burst.frame[i])->destination.is_multicast())
        return burst.drop(i, Drop::ip_multicast);
    const Ipv4Addr destination{wire::overlay<wire::Ipv4>(packet)->destination.host()};
    take_v4<D>(burst, i, header, destination, hash_of_ipv4(seed, packet, header));
    trim_padding(burst, i, header.length);
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
void check_v6(const StageContext& context, Burst& burst, uint8_t i, const HashSeed& seed) noexcept {
    const uint8_t* packet = burst.frame[i] + burst.l3_offset[i];
    IpHeader header;
    if (const auto bad = check_ipv6(packet, burst.frame_length[i] - burst.l3_offset[i], header))
        return burst.drop(i, *bad);
    burst.ipv6 |= uint64_t{1} << i;
    if (wire::overlay<wire::Ipv6>(packet)->source.host().is_link_local())
        burst.link_local_source |= uint64_t{1} << i;
    burst.ttl[i] = header.ttl;
    burst.ip_length[i] = header.length;
    if constexpr (D == Direction::egress)
        burst.flow_hash[i] = hash_of_ipv6(seed, packet, header);
    check_v6_destination(context, burst, i, packet, header);
}

// Any packet, step by step: who is not plain, and who is wrong. Has a copy of the intake, so that
// the caller keeps its own in registers.
template <Direction D>
[[gnu::noinline]] void take_carefully(const StageContext& context, Intake intake, Burst& burst,
                                      uint8_t i) noexcept {
    LinkHeader link;
    if (const auto bad = parse_link(burst.frame[i], burst.frame_length[i], link))
        return burst.drop(i, *bad);
    const auto& header = *wire::overlay<wire::Ethernet>(burst.frame[i]);
    if (destination_of(burst.frame[i]) != intake.own_mac && !header.destination.is_multicast())
        return burst.drop(i, Drop::not_for_us);
    burst.l3_offset[i] = link.l3_offset;
    burst.attachment[i] = intake.attachments[link.vlan];
    if (burst.attachment[i] == AttachmentId::kNone)
        return burst.drop(i, Drop::no_attachment);
    switch (link.ether_type) {
    case wire::kEtherTypeIpv4:
        return check_v4<D>(burst, i, intake.hash_seed);
    case wire::kEtherTypeIpv6:
        return check_v6<D>(context, burst, i, intake.hash_seed);
    case wire::kEtherTypeArp:
        return check_arp(burst, i);
    default:
        burst.drop(i, Drop::ether_type_unsupported);
    }
}

// Almost all packets. Returns the attachment; none: not one of these, nothing is decided.
template <Direction D>
[[gnu::always_inline]] inline uint16_t take_plain(const Intake& intake, Burst& burst, uint8_t i,
                                                  const uint8_t* frame, uint32_t length) noexcept {
    LinkHeader link;
    if (!is_plain_link(frame, length, link) || link.ether_type != wire::kEtherTypeIpv4 ||
        destination_of(frame) != intake.own_mac)
        return AttachmentId::kNone;
    const uint8_t* packet = frame + link.l3_offset;
    const uint16_t attachment = intake.attachments[link.vlan];
    IpHeader header;
    if (attachment == AttachmentId::kNone ||
        !is_plain_ipv4(packet, length - link.l3_offset, header))
        return AttachmentId::kNone;
    burst.l3_offset[i] = link.l3_offset;
    burst.attachment[i] = attachment;
    static_assert(offsetof(wire::Ipv4, destination) == offsetof(wire::Ipv4, source) + 4);
    const uint64_t addresses = wire::overlay<Be64>(packet + offsetof(wire::Ipv4, source))->host();
    const Ipv4Addr source{static_cast<uint32_t>(addresses >> 32)};
    const Ipv4Addr destination{static_cast<uint32_t>(addresses)};
    take_v4<D>(burst, i, header, destination,
               flow_hash(intake.hash_seed, source, destination, header.protocol, header.ports));
    burst.frame_length[i] = link.l3_offset + uint32_t{header.length};
    return attachment;
}

// Of the stages to come, what depends on the attachment alone.
template <Direction D> class Prefetch {
  public:
    explicit Prefetch(const StageContext& context) noexcept
        : attachments_(context.state.attachments.data()), accounts_(accounts_of<D>(context).data()),
          buckets_(buckets_of<D>(context).data()) {}
    void attachment(uint16_t slot) const noexcept {
        __builtin_prefetch(&attachments_[slot].template side<D>());
        __builtin_prefetch(&accounts_[slot], 1);
        __builtin_prefetch(&buckets_[slot], 1);
    }

  private:
    const AttachmentState* attachments_;
    const DirectionAccount* accounts_;
    const MeterBucket* buckets_;
};

} // namespace

template <Direction D> void parse(StageContext& context, Burst& burst) noexcept {
    const Intake intake = Intake::of(context, std::integral_constant<Direction, D>{});
    const Prefetch<D> prefetch(context);
    const uint32_t max_frame = context.port.max_frame;
    const uint16_t count = burst.live_count;
    uint16_t last = AttachmentId::kNone;
    uint16_t changes = 0;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        uint8_t* frame = burst.frame[i]; // ingress: by validate
        uint32_t length = burst.frame_length[i];
        if constexpr (D == Direction::egress) {
            rte_mbuf* packet = burst.packet[i];
            frame = rte_pktmbuf_mtod(packet, uint8_t*);
            length = packet->pkt_len;
            burst.frame[i] = frame;
            burst.frame_length[i] = length;
            if (length > max_frame) [[unlikely]] {
                burst.drop(i, Drop::frame_oversized);
                continue;
            }
        }
        uint16_t attachment = take_plain<D>(intake, burst, i, frame, length);
        if (attachment == AttachmentId::kNone) [[unlikely]] {
            take_carefully<D>(context, intake, burst, i);
            if (burst.verdict[i] != kInPipeline)
                continue;
            attachment = burst.attachment[i];
        }
        if (attachment != last) {
            last = attachment;
            ++changes;
            prefetch.attachment(last);
        }
    }
    burst.one_attachment = changes <= 1;
    burst.compact();
}

template void parse<Direction::egress>(StageContext&, Burst&) noexcept;
template void parse<Direction::ingress>(StageContext&, Burst&) noexcept;
} // namespace isthmus::dataplane
