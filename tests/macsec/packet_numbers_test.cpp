// Packet numbers are handed out once each and none beyond the limit, to one worker or to several.
#include "macsec/packet_numbers.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace isthmus::macsec::test {
namespace {

using enum PacketNumbers::Owner;

struct NumbersRow {
    uint64_t first, limit;
    uint32_t count;
    uint64_t granted_first;
    uint32_t granted;
};

TEST(PacketNumbers, RunsAtTheLimit) {
    constexpr uint64_t kMax = UINT64_MAX;
    constexpr NumbersRow kRows[] = {
        {1, 100, 64, 1, 64},
        {1, 64, 64, 1, 64},
        {1, 63, 64, 1, 63},
        {64, 64, 64, 64, 1},
        {65, 64, 64, 0, 0},
        {1, 0, 64, 0, 0},
        {0xffff'fff0, 0xffff'ffff, 64, 0xffff'fff0, 16},
        {0x1'0000'0000, 0xffff'ffff, 1, 0, 0},
        {kMax - 0xffff - 3, kMax - 0xffff, 64, kMax - 0xffff - 3, 4},
    };
    for (auto owner : {per_worker, shared}) {
        for (const NumbersRow& row : kRows) {
            PacketNumbers pn(owner, row.first, row.limit);
            const PacketNumbers::Run run = pn.take(row.count);
            EXPECT_EQ(run.count, row.granted);
            EXPECT_EQ(run.count == 0 ? 0 : run.first, row.granted_first);
            EXPECT_EQ(pn.exhausted(), pn.next() > row.limit);
            if (run.count < row.count) {
                EXPECT_TRUE(pn.exhausted());
                EXPECT_EQ(pn.take(1).count, 0u);
            }
        }
    }
}

TEST(PacketNumbers, TakingNoneChangesNothing) {
    for (auto owner : {per_worker, shared}) {
        PacketNumbers pn(owner, 7, 100);
        EXPECT_EQ(pn.take(0).count, 0u);
        EXPECT_EQ(pn.next(), 7u);
    }
}

// Four workers until nothing is left, while the control thread raises the limit in steps.
TEST(PacketNumbers, SharedByFourWorkers) {
    constexpr std::size_t kWorkers = 4;
    constexpr uint64_t kLast = 400'000;
    constexpr uint64_t kStep = 10'007;
    PacketNumbers pn(shared, 1, kStep);
    std::array<std::vector<PacketNumbers::Run>, kWorkers> runs;
    std::atomic<bool> done{false};
    std::vector<std::thread> workers;
    for (std::size_t worker = 0; worker < kWorkers; ++worker)
        workers.emplace_back([&, worker] {
            uint32_t count = static_cast<uint32_t>(worker);
            while (true) {
                const bool last_look = done.load();
                count = count % 64 + 1;
                if (const auto run = pn.take(count); run.count != 0)
                    runs[worker].push_back(run);
                else if (last_look)
                    return;
                else
                    std::this_thread::yield();
            }
        });
    while (pn.limit() < kLast) {
        if (pn.exhausted())
            pn.raise_limit(std::min(pn.limit() + kStep, kLast));
        std::this_thread::yield();
    }
    done = true;
    for (std::thread& worker : workers)
        worker.join();

    std::vector<bool> used(kLast + 1);
    uint64_t granted = 0;
    for (const auto& of_worker : runs)
        for (const auto& run : of_worker)
            for (uint64_t number = run.first; number < run.first + run.count; ++number) {
                ASSERT_LE(number, kLast);
                ASSERT_FALSE(used[number]) << number << " was handed out twice";
                used[number] = true;
                ++granted;
            }
    EXPECT_TRUE(pn.exhausted());
    // Of each step at most one run per worker is lost.
    EXPECT_GE(granted, kLast - (kLast / kStep + 1) * kWorkers * 64);
}

// With a fixed limit nothing at all is lost.
TEST(PacketNumbers, EveryNumberOnce) {
    constexpr uint64_t kLast = 100'003;
    PacketNumbers pn(shared, 1, kLast);
    std::array<uint64_t, 4> sums{};
    std::array<uint64_t, 4> counts{};
    std::vector<std::thread> workers;
    for (std::size_t worker = 0; worker < 4; ++worker)
        workers.emplace_back([&, worker] {
            for (auto run = pn.take(61); run.count != 0; run = pn.take(61))
                for (uint32_t i = 0; i < run.count; ++i) {
                    sums[worker] += run.first + i;
                    ++counts[worker];
                }
        });
    for (std::thread& worker : workers)
        worker.join();
    EXPECT_EQ(counts[0] + counts[1] + counts[2] + counts[3], kLast);
    EXPECT_EQ(sums[0] + sums[1] + sums[2] + sums[3], kLast * (kLast + 1) / 2);
}

} // namespace
} // namespace isthmus::macsec::test
