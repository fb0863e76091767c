// Stages meter, fib, channel and ttl: the decision where a packet goes. Nothing in the packet
// is changed here, so that an ICMP error can still quote it as it came.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <bit>
#include <span>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

FibValue find_route(const AttachmentState& attachment, const Burst& burst, uint8_t i) noexcept {
    if (!burst.is_ipv6[i])
        return attachment.fib4->lookup(Ipv4Addr{burst.destination4[i]});
    const auto* ip = wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i]);
    return attachment.fib6->lookup(ip->destination.host());
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

void choose_member_for(const StageContext& context, Burst& burst, uint8_t i) noexcept {
    const AttachmentState& attachment = context.state.attachments[burst.attachment[i]];
    const auto& interconnect = context.state.interconnects[attachment.interconnect.value];
    const uint8_t member = target_of(burst.target[i]) == Target::member
                               ? static_cast<uint8_t>(index_of(burst.target[i]))
                               : dataplane::choose_member(interconnect.buckets, burst.flow_hash[i]);
    if (member == kNoMember)
        return burst.drop(i, Drop::no_channel);
    const FeatureState& feature = attachment.features[member];
    if (!feature.present || !(burst.is_ipv6[i] ? feature.has_ipv6 : feature.has_ipv4))
        return burst.drop(i, Drop::no_feature);
    burst.member[i] = member;
    burst.out_mtu[i] = feature.mtu;
    burst.out_port[i] = context.state.channels[interconnect.members[member].value].port.value;
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
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        burst.target[i] = find_route(context.state.attachments[burst.attachment[i]], burst, i);
        apply_route<D>(burst, i);
    }
    burst.compact();
}

void choose_channel(StageContext& context, Burst& burst) noexcept {
    for (uint16_t k = 0; k < burst.live_count; ++k)
        choose_member_for(context, burst, burst.live[k]);
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
