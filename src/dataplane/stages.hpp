#pragma once
// The stages of the two pipelines, in the order in which a packet meets them. A stage takes a whole
// burst, marks packets it is done with, and compacts the burst once. Workers only.

#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/direction.hpp"
#include "dataplane/forwarding_state.hpp"
#include "dataplane/meter.hpp"
#include "macsec/aead.hpp"

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace isthmus::dataplane {

// Meter buckets, shared by all workers; one per attachment and direction.
struct MeterBuckets {
    using Table = std::vector<MeterBucket, LargePages<MeterBucket>>;
    explicit MeterBuckets(std::size_t attachments = 0)
        : egress(attachments), ingress(attachments) {}
    Table egress;  // by AttachmentId
    Table ingress; // by AttachmentId
};

// What a stage needs beside the burst. Made once per burst.
struct StageContext {
    const ForwardingState& state;
    const PortState& port; // where the burst came in
    const macsec::Aead& aead;
    WorkerCounters& counters; // the worker's own
    MeterBuckets& buckets;
    uint64_t now_tsc = 0;
    uint16_t worker = 0;
    bool sampled = false; // count the cycles of this burst's stages
};

// The accounts of the worker and the buckets of all, by AttachmentId, of one direction.
template <Direction D> [[nodiscard]] auto& accounts_of(const StageContext& context) noexcept {
    return D == Direction::egress ? context.counters.egress : context.counters.ingress;
}
template <Direction D> [[nodiscard]] auto& buckets_of(const StageContext& context) noexcept {
    return D == Direction::egress ? context.buckets.egress : context.buckets.ingress;
}

// Ethernet and VLAN header, attachment, IP header; on egress the hash of the flow.
template <Direction D> void parse(StageContext& context, Burst& burst) noexcept;
// Counts what came for each attachment, then charges it.
template <Direction D> void meter(StageContext& context, Burst& burst) noexcept;
template <Direction D> void look_up_route(StageContext& context, Burst& burst) noexcept;
// What the route means: on egress the channel; then TTL, MTU and the MSS of SYNs.
template <Direction D> void find_way(StageContext& context, Burst& burst) noexcept;
// Decrements TTL, writes the link header and, on egress, the VLAN tag of the feature.
template <Direction D> void rewrite(StageContext& context, Burst& burst) noexcept;
void protect_frames(StageContext& context, Burst& burst) noexcept;  // egress
void validate_frames(StageContext& context, Burst& burst) noexcept; // ingress

// The pipelines: the one place that fixes the order of the stages. Their names are those of `show
// runtime` and of the documentation.
struct Stage {
    std::string_view name;
    void (*run)(StageContext& context, Burst& burst) noexcept;
};
inline constexpr auto kEgressPipeline = std::to_array<Stage>({
    {"parse", parse<Direction::egress>},
    {"meter", meter<Direction::egress>},
    {"fib", look_up_route<Direction::egress>},
    {"way", find_way<Direction::egress>},
    {"rewrite", rewrite<Direction::egress>},
    {"protect", protect_frames},
});
inline constexpr auto kIngressPipeline = std::to_array<Stage>({
    {"validate", validate_frames},
    {"parse", parse<Direction::ingress>},
    {"meter", meter<Direction::ingress>},
    {"fib", look_up_route<Direction::ingress>},
    {"way", find_way<Direction::ingress>},
    {"rewrite", rewrite<Direction::ingress>},
});
static_assert(kEgressPipeline.size() == kEgressStages && kIngressPipeline.size() == kIngressStages);

// Every packet of the burst leaves the pipeline with a verdict, or in the live list, ready to be
// sent on out_port.
void run_egress(StageContext& context, Burst& burst) noexcept;
void run_ingress(StageContext& context, Burst& burst) noexcept;
// The same for fragments: the stages behind way.
template <Direction D> void run_fragments(StageContext& context, Burst& burst) noexcept;

// The next hop of a packet that was punted as unresolved.
struct Hop {
    control::LinkId link;
    IpAddr address;
};
template <Direction D>
[[nodiscard]] Hop unresolved_hop(const StageContext& context, const Burst& burst,
                                 uint8_t i) noexcept;

} // namespace isthmus::dataplane
