// Stage way: what the route means, on egress the channel, TTL; what is larger than the way out
// allows is set aside to be cut (RFC 791) or dropped, and SYNs get the MSS that the attachment
// wants. But for that MSS nothing in the packet is changed, so that an ICMP error can still quote
// it as it came.

#include "dataplane/mss_clamp.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <optional>
#include <type_traits>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// What a route means for a packet that travels in direction D; nullopt: it goes on.
template <Direction D> std::optional<Verdict> verdict_of_route(Target target, bool link_local) {
    if (target == Target::local)
        return verdict_of(PuntReason::local);
    if (link_local)
        return verdict_of(Drop::ipv6_scope);
    constexpr bool kEgress = D == Direction::egress;
    switch (target) {
    case Target::channels:
    case Target::member:
        return kEgress ? std::nullopt : std::optional(verdict_of(Drop::wrong_side));
    case Target::vpc:
    case Target::connected:
        return kEgress ? std::optional(verdict_of(Drop::wrong_side)) : std::nullopt;
    case Target::blackhole:
        return verdict_of(Drop::blackhole);
    case Target::broadcast:
        return verdict_of(Drop::directed_broadcast);
    case Target::none:
    case Target::local:
        break;
    }
    return verdict_of(Drop::no_route);
}

// False: the packet is out of the pipeline.
template <Direction D> [[gnu::noinline]] bool apply_route(Burst& burst, uint8_t i) noexcept {
    const bool link_local = (burst.link_local_source >> i & 1) != 0;
    const auto verdict = verdict_of_route<D>(target_of(burst.target[i]), link_local);
    if (verdict)
        burst.decide(i, *verdict);
    return !verdict;
}

// What a run of packets of one attachment has in common.
template <Direction D> struct Ways {
    Ways(const ForwardingState& state, uint16_t slot) noexcept
        : side(&state.attachments[slot].side<D>()) {
        if constexpr (D == Direction::egress)
            buckets = &state.interconnects[side->interconnect.value].buckets;
    }
    const std::remove_cvref_t<decltype(AttachmentState{}.side<D>())>* side;
    const BucketTable* buckets = nullptr; // egress
};

// The MTU of the packet's way out; 0: dropped.
uint16_t take_way(const Ways<Direction::egress>& ways, Burst& burst, uint8_t i) noexcept {
    const FibValue value = burst.target[i];
    const uint8_t member = target_of(value) == Target::member
                               ? static_cast<uint8_t>(index_of(value))
                               : choose_member(*ways.buckets, burst.flow_hash[i]);
    if (member == kNoMember) [[unlikely]] {
        burst.drop(i, Drop::no_channel);
        return 0;
    }
    const FeatureState& feature = ways.side->features[member];
    if (!(burst.is_ipv6(i) ? feature.has_ipv6 : feature.has_ipv4)) [[unlikely]] {
        burst.drop(i, Drop::no_feature);
        return 0;
    }
    burst.member[i] = member;
    return feature.mtu;
}
uint16_t take_way(const Ways<Direction::ingress>& ways, Burst&, uint8_t) noexcept {
    return ways.side->vpc_mtu;
}

bool may_fragment(const Burst& burst, uint8_t i) noexcept {
    const auto* ip = wire::overlay<wire::Ipv4>(burst.frame[i] + burst.l3_offset[i]);
    return !burst.is_ipv6(i) && (ip->flags_fragment.host() & wire::kIpv4DontFragment) == 0;
}

void too_large(Burst& burst, uint8_t i, uint16_t mtu) noexcept {
    burst.out_mtu[i] = mtu;
    if (may_fragment(burst, i))
        burst.set_aside(i);
    else
        burst.drop(i, Drop::mtu_exceeded);
}

// Only of packets that are sent, whole or in fragments: an ICMP error quotes what came.
template <Direction D> void clamp(const StageContext& context, Burst& burst) noexcept {
    auto& accounts = accounts_of<D>(context);
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        const auto& side = context.state.attachments[burst.attachment[i]].side<D>();
        const uint16_t most = burst.is_ipv6(i) ? side.most_mss_ipv6 : side.most_mss_ipv4;
        if (most == 0 || (burst.verdict[i] != kInPipeline && burst.verdict[i] != kSetAside))
            continue;
        if (clamp_mss(burst.frame[i] + burst.l3_offset[i], burst.ip_length[i], burst.is_ipv6(i),
                      most))
            accounts[burst.attachment[i]].mss_clamped.add(1);
    }
}

} // namespace

template <Direction D> void find_way(StageContext& context, Burst& burst) noexcept {
    constexpr auto kUsual = D == Direction::egress ? Target::channels : Target::vpc;
    const uint16_t count = burst.live_count;
    uint16_t slot = burst.attachment[burst.live[0]];
    Ways<D> ways(context.state, slot);
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        if (target_of(burst.target[i]) != kUsual || burst.link_local_source != 0) [[unlikely]]
            if (!apply_route<D>(burst, i))
                continue;
        if (burst.attachment[i] != slot) {
            slot = burst.attachment[i];
            ways = Ways<D>(context.state, slot);
        }
        const uint16_t mtu = take_way(ways, burst, i);
        if (mtu == 0) [[unlikely]]
            continue;
        if (burst.ttl[i] <= 1) [[unlikely]]
            burst.drop(i, Drop::ttl_exceeded);
        else if (burst.ip_length[i] > mtu) [[unlikely]]
            too_large(burst, i, mtu);
    }
    if (context.state.clamps_mss)
        clamp<D>(context, burst);
    burst.compact();
}

template void find_way<Direction::egress>(StageContext&, Burst&) noexcept;
template void find_way<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
