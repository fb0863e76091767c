// Stage mtu: what is larger than the way out allows is set aside to be cut (RFC 791) or dropped.

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

} // namespace

template <Direction D> void check_mtu(StageContext& context, Burst& burst) noexcept {
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if constexpr (D == Direction::ingress)
            burst.out_mtu[i] = context.state.attachments[burst.attachment[i]].vpc_mtu;
        if (burst.ip_length[i] > burst.out_mtu[i])
            too_large(burst, i);
    }
    burst.compact();
}

template void check_mtu<Direction::egress>(StageContext&, Burst&) noexcept;
template void check_mtu<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
