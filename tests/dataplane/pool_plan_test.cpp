// How packet pools are sized, and what is refused.
#include "dataplane/pool_plan.hpp"

#include "tests/must.hpp"

#include <gtest/gtest.h>

namespace isthmus::dataplane {
namespace {

using test::must;

// Numbers that can be told apart in a sum.
constexpr PoolUnits kUnits{.handoff_ring = 100'000,
                           .control_rings = 1'000,
                           .burst = 100,
                           .cache = 10,
                           .buffer_bytes = 4096};

HandOff send(uint16_t from, uint16_t to) {
    return {HandOffPurpose::send, from, to};
}

TEST(PoolPlan, OneSocketHoldsEverything) {
    const std::vector<PortBuffers> ports{{0, 2, 1024, 3, 512, 0}, {0, 1, 0, 1, 0, 8192}};
    const std::vector<int> workers{0, 0};
    const std::vector<HandOff> pairs{send(0, 1), send(1, 0), {HandOffPurpose::forward, 0, 1}};
    const auto pools = must(plan_pools(ports, workers, pairs, kUnits, 0));
    ASSERT_EQ(pools.size(), 1u);
    const PoolUse& use = pools[0].use;
    EXPECT_EQ(use.rx_descriptors, 2048u);
    EXPECT_EQ(use.tx_descriptors, 1536u);
    EXPECT_EQ(use.links, 8192u);
    EXPECT_EQ(use.handoffs, 300'000u);
    EXPECT_EQ(use.control, 2'000u);
    EXPECT_EQ(use.bursts, 200u);
    EXPECT_EQ(use.caches, 30u) << "two workers and the control thread";
    EXPECT_EQ(use.least(), 2048u + 200 + 30);
    EXPECT_EQ(use.most(), use.least() + 1536 + 8192 + 300'000 + 2'000);
    EXPECT_GE(pools[0].buffers, use.most());
    EXPECT_LT(pools[0].buffers, use.most() + 1024);
    EXPECT_EQ(pools[0].bytes(), pools[0].buffers * uint64_t{4096});
}

TEST(PoolPlan, EachSocketWithAPortOrAWorkerHasOne) {
    const std::vector<PortBuffers> ports{{3, 1, 1024, 1, 1024, 0}};
    const std::vector<int> workers{0, 1};
    const std::vector<HandOff> pairs{send(1, 0)};
    const auto pools = must(plan_pools(ports, workers, pairs, kUnits, 0));
    ASSERT_EQ(pools.size(), 3u);
    EXPECT_EQ(pools[0].socket, 0);
    EXPECT_EQ(pools[0].use.rx_descriptors, 0u);
    EXPECT_EQ(pools[0].use.handoffs, 0u);
    EXPECT_EQ(pools[0].use.control, 1'000u);
    EXPECT_EQ(pools[1].socket, 1);
    EXPECT_EQ(pools[1].use.handoffs, 100'000u) << "of the worker that gives";
    EXPECT_EQ(pools[2].socket, 3);
    EXPECT_EQ(pools[2].use.rx_descriptors, 1024u);
    EXPECT_EQ(pools[2].use.bursts, 0u);
    for (const PoolPlan& pool : pools)
        EXPECT_EQ(pool.use.caches, 30u) << "any thread may free into any pool";
}

TEST(PoolPlan, ConfiguredBuffersAreTakenAsTheyAreOrRefused) {
    const std::vector<PortBuffers> ports{{0, 1, 4096, 1, 2048, 0}};
    const std::vector<int> workers{0};
    const uint32_t least = 4096 + 100 + 20;
    for (const uint32_t buffers : {least, least + 1, 100'000u}) {
        const auto pools = must(plan_pools(ports, workers, {}, kUnits, buffers));
        EXPECT_EQ(pools[0].buffers, buffers);
    }
    const auto refused = plan_pools(ports, workers, {}, kUnits, least - 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "packet_buffers");
    EXPECT_EQ(refused.error().value, std::to_string(least - 1));
    EXPECT_EQ(refused.error().limit, std::to_string(least));
    EXPECT_NE(refused.error().message.find("socket 0 has 4096 receive"), std::string::npos);
}

TEST(PoolPlan, MemoryThatDoesNotSufficeIsRefusedWithWhatWould) {
    const std::vector<PoolPlan> pools{{0, 1000, 1 << 20, {}}, {1, 24, 1 << 20, {}}};
    constexpr uint64_t kMib = 1 << 20;
    EXPECT_TRUE(check_memory(pools, 6 * kMib, 1030 * kMib, 1100));
    const auto refused = check_memory(pools, 6 * kMib, 1029 * kMib, 1100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "memory_mb");
    EXPECT_EQ(refused.error().value, "1100");
    EXPECT_EQ(refused.error().limit, "1101");
    EXPECT_NE(refused.error().message.find("1024 packet buffers"), std::string::npos);
    EXPECT_NE(refused.error().message.find("1030 MiB"), std::string::npos);
}

TEST(PoolPlan, TheLineSaysWhatBuffersAreFor) {
    PoolPlan pool{1, 4096, 2432, {}};
    pool.use.rx_descriptors = 4000;
    pool.use.handoffs = 96;
    EXPECT_EQ(describe(pool),
              "packet pool of socket 1: 4096 buffers of 2432 octets, 10 MiB; at most 4000 receive "
              "descriptors, 96 between workers");
    pool.buffers = 4006;
    EXPECT_TRUE(describe(pool).ends_with("; 90 fewer than all of that")) << describe(pool);
}

} // namespace
} // namespace isthmus::dataplane
