// Stages meter and fib. Nothing in the packet is changed here, so that an ICMP error can still
// quote it as it came.

#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <bit>
#include <span>

namespace isthmus::dataplane {
namespace {

// What the stages behind this one read by way of the attachment.
template <Direction D>
void prefetch_ahead(const ForwardingState& state, const Burst& burst, uint8_t i) noexcept {
    const auto& side = state.attachments[burst.attachment[i]].side<D>();
    if constexpr (D == Direction::egress) {
        const auto& buckets = state.interconnects[side.interconnect.value].buckets;
        const uint8_t member = choose_member(buckets, burst.flow_hash[i]);
        if (member != kNoMember) [[likely]]
            __builtin_prefetch(&side.features[member]);
    } else {
        __builtin_prefetch(side.adjacencies);
    }
}

// Destinations and results are arrays of the burst by packet, so all of it is looked up as it
// stands: what is found for packets that are IPv6, or out of the pipeline, means nothing.
template <Direction D> void look_up_ipv4(const ForwardingState& state, Burst& burst) noexcept {
    const AttachmentState* const attachments = state.attachments.data();
    const FibRoot<Ipv4Addr>* const first =
        attachments[burst.attachment[burst.live[0]]].side<D>().fib4;
    if (burst.one_attachment)
        return Fib4::lookup_bulk(*state.fibs, *first, burst.destination4.data(),
                                 burst.target.data(), burst.size);
    PerPacket<const FibRoot<Ipv4Addr>*> tables;
    tables.fill(first);
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        tables[i] = attachments[burst.attachment[i]].side<D>().fib4;
        prefetch_ahead<D>(state, burst, i);
    }
    Fib4::lookup_bulk(*state.fibs, tables.data(), burst.destination4.data(), burst.target.data(),
                      burst.size);
}

template <Direction D> void look_up_ipv6(const ForwardingState& state, Burst& burst) noexcept {
    PerPacket<const FibRoot<Ipv6Addr>*> tables;
    PerPacket<Ipv6Addr> addresses;
    PerPacket<uint8_t> packets;
    PerPacket<FibValue> found;
    uint16_t count = 0;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (!burst.is_ipv6(i))
            continue;
        const auto* ip = wire::overlay<wire::Ipv6>(burst.frame[i] + burst.l3_offset[i]);
        tables[count] = state.attachments[burst.attachment[i]].side<D>().fib6;
        addresses[count] = ip->destination.host();
        packets[count++] = i;
    }
    if (count == 0)
        return;
    Fib6::lookup_bulk(*state.fibs, tables.data(), addresses.data(), found.data(), count);
    for (uint16_t n = 0; n < count; ++n)
        burst.target[packets[n]] = found[n];
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
    auto* const accounts = accounts_of<D>(context).data();
    const auto* const attachments = context.state.attachments.data();
    auto& buckets = buckets_of<D>(context);
    const auto rate_of = [attachments](uint16_t slot) -> const MeterRate& {
        return attachments[slot].template side<D>().rate;
    };
    const auto credit_of = [accounts](uint16_t slot) -> MeterCredit& {
        return accounts[slot].credit;
    };
    const MeterPackets packets{std::span(burst.live).first(burst.live_count),
                               burst.attachment.data(), burst.ip_length.data()};
    const auto received = [accounts](const MeterGroup& group) {
        accounts[group.slot].rx_packets.add(group.count());
        accounts[group.slot].rx_bytes.add(group.bytes);
    };
    MeterColours colours;
    if (burst.one_attachment) {
        const MeterGroup group = group_of_all(burst);
        received(group);
        const MeterRate& rate = rate_of(group.slot);
        MeterCredit& credit = credit_of(group.slot);
        if (!meter_whole(group, packets.yellow, rate, buckets[group.slot], credit, context.now_tsc))
            meter_group(group, packets, rate, buckets[group.slot], credit, context.now_tsc,
                        colours);
    } else {
        colours = meter_burst(packets, buckets, credit_of, rate_of, context.now_tsc, received);
    }
    burst.yellow = colours.yellow;
    for (uint64_t rest = colours.red; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<uint8_t>(std::countr_zero(rest));
        auto& account = accounts[burst.attachment[i]];
        burst.drop(i, kEgress ? Drop::meter_egress : Drop::meter_ingress);
        account.meter_drop_packets.add(1);
        account.meter_drop_bytes.add(burst.ip_length[i]);
    }
    burst.compact();
}

template <Direction D> void look_up_route(StageContext& context, Burst& burst) noexcept {
    look_up_ipv4<D>(context.state, burst);
    if (burst.ipv6 != 0) [[unlikely]]
        look_up_ipv6<D>(context.state, burst);
}

template void meter<Direction::egress>(StageContext&, Burst&) noexcept;
template void meter<Direction::ingress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::egress>(StageContext&, Burst&) noexcept;
template void look_up_route<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
