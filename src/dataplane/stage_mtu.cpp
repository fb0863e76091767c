// Stage mtu: what is larger than the way out allows is set aside to be cut (RFC 791) or dropped,
// and SYNs get the MSS that the attachment wants. Packets without either cost one comparison.

#include "dataplane/mss_clamp.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

namespace isthmus::dataplane {
namespace {

bool may_fragment(const Burst& burst, uint8_t i) noexcept {
    const auto* ip = wire::overlay<wire::Ipv4>(burst.frame[i] + burst.l3_offset[i]);
    return !burst.is_ipv6[i] && (ip->flags_fragment.host() & wire::kIpv4DontFragment) == 0;
}

void too_large(Burst& burst, uint8_t i) noexcept {
    if (may_fragment(burst, i))
        burst.set_aside(i);
    else
        burst.drop(i, Drop::mtu_exceeded);
}

// Only of packets that are sent, whole or in fragments: an ICMP error quotes what came.
template <Direction D> void clamp(const StageContext& context, Burst& burst) noexcept {
    auto& counters = D == Direction::egress ? context.counters.egress : context.counters.ingress;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        const AttachmentState& attachment = context.state.attachments[burst.attachment[i]];
        const uint16_t most =
            burst.is_ipv6[i] ? attachment.most_mss_ipv6 : attachment.most_mss_ipv4;
        if (most == 0 || (burst.verdict[i] != kInPipeline && burst.verdict[i] != kSetAside))
            continue;
        if (clamp_mss(burst.frame[i] + burst.l3_offset[i], burst.ip_length[i], burst.is_ipv6[i],
                      most))
            counters[burst.attachment[i]].mss_clamped.add(1);
    }
}

} // namespace

template <Direction D> void check_mtu(StageContext& context, Burst& burst) noexcept {
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if constexpr (D == Direction::ingress)
            burst.out_mtu[i] = context.state.attachments[burst.attachment[i]].vpc_mtu;
        if (burst.ip_length[i] > burst.out_mtu[i])
            too_large(burst, i);
    }
    if (context.state.clamps_mss)
        clamp<D>(context, burst);
    burst.compact();
}

template void check_mtu<Direction::egress>(StageContext&, Burst&) noexcept;
template void check_mtu<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
