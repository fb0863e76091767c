// The meter under a simulated clock: what passes in a second against what was bought.

#include "dataplane/meter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

namespace isthmus::dataplane {
namespace {

constexpr uint64_t kTscHz = 2'500'000'000;
constexpr uint32_t kMaxPacket = 9000;

// Packets that arrive evenly at offered_bps for `seconds`, in bursts of up to 64 that share one
// clock reading, spread over `workers` credits. Returns octets that passed.
struct Offer {
    uint64_t offered_bps = 0;
    std::vector<uint32_t> sizes;
    double seconds = 1.0;
    std::size_t workers = 1;
    uint32_t burst = 64;
};

struct Passed {
    double bytes = 0, offered = 0;
};

Passed run(MeterBucket& bucket, const MeterRate& rate, const Offer& offer, uint64_t start,
           uint64_t tsc_hz = kTscHz) {
    std::vector<MeterCredit> credits(offer.workers);
    Passed passed;
    const double tsc_per_byte = 8.0 * static_cast<double>(tsc_hz) / double(offer.offered_bps);
    const double end = offer.seconds * static_cast<double>(tsc_hz);
    std::size_t packet = 0;
    for (std::size_t turn = 0; passed.offered * tsc_per_byte < end; ++turn) {
        const auto now = start + static_cast<uint64_t>(passed.offered * tsc_per_byte);
        for (uint32_t i = 0; i < offer.burst; ++i) {
            const uint32_t bytes = offer.sizes[packet++ % offer.sizes.size()];
            passed.offered += bytes;
            if (credits[turn % offer.workers].conforms(bucket, rate, bytes, now))
                passed.bytes += bytes;
        }
    }
    return passed;
}

TEST(MeterRate, IsAccurateOverTheWholeRange) {
    for (const uint64_t hz : {1'000'000'000ull, 2'449'998'123ull, 5'000'000'000ull}) {
        for (double bps = 64e3; bps <= 400e9; bps *= 1.37) {
            const auto rate_bps = static_cast<uint64_t>(bps);
            const auto rate = MeterRate::from(rate_bps, 1000, kMaxPacket, hz);
            const double exact = 8.0 * double(hz) / double(rate_bps);
            EXPECT_NEAR(double(rate.tsc_per_byte_q20) / 1048576.0 / exact, 1.0, 0.0005);
        }
    }
}

TEST(MeterRate, QuantumFollowsTheRate) {
    // 50 us of 100 Gbps; a packet at low rates; a quarter of a small burst; a burst of one packet.
    EXPECT_EQ(MeterRate::from(100'000'000'000, 10'000, 9000, kTscHz).quantum_bytes, 625'000u);
    EXPECT_EQ(MeterRate::from(100'000'000, 10'000, 9000, kTscHz).quantum_bytes, 9000u);
    EXPECT_EQ(MeterRate::from(10'000'000, 10'000, 9000, kTscHz).quantum_bytes, 12'500u / 4);
    EXPECT_EQ(MeterRate::from(64'000, 10'000, 9000, kTscHz).quantum_bytes, 9000u);
}

TEST(MeterRate, BurstHoldsTheLargestPacket) {
    for (const uint64_t bps : {64'000ull, 1'000'000ull, 400'000'000'000ull}) {
        MeterBucket bucket;
        const auto rate = MeterRate::from(bps, 0, 9216 * 64, 5'000'000'000);
        EXPECT_TRUE(bucket.take(rate, 9216 * 64, 1000));
        EXPECT_FALSE(bucket.take(rate, 64, 1000));
    }
}

TEST(MeterRate, LongestBurstDoesNotOverflow) {
    const auto rate = MeterRate::from(400'000'000'000, UINT32_MAX, kMaxPacket, 5'000'000'000);
    EXPECT_NEAR(double(rate.burst_tsc), 4294.967295 * 5e9, 10.0);
    EXPECT_EQ(rate.quantum_bytes, 2'500'000u);
}

TEST(MeterRate, ZeroIsNotLimited) {
    MeterBucket bucket;
    MeterCredit credit;
    const MeterRate rate = MeterRate::from(0, 1000, kMaxPacket, kTscHz);
    EXPECT_FALSE(rate.limited());
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(credit.conforms(bucket, rate, 9000, 0));
    EXPECT_EQ(bucket.earned_tsc_q6.load(), 0u);
}

// The burst holds some large packets: a policer whose bucket holds just one loses what it earns
// while that one has not come.
struct RateCase {
    uint64_t bps;
    double seconds;
    uint32_t burst_us;
};

class MeterTest : public testing::TestWithParam<RateCase> {};

const std::vector<std::vector<uint32_t>> kMixes{{64}, {1500}, {64, 1500, 576, 64, 9000}};

TEST_P(MeterTest, OfferedAboveTheRatePassesTheRate) {
    const auto [bps, seconds, burst_us] = GetParam();
    for (const auto& sizes : kMixes) {
        for (const std::size_t workers : {1u, 2u}) {
            MeterBucket bucket;
            const auto rate = MeterRate::from(bps, burst_us, kMaxPacket, kTscHz);
            const auto passed = run(bucket, rate, {bps * 2, sizes, seconds, workers, 16}, kTscHz);
            const double bought = double(bps) / 8 * seconds;
            const double burst = double(bps) / 8e6 * burst_us + 1;
            EXPECT_LE(passed.bytes, bought * 1.001 + burst) << sizes.size();
            EXPECT_GE(passed.bytes, bought * 0.99 - 2.0 * rate.quantum_bytes) << sizes.size();
        }
    }
}

TEST_P(MeterTest, OfferedBelowTheRatePasses) {
    const auto [bps, seconds, burst_us] = GetParam();
    for (const auto& sizes : kMixes) {
        MeterBucket bucket;
        const auto rate = MeterRate::from(bps, burst_us, kMaxPacket, kTscHz);
        // One by one: a clump of 64 packets is more than the burst of a slow meter.
        const Offer offer{bps / 100 * 98, sizes, seconds / 4, 1, 1};
        const auto passed = run(bucket, rate, offer, kTscHz);
        EXPECT_EQ(passed.bytes, passed.offered) << sizes.size();
    }
}

// Long enough for 1 % at every rate; short at high rates, where a second is 10^9 packets.
INSTANTIATE_TEST_SUITE_P(
    Rates, MeterTest,
    testing::Values(RateCase{64'000, 100, 10'000'000}, RateCase{1'000'000, 20, 1'000'000},
                    RateCase{50'000'000, 1, 20'000}, RateCase{1'000'000'000, 1, 1000},
                    RateCase{10'000'000'000, 0.2, 1000}, RateCase{400'000'000'000, 0.01, 1000}),
    [](const auto& rate) { return std::to_string(rate.param.bps) + "bps"; });

TEST(Meter, OneSecondAtOneGigabitIsWithinOnePercent) {
    MeterBucket bucket;
    const auto rate = MeterRate::from(1'000'000'000, 1000, 1500, kTscHz);
    const auto passed = run(bucket, rate, {3'000'000'000, {1500}, 1.0, 2, 64}, 0);
    EXPECT_NEAR(passed.bytes / 125e6, 1.0, 0.01);
}

TEST(Meter, SmallPacketsAtTopRateCostWhatTheyShould) {
    // 64 octets at 400 Gbps are 1.28 cycles of a 1 GHz clock: whole cycles would be 22 % wrong.
    MeterBucket bucket;
    const auto rate = MeterRate::from(400'000'000'000, 10, 64, 1'000'000'000);
    uint64_t taken = 0;
    for (uint64_t now = 0; now < 1'000'000; now += 50)
        while (bucket.take(rate, 64, now))
            taken += 64;
    EXPECT_NEAR(double(taken) / (0.001 * 50e9), 1.01,
                0.005); // the burst is 1 % of this millisecond
}

TEST(Meter, IdleBucketHoldsOneBurst) {
    MeterBucket bucket;
    const auto rate = MeterRate::from(800'000'000, 1000, 1000, kTscHz); // 100,000 octets of burst
    for (const uint64_t now : {0ull, 1ull << 40, 1ull << 57, (1ull << 57) + (1ull << 40)}) {
        uint32_t taken = 0;
        while (taken < 1'000'000 && bucket.take(rate, 100, now))
            taken += 100;
        EXPECT_NEAR(taken, 100'000, 100) << now;
    }
}

TEST(Meter, WrapOfTheClockIsHarmless) {
    MeterBucket bucket;
    const auto rate = MeterRate::from(1'000'000'000, 1000, 1500, kTscHz);
    // now << 6 wraps in the middle of this second.
    const auto passed =
        run(bucket, rate, {2'000'000'000, {1500}, 1.0, 1, 64}, (1ull << 58) - kTscHz / 2);
    EXPECT_NEAR(passed.bytes / 125e6, 1.0, 0.01);
}

TEST(Meter, ClockOfAnotherWorkerMayLagBehind) {
    MeterBucket bucket;
    const auto rate = MeterRate::from(1'000'000'000, 1000, 1500, kTscHz);
    uint64_t taken = 0;
    for (uint64_t now = kTscHz; now < 2 * kTscHz; now += 10'000)
        for (const uint64_t skew : {0ull, 5'000'000ull, 100ull}) // 2 ms late
            while (bucket.take(rate, 1500, now - skew))
                taken += 1500;
    EXPECT_NEAR(double(taken) / 125e6, 1.0, 0.01);
}

TEST(Meter, ChangeOfTheLimitKeepsTheBucket) {
    MeterBucket bucket;
    const auto slow = MeterRate::from(8'000'000, 1000, 1000, kTscHz);
    const auto fast = MeterRate::from(16'000'000, 1000, 1000, kTscHz);
    while (bucket.take(slow, 100, kTscHz)) {
    }
    const uint64_t before = bucket.earned_tsc_q6.load();
    // The bucket was emptied at the old rate; the new rate does not fill it again at once.
    EXPECT_FALSE(bucket.take(fast, 1000, kTscHz));
    EXPECT_EQ(bucket.earned_tsc_q6.load(), before);
    EXPECT_NEAR(run(bucket, fast, {64'000'000, {500}, 1.0, 1, 8}, kTscHz).bytes / 2e6, 1.0, 0.01);
    EXPECT_NEAR(run(bucket, slow, {64'000'000, {500}, 1.0, 1, 8}, 2 * kTscHz).bytes / 1e6, 1.0,
                0.01);
}

TEST(Meter, RaisedLimitDoesNotPayAnOldDebtForSeconds) {
    MeterBucket bucket;
    const auto slow = MeterRate::from(64'000, 60'000'000, 9000, kTscHz); // a burst of a minute
    while (bucket.take(slow, 9000, kTscHz)) {
    }
    const auto fast = MeterRate::from(1'000'000'000, 1000, 9000, kTscHz);
    EXPECT_NEAR(run(bucket, fast, {2'000'000'000, {1500}, 1.0, 1, 8}, kTscHz).bytes / 125e6, 1.0,
                0.01);
}

TEST(Meter, CreditOfAHigherRateIsNotKept) {
    MeterBucket bucket;
    MeterCredit credit;
    const auto fast = MeterRate::from(400'000'000'000, 10'000, 1500, kTscHz);
    ASSERT_TRUE(credit.conforms(bucket, fast, 1500, kTscHz));
    ASSERT_GT(credit.bytes, 1'000'000u);
    const auto slow = MeterRate::from(64'000, 1000, 1500, kTscHz);
    EXPECT_TRUE(credit.conforms(bucket, slow, 64, kTscHz));
    EXPECT_LE(credit.bytes, 1500u);
}

TEST(Meter, RefusedPacketLeavesTheCredit) {
    MeterBucket bucket;
    MeterCredit credit{300};
    const auto rate = MeterRate::from(64'000, 0, 1500, kTscHz);
    while (bucket.take(rate, 10, kTscHz)) {
    }
    EXPECT_FALSE(credit.conforms(bucket, rate, 1000, kTscHz));
    EXPECT_EQ(credit.bytes, 300u);
    EXPECT_TRUE(credit.conforms(bucket, rate, 300, kTscHz));
}

TEST(Meter, ConcurrentTakesNeverExceedTheAllowance) {
    MeterBucket bucket;
    const auto rate = MeterRate::from(8'000'000'000, 1000, 1500, kTscHz);
    constexpr uint64_t kSteps = 200;
    constexpr uint64_t kStepTsc = 25'000; // 10 us
    std::atomic<uint64_t> now{kTscHz};
    std::vector<uint64_t> taken(4);
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < taken.size(); ++i) {
        workers.emplace_back([&, i] {
            MeterCredit credit;
            for (uint64_t step = 0; step < kSteps; ++step) {
                const uint64_t clock = now.fetch_add(kStepTsc, std::memory_order_relaxed);
                for (int packet = 0; packet < 40; ++packet)
                    if (credit.conforms(bucket, rate, 1500, clock))
                        taken[i] += 1500;
            }
            taken[i] += credit.bytes;
        });
    }
    for (auto& worker : workers)
        worker.join();
    const double seconds = double(now.load() - kTscHz) / double(kTscHz);
    const double sum = double(taken[0] + taken[1] + taken[2] + taken[3]);
    EXPECT_LE(sum, 1e9 * seconds + 1e6 + 100); // rate plus one burst
    EXPECT_GE(sum, 1e9 * seconds * 0.9);
}

} // namespace
} // namespace isthmus::dataplane
