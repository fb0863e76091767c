// Stages meter and fib. Nothing in the packet is changed here, so that an ICMP error can still
// quote it as it came.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <bit>
#include <span>

namespace isthmus::dataplane {
namespace {

// Destinations and results are arrays of the burst by packet, so all of it is looked up as it
// stands: what is found for packets that are IPv6, or out of the pipeline, means nothing.
void look_up_ipv4(const AttachmentState* attachments, Burst& burst) noexcept {
    const Fib4* const first = attachments[burst.attachment[burst.live[0]]].fib4;
    if (burst.one_attachment)
        return first->lookup_bulk(burst.destination4.data(), burst.target.data(), burst.size);
    PerPacket<const Fib4*> tables;
    tables.fill(first);
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        tables[i] = attachments[burst.attachment[i]].fib4;
    }
    Fib4::lookup_bulk(tables.data(), burst.destination4.data(), burst.target.data(), burst.size);
}

void look_up_ipv6(const AttachmentState* attachments, Burst& burst) noexcept {
    PerPacket<const Fib6*> tables;
    PerPacket<Ipv6Addr> addresses;
    PerPacket<uint8_t> packets;
    PerPacket<FibValue> found;
    uint16_t count = 0;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (!burst.is_ipv6(i))
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

// What the stages behind this one read by way of the attachment.
template <Direction D> void prefetch_ahead(const AttachmentState& attachment) noexcept {
    __builtin_prefetch(attachment.fib4);
    if constexpr (D == Direction::egress)
        __builtin_prefetch(attachment.features.data());
    else
        __builtin_prefetch(attachment.adjacencies.data());
}

MeterGroup group_of_all(const Burst& burst) noexcept {
    MeterGroup group{0, 0, burst.attachment[burst.live[0]]};
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        group.packets |= uint64_t{1} << i;
        group.bytes += burst.ip_length[i];
    }
    return group;
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
    MeterColours colours;
    if (burst.one_attachment) {
        const MeterGroup group = group_of_all(burst);
        counters[group.slot].rx_packets.add(burst.live_count);
        counters[group.slot].rx_bytes.add(group.bytes);
        colours = meter_one(group, packets, rate_of(group.slot), buckets[group.slot],
                            credits[group.slot], context.now_tsc);
    } else {
        RxCount received(counters);
        for (const uint8_t i : packets.live) {
            const uint16_t slot = burst.attachment[i];
            prefetch_ahead<D>(context.state.attachments[slot]);
            received.add(slot, burst.ip_length[i]);
        }
        colours = meter_burst(packets, buckets, credits, rate_of, context.now_tsc);
    }
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
    look_up_ipv4(attachments, burst);
    if (burst.ipv6 != 0) [[unlikely]]
        look_up_ipv6(attachments, burst);
}

template void meter<Direction::egress>(StageContext&, Burst&) noexcept;
template void meter<Direction::ingress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::egress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
