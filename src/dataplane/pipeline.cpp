// The two pipelines, top to bottom. This is the one place that fixes their order.

#include "dataplane/stages.hpp"

namespace isthmus::dataplane {

#if !defined(__SSE4_2__)
#error "DPDK's compiler flags replaced the project's CPU baseline (x86-64-v2 at least is expected)"
#endif

void run_egress(StageContext& context, Burst& burst) noexcept {
    constexpr auto kWay = Direction::egress;
    parse<kWay>(context, burst);
    find_attachment<kWay>(context, burst);
    check_ip<kWay>(context, burst);
    meter<kWay>(context, burst);
    look_up_route<kWay>(context, burst);
    choose_channel(context, burst);
    check_ttl(context, burst);
    check_mtu<kWay>(context, burst);
    rewrite<kWay>(context, burst);
    protect_frames(context, burst);
}

void run_ingress(StageContext& context, Burst& burst) noexcept {
    constexpr auto kWay = Direction::ingress;
    validate_frames(context, burst);
    parse<kWay>(context, burst);
    find_attachment<kWay>(context, burst);
    check_ip<kWay>(context, burst);
    meter<kWay>(context, burst);
    look_up_route<kWay>(context, burst);
    check_ttl(context, burst);
    check_mtu<kWay>(context, burst);
    rewrite<kWay>(context, burst);
}

} // namespace isthmus::dataplane
