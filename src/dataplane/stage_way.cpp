// Stage way: what the route means, on egress the channel, TTL; what is larger than the way out
// allows is set aside to be cut (RFC 791) or dropped, and SYNs get the MSS that the attachment
// wants. But for that MSS nothing in the packet is changed, so that an ICMP error can still quote
// it as it came.

#include "dataplane/mss_clamp.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <optional>

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

// False: dropped.
bool choose_member_for(const EgressState& egress, const InterconnectState& interconnect,
                       Burst& burst, uint8_t i) noexcept {
    const FibValue value = burst.target[i];
    const uint8_t member = target_of(value) == Target::member
                               ? static_cast<uint8_t>(index_of(value))
                               : dataplane::choose_member(interconnect.buckets, burst.flow_hash[i]);
    if (member == kNoMember) [[unlikely]] {
        burst.drop(i, Drop::no_channel);
        return false;
    }
    const FeatureState& feature = egress.features[member];
    if (!(burst.is_ipv6(i) ? feature.has_ipv6 : feature.has_ipv4)) [[unlikely]] {
        burst.drop(i, Drop::no_feature);
        return false;
    }
    burst.member[i] = member;
    burst.out_mtu[i] = feature.mtu;
    burst.out_port[i] = feature.port.value;
    return true;
}

bool may_fragment(const Burst& burst, uint8_t i) noexcept {
    const auto* ip = wire::overlay<wire::Ipv4>(burst.frame[i] + burst.l3_offset[i]);
    return !burst.is_ipv6(i) && (ip->flags_fragment.host() & wire::kIpv4DontFragment) == 0;
}

void too_large(Burst& burst, uint8_t i) noexcept {
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
    const AttachmentState* const attachments = context.state.attachments.data();
    const InterconnectState* const interconnects = context.state.interconnects.data();
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        if (target_of(burst.target[i]) != kUsual || burst.link_local_source != 0) [[unlikely]]
            if (!apply_route<D>(burst, i))
                continue;
        const auto& side = attachments[burst.attachment[i]].side<D>();
        if constexpr (D == Direction::ingress)
            burst.out_mtu[i] = side.vpc_mtu;
        else if (!choose_member_for(side, interconnects[side.interconnect.value], burst, i))
            [[unlikely]]
            continue;
        if (burst.ttl[i] <= 1) [[unlikely]]
            burst.drop(i, Drop::ttl_exceeded);
        else if (burst.ip_length[i] > burst.out_mtu[i]) [[unlikely]]
            too_large(burst, i);
    }
    if (context.state.clamps_mss)
        clamp<D>(context, burst);
    burst.compact();
}

template void find_way<Direction::egress>(StageContext&, Burst&) noexcept;
template void find_way<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
