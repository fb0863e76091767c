// The histogram of how long rounds take: every time falls into a range that knows it to an eighth.
#include "dataplane/burst_time.hpp"

#include "testbed.hpp"

#include <gtest/gtest.h>

namespace isthmus::test {
namespace {

using dataplane::BurstTimes;

TEST(BurstTimes, RangesFollowEachOtherAndAreNarrow) {
    uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < BurstTimes::kBuckets; ++bucket) {
        const uint64_t top = BurstTimes::top_of(bucket);
        EXPECT_EQ(BurstTimes::bucket_of(top), bucket);
        const uint64_t bottom = bucket == 0 ? 0 : below + 1;
        EXPECT_EQ(BurstTimes::bucket_of(bottom), bucket);
        EXPECT_LE(top - bottom, bottom / 8);
        below = top;
    }
    EXPECT_EQ(BurstTimes::bucket_of(below + 1), BurstTimes::kBuckets - 1);
}

TEST(BurstTimes, RoundsWithPacketsCount) {
    Testbed bed;
    const auto rounds = [&] {
        uint64_t sum = 0;
        const auto worker = bed.control().runtime()[0];
        for (const auto& range : worker.round_times)
            sum += range.rounds;
        return sum;
    };
    const auto before = bed.control().runtime()[0];
    const uint64_t busy = rounds();
    EXPECT_EQ(busy, before.polls - before.idle_polls);
    bed.send(kVpc, bed.host_frame(ipv4({v4("10.1.0.9"), v4("10.2.0.1")}, udp(1, 2, {}))));
    const auto after = bed.control().runtime()[0];
    EXPECT_GT(rounds(), busy);
    EXPECT_EQ(rounds(), after.polls - after.idle_polls);
    EXPECT_GT(after.round_time_ns(2), 0u);
    EXPECT_LE(after.round_time_ns(2), after.round_time_ns(1000));
    EXPECT_LE(after.round_time_ns(1000), after.longest_round_ns);
}

} // namespace
} // namespace isthmus::test
