// Runs the pipelines of stages.hpp and counts what each stage does.

#include "dataplane/stages.hpp"

#include <rte_cycles.h>

#include <span>

namespace isthmus::dataplane {
namespace {

#if !defined(__SSE4_2__)
#error "DPDK's compiler flags replaced the project's CPU baseline (x86-64-v2 at least is expected)"
#endif

constexpr std::size_t behind_way(std::span<const Stage> pipeline) {
    std::size_t stage = 0;
    while (pipeline[stage].name != "way")
        ++stage;
    return stage + 1;
}

// A burst that lost all its packets skips the rest. Only a sampled burst reads the clock: ten reads
// would cost a small burst as much as one of its cheap stages.
template <bool kSampled, std::size_t kFirst = 0, std::size_t kStages>
void run(const std::array<Stage, kStages>& pipeline, std::array<StageRuntime, kStages>& runtime,
         StageContext& context, Burst& burst) noexcept {
    uint64_t before = kSampled ? rte_rdtsc() : 0;
    for (std::size_t s = kFirst; s < kStages && burst.live_count != 0; ++s) {
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

template <Direction D> void run_fragments(StageContext& context, Burst& burst) noexcept {
    if constexpr (D == Direction::egress)
        run<false, behind_way(kEgressPipeline)>(kEgressPipeline, context.counters.runtime.egress,
                                                context, burst);
    else
        run<false, behind_way(kIngressPipeline)>(kIngressPipeline, context.counters.runtime.ingress,
                                                 context, burst);
}

template void run_fragments<Direction::egress>(StageContext&, Burst&) noexcept;
template void run_fragments<Direction::ingress>(StageContext&, Burst&) noexcept;

} // namespace isthmus::dataplane
