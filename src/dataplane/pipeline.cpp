// Runs the pipelines of stages.hpp and counts what each stage does.

#include "dataplane/stages.hpp"

#include <rte_cycles.h>

namespace isthmus::dataplane {
namespace {

#if !defined(__SSE4_2__)
#error "DPDK's compiler flags replaced the project's CPU baseline (x86-64-v2 at least is expected)"
#endif

// A burst that lost all its packets skips the rest. Only a sampled burst reads the clock: ten reads
// would cost a small burst as much as one of its cheap stages.
template <bool kSampled, std::size_t kStages>
void run(const std::array<Stage, kStages>& pipeline, std::array<StageRuntime, kStages>& runtime,
         StageContext& context, Burst& burst) noexcept {
    uint64_t before = kSampled ? rte_rdtsc() : 0;
    for (std::size_t s = 0; s < kStages && burst.live_count != 0; ++s) {
        const uint16_t packets = burst.live_count;
        pipeline[s].run(context, burst);
        runtime[s].bursts.add(1);
        runtime[s].packets.add(packets);
        if constexpr (kSampled) {
            const uint64_t after = rte_rdtsc();
            runtime[s].sampled_packets.add(packets);
            runtime[s].sampled_cycles.add(after - before);
            before = after;
        }
    }
}

} // namespace

void run_egress(StageContext& context, Burst& burst) noexcept {
    auto& runtime = context.counters.runtime.egress;
    if (context.sampled)
        run<true>(kEgressPipeline, runtime, context, burst);
    else
        run<false>(kEgressPipeline, runtime, context, burst);
}

void run_ingress(StageContext& context, Burst& burst) noexcept {
    auto& runtime = context.counters.runtime.ingress;
    if (context.sampled)
        run<true>(kIngressPipeline, runtime, context, burst);
    else
        run<false>(kIngressPipeline, runtime, context, burst);
}

} // namespace isthmus::dataplane
