// Stages meter, fib, channel and ttl: the decision where a packet goes. Nothing in the packet
// is changed here, so that an ICMP error can still quote it as it came.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <bit>
#include <span>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// Destinations and results are arrays of the burst by packet, so all of it is looked up as it
// stands: what is found for packets that are IPv6, or out of the pipeline, means nothing.
void look_up_ipv4(const AttachmentState* attachments, Burst& burst) noexcept {
    const Fib4* const first = attachments[burst.attachment[burst.live[0]]].fib4;
    PerPacket<const Fib4*> tables;
    tables.fill(first);
    bool one_table = true;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        tables[i] = attachments[burst.attachment[i]].fib4;
        one_table &= tables[i] == first;
    }
    if (one_table)
        first->lookup_bulk(burst.destination4.data(), burst.target.data(), burst.size);
    else
        Fib4::lookup_bulk(tables.data(), burst.destination4.data(), burst.target.data(),
                          burst.size);
}

void look_up_ipv6(const AttachmentState* attachments, Burst& burst) noexcept {
    PerPacket<const Fib6*> tables;
    PerPacket<Ipv6Addr> addresses;
    PerPacket<uint8_t> packets;
    PerPacket<FibValue> found;
    uint16_t count = 0;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (!burst.is_ipv6[i])
            continue;
        const auto* ip = wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i]);
        tables[count] = attachments[burst.attachment[i]].fib6;
        addresses[count] = ip->destination.host();
        packets[count++] = i;
    }
    if (count == 0)
        return;
    Fib6::lookup_bulk(tables.data(), addresses.data(), found.data(), count);
    for (uint16_t n = 0; n < count; ++n)
        burst.target[packets[n]] = found[n];
}

// What a route means for a packet that travels in direction D.
template <Direction D> void apply_route(Burst& burst, uint8_t i) noexcept {
    const Target target = target_of(burst.target[i]);
    if (target == Target::local)
        return burst.punt(i, PuntReason::local);
    if (burst.link_local_source[i])
        return burst.drop(i, Drop::ipv6_scope);
    switch (target) {
    case Target::channels:
    case Target::member:
        if constexpr (D == Direction::ingress)
            burst.drop(i, Drop::wrong_side);
        return;
    case Target::vpc:
    case Target::connected:
        if constexpr (D == Direction::egress)
            burst.drop(i, Drop::wrong_side);
        return;
    case Target::blackhole:
        return burst.drop(i, Drop::blackhole);
    case Target::broadcast:
        return burst.drop(i, Drop::directed_broadcast);
    case Target::none:
    case Target::local:
        break;
    }
    burst.drop(i, Drop::no_route);
}

void choose_member_for(const AttachmentState& attachment, const InterconnectState& interconnect,
                       Burst& burst, uint8_t i) noexcept {
    const FibValue value = burst.target[i];
    const uint8_t member = target_of(value) == Target::member
                               ? static_cast<uint8_t>(index_of(value))
                               : dataplane::choose_member(interconnect.buckets, burst.flow_hash[i]);
    if (member == kNoMember) [[unlikely]]
        return burst.drop(i, Drop::no_channel);
    const FeatureState& feature = attachment.features[member];
    if (!(burst.is_ipv6[i] ? feature.has_ipv6 : feature.has_ipv4)) [[unlikely]]
        return burst.drop(i, Drop::no_feature);
    burst.member[i] = member;
    burst.out_mtu[i] = feature.mtu;
    burst.out_port[i] = feature.port.value;
}

} // namespace

template <Direction D> void meter(StageContext& context, Burst& burst) noexcept {
    constexpr bool kEgress = D == Direction::egress;
    auto& counters = kEgress ? context.counters.egress : context.counters.ingress;
    auto& buckets = kEgress ? context.buckets.egress : context.buckets.ingress;
    auto& credits = kEgress ? context.credits.egress : context.credits.ingress;
    const auto rate_of = [&context](uint16_t slot) -> const MeterRate& {
        const AttachmentState& attachment = context.state.attachments[slot];
        return kEgress ? attachment.egress_rate : attachment.ingress_rate;
    };
    const MeterPackets packets{std::span(burst.live).first(burst.live_count),
                               burst.attachment.data(), burst.ip_length.data()};
    const MeterColours colours = meter_burst(packets, buckets, credits, rate_of, context.now_tsc);
    burst.yellow = colours.yellow;
    for (uint64_t rest = colours.red; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<uint8_t>(std::countr_zero(rest));
        auto& counter = counters[burst.attachment[i]];
        burst.drop(i, kEgress ? Drop::meter_egress : Drop::meter_ingress);
        counter.meter_drop_packets.add(1);
        counter.meter_drop_bytes.add(burst.ip_length[i]);
    }
    burst.compact();
}

template <Direction D> void look_up_route(StageContext& context, Burst& burst) noexcept {
    const AttachmentState* const attachments = context.state.attachments.data();
    const uint16_t count = burst.live_count;
    look_up_ipv4(attachments, burst);
    look_up_ipv6(attachments, burst);
    for (uint16_t k = 0; k < count; ++k)
        apply_route<D>(burst, burst.live[k]);
    burst.compact();
}

void choose_channel(StageContext& context, Burst& burst) noexcept {
    const AttachmentState* const attachments = context.state.attachments.data();
    const InterconnectState* const interconnects = context.state.interconnects.data();
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        const AttachmentState& attachment = attachments[burst.attachment[i]];
        choose_member_for(attachment, interconnects[attachment.interconnect.value], burst, i);
    }
    burst.compact();
}

void check_ttl(StageContext&, Burst& burst) noexcept {
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (burst.ttl[i] <= 1)
            burst.drop(i, Drop::ttl_exceeded);
    }
    burst.compact();
}

template void meter<Direction::egress>(StageContext&, Burst&) noexcept;
template void meter<Direction::ingress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::egress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
