// The meter's arithmetic, its bounds and its corners, under a simulated clock.

#include "meter_reference.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace isthmus::dataplane {
namespace {

// Octets that one worker gets out of the bucket at one moment, in packets of `bytes`.
uint64_t drink(MeteredBursts& meter, uint16_t bytes, uint64_t now, std::size_t worker = 0) {
    uint64_t sum = 0;
    while (meter.charge_one(worker, bytes, now))
        sum += bytes;
    return sum;
}

// What passes in a second of packets at twice `bps`, in bursts that alternate over workers.
double second_of(MeteredBursts& meter, uint64_t bps, uint64_t start, uint16_t bytes = 500) {
    uint64_t passed = 0;
    // Bursts of 8 are more than the bucket of a slow meter holds.
    const std::size_t packets = bps < 20'000'000 ? 1 : 8;
    const uint64_t step = packets * bytes * 8 * kTscHz / (2 * bps);
    std::size_t turn = 0;
    for (uint64_t now = start; now < start + kTscHz; now += step)
        passed += meter.passed(turn++ % meter.credits.size(), packets, bytes, now);
    return double(passed);
}

TEST(MeterRate, IsAccurateOverTheWholeRange) {
    for (const uint64_t hz : {1'000'000'000ull, 2'449'998'123ull, 5'000'000'000ull}) {
        for (double bps = 64e3; bps <= 400e9; bps *= 1.37) {
            const auto rate_bps = static_cast<uint64_t>(bps);
            const auto rate = MeterRate::from(rate_bps, 1000, 9000, hz).committed;
            const double exact = 8.0 * double(hz) / double(rate_bps);
            EXPECT_NEAR(double(rate.tsc_per_byte_q20) / 1048576.0 / exact, 1.0, 0.00005);
        }
    }
}

TEST(MeterRate, BurstIsTimeAtTheRateAndTwoPacketsAtLeast) {
    EXPECT_EQ(MeterRate::burst_bytes(1'000'000'000, 5000, 9000), 625'000u);
    EXPECT_EQ(MeterRate::burst_bytes(1'000'000, 5000, 9000), 18'000u);
    EXPECT_EQ(MeterRate::burst_bytes(400'000'000'000, 1'000'000, 9000), 50'000'000'000u);
    EXPECT_EQ(MeterRate::burst_bytes(64'000, 0, 0), 1u);
}

TEST(MeterRate, QuantumIsFiftyMicrosecondsOrLess) {
    const auto quantum_us = [](uint64_t bps, uint32_t burst_us) {
        const auto rate = MeterRate::from(bps, burst_us, 1500, kTscHz);
        return double(rate.committed.quantum_q6) / 64 / double(kTscHz) * 1e6;
    };
    EXPECT_NEAR(quantum_us(100'000'000'000, 10'000), 50, 0.01);
    EXPECT_NEAR(quantum_us(1'000'000'000, 640), 10, 0.01);
    EXPECT_NEAR(quantum_us(64'000, 5000), 50, 0.01);
}

TEST(MeterRate, ZeroIsNotLimited) {
    MeteredBursts meter(MeterRate::from(0, 1000, 9000, kTscHz), 1);
    EXPECT_FALSE(meter.rate.limited());
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(meter.passed(0, 64, 9000, 0), 64u * 9000);
    EXPECT_EQ(meter.bucket[0].committed.earned_q6.load(), 0u);
}

TEST(MeterRate, PeakNotAboveCommittedIsOneRate) {
    EXPECT_FALSE(
        MeterRate::two_rate(1'000'000, 1'000'000, 10, 5000, 1500, kTscHz).excess.limited());
    EXPECT_FALSE(MeterRate::two_rate(0, 1'000'000, 10, 5000, 1500, kTscHz).limited());
}

// A rested bucket holds its burst to the octet: at once, packet by packet, from several workers.
TEST(MeterBurst, IsHonouredExactly) {
    for (const uint64_t hz : {uint64_t{1'000'000'000}, kTscHz, uint64_t{5'000'000'000}}) {
        for (const uint64_t bps : {64'000ull, 1'000'000ull, 999'999'937ull, 400'000'000'000ull}) {
            for (const uint32_t burst_us : {0u, 100u, 5000u}) {
                const auto rate = MeterRate::from(bps, burst_us, 1500, hz);
                const uint64_t burst = MeterRate::burst_bytes(bps, burst_us, 1500);
                MeteredBursts meter(rate, 3);
                uint64_t now = hz;
                for (const std::size_t workers : {1u, 3u}) {
                    uint64_t sum = 0;
                    for (std::size_t turn = 0; burst - sum >= 1500 * 64; ++turn)
                        sum += meter.passed(turn % workers, 64, 1500, now);
                    for (std::size_t turn = 0; burst - sum >= 1500; ++turn)
                        sum += drink(meter, 1500, now, turn % workers);
                    EXPECT_EQ(sum / 1500, burst / 1500) << bps << ' ' << burst_us;
                    for (std::size_t w = 0; w < workers; ++w)
                        sum += drink(meter, 1, now, w);
                    // Each worker but one may keep a fraction of 1/64 cycle, below an octet.
                    EXPECT_LE(sum, burst) << bps << ' ' << burst_us << ' ' << hz;
                    EXPECT_GE(sum + workers - 1, burst) << bps << ' ' << burst_us << ' ' << hz;
                    now += 60 * hz;
                }
            }
        }
    }
}

TEST(MeterBurst, LargestPacketPassesAtTheLowestRate) {
    MeteredBursts meter(MeterRate::from(64'000, 0, 65'535, 5'000'000'000), 1);
    EXPECT_EQ(meter.passed(0, 64, 65'535, 1000), 2u * 65'535);
    EXPECT_FALSE(meter.charge_one(0, 64, 1000));
}

TEST(MeterBurst, OneWorkerIsThePacketByPacketModel) {
    std::mt19937_64 rng(7);
    for (int trial = 0; trial < 200; ++trial) {
        const uint64_t bps = uint64_t{64'000} << rng() % 22;
        const auto rate = MeterRate::from(bps, 100u << rng() % 8, 1500, kTscHz);
        MeteredBursts meter(rate, 1);
        ReferenceBucket model(rate.committed);
        uint64_t now = kTscHz;
        for (int burst = 0; burst < 200; ++burst) {
            std::vector<uint16_t> bytes(1 + rng() % 64);
            uint64_t sum = 0;
            for (auto& size : bytes)
                sum += size = static_cast<uint16_t>(40 + rng() % 1461);
            const uint64_t red = meter.charge(0, bytes, now).red;
            for (std::size_t i = 0; i < bytes.size(); ++i)
                ASSERT_EQ(model.take(bytes[i], now), (red >> i & 1) == 0) << trial << ' ' << burst;
            now += sum * 8 * kTscHz / bps * (rng() % 200) / 100;
            if (rng() % 20 == 0)
                now += kTscHz;
        }
    }
}

// Whatever the workers do, no window passes more than rate * T + burst: what passed, laid before
// the model, never finds it empty. And not much less than the model passes.
TEST(MeterBurst, ManyWorkersNeverPassMoreThanTheModel) {
    std::mt19937_64 rng(11);
    for (int trial = 0; trial < 300; ++trial) {
        const uint64_t bps = uint64_t{64'000} << rng() % 22;
        const std::size_t workers = 1 + rng() % 8;
        const auto rate = MeterRate::from(bps, 100u << rng() % 8, 1500, kTscHz);
        MeteredBursts meter(rate, workers);
        ReferenceBucket bound(rate.committed), model(rate.committed);
        const uint64_t load = 50 + rng() % 300;
        uint64_t now = kTscHz;
        double passed = 0, ideal = 0;
        for (int burst = 0; burst < 400; ++burst) {
            std::vector<uint16_t> bytes(1 + rng() % 8);
            uint64_t sum = 0;
            for (auto& size : bytes)
                sum += size = static_cast<uint16_t>(40 + rng() % 1461);
            const uint64_t red = meter.charge(rng() % workers, bytes, now).red;
            for (std::size_t i = 0; i < bytes.size(); ++i) {
                ideal += model.take(bytes[i], now) ? bytes[i] : 0;
                if ((red >> i & 1) != 0)
                    continue;
                passed += bytes[i];
                ASSERT_TRUE(bound.spend(bytes[i], now)) << trial << ' ' << burst;
            }
            now += sum * 8 * kTscHz / bps * 100 / load;
        }
        const double burst_bytes =
            double(rate.committed.burst_q6) * 16384 / double(rate.committed.tsc_per_byte_q20);
        EXPECT_GE(passed, ideal - burst_bytes / 8 - 1500) << trial << ' ' << workers << ' ' << load;
    }
}

TEST(MeterBurst, GroupsAreIndependent) {
    // Random bursts over 40 attachments, some unlimited: the same as a model each.
    std::mt19937_64 rng(5);
    std::vector<MeterRate> rates;
    std::vector<ReferenceBucket> models;
    for (uint64_t slot = 0; slot < 40; ++slot) {
        const uint64_t bps = slot % 8 == 7 ? 0 : 1'000'000 * (slot + 1);
        rates.push_back(MeterRate::from(bps, 2000, 1500, kTscHz));
        models.emplace_back(rates.back().committed);
    }
    std::vector<MeterBucket> buckets(40);
    std::vector<MeterCredit> credits(40);
    uint64_t now = kTscHz;
    for (int burst = 0; burst < 20'000; ++burst, now += rng() % 1'000'000) {
        std::array<uint8_t, kBurstMax> live;
        std::array<uint16_t, kBurstMax> slot, bytes;
        std::size_t count = 0;
        for (uint8_t i = 0; i < kBurstMax; ++i) {
            slot[i] = static_cast<uint16_t>(rng() % (burst % 2 != 0 ? 40 : 3));
            bytes[i] = static_cast<uint16_t>(40 + rng() % 1461);
            if (rng() % 4 != 0)
                live[count++] = i;
        }
        const auto colours = meter_burst(
            {{live.data(), count}, slot.data(), bytes.data()},
            buckets, [&](uint16_t s) -> auto& { return credits[s]; },
            [&](uint16_t s) -> auto& { return rates[s]; }, now);
        EXPECT_EQ(colours.yellow, 0u);
        uint64_t red = 0;
        for (std::size_t k = 0; k < count; ++k) {
            const uint8_t i = live[k];
            if (rates[slot[i]].limited() && !models[slot[i]].take(bytes[i], now))
                red |= uint64_t{1} << i;
        }
        ASSERT_EQ(colours.red, red) << burst;
    }
}

TEST(MeterClocks, IdleForYearsHoldsOneBurst) {
    MeteredBursts meter(MeterRate::from(800'000'000, 1000, 1000, kTscHz), 1); // 100,000 octets
    uint64_t now = 0;
    for (const uint64_t idle : {0ull, 1ull << 40, 1ull << 50, 1ull << 57, 7ull << 55, 9ull << 57}) {
        now += idle;
        EXPECT_EQ(drink(meter, 100, now), 100'000u) << idle;
    }
}

TEST(MeterClocks, WrapIsHarmless) {
    for (const uint64_t wrap : {1ull << 58, 1ull << 63}) { // of _q6, and of signed cycles
        MeteredBursts meter(MeterRate::from(1'000'000'000, 1000, 1500, kTscHz), 2);
        (void)meter.charge_one(0, 1500, wrap - kTscHz);
        EXPECT_NEAR(second_of(meter, 1'000'000'000, wrap - kTscHz / 2), 125.125e6, 4000);
    }
}

TEST(MeterClocks, LongestBurstAndSlowestRateDoNotOverflow) {
    // Far outside what the API allows.
    for (const uint64_t bps : {1ull, 64'000ull, 400'000'000'000ull, 1'000'000'000'000'000ull}) {
        MeteredBursts meter(MeterRate::from(bps, UINT32_MAX, 65'535, 5'000'000'000), 1);
        EXPECT_LE(meter.rate.committed.burst_q6, 1ull << 48);
        EXPECT_EQ(meter.passed(0, 2, 65'535, 1), 2u * 65'535) << bps;
        (void)meter.passed(0, 64, 65'535, 2);
        meter.drain(3);
        EXPECT_EQ(meter.passed(0, 64, 65'535, 3), 0u) << bps;
    }
}

// The rate changes, the words stay: after it the new rate holds from the first moment, whatever was
// borrowed or owed before.
TEST(MeterChange, IsHitless) {
    const std::vector<uint64_t> rates{1'000'000, 8'000'000, 100'000'000, 1'000'000'000};
    for (const uint64_t before : rates) {
        for (const uint64_t after : rates) {
            MeteredBursts meter(MeterRate::from(before, kDefaultBurstUs, 1500, kTscHz), 2);
            (void)second_of(meter, before, kTscHz, 1000);
            meter.rate = MeterRate::from(after, kDefaultBurstUs, 1500, kTscHz);
            // No window above: rate and one burst; no window below: a tenth of a second is right.
            const auto burst = double(MeterRate::burst_bytes(after, kDefaultBurstUs, 1500));
            const double second = second_of(meter, after, 2 * kTscHz, 1000);
            EXPECT_LE(second, double(after) / 8 + burst + 1) << before << ' ' << after;
            EXPECT_GE(second, double(after) / 8 * 0.999 - 1000) << before << ' ' << after;
        }
    }
}

TEST(MeterChange, RaisedLimitDoesNotPayOldDebt) {
    const auto slow = MeterRate::from(64'000, 1'000'000, 9000, kTscHz); // 2.25 s of burst
    const auto fast = MeterRate::from(1'000'000'000, kDefaultBurstUs, 9000, kTscHz);
    for (int times = 0; times < 3; ++times) {
        MeteredBursts meter(slow, 2);
        for (int change = 0; change <= times; ++change) {
            const uint64_t now = kTscHz * 10 * static_cast<uint64_t>(1 + change);
            meter.rate = slow;
            (void)drink(meter, 100, now);
            meter.rate = fast;
            EXPECT_NEAR(second_of(meter, 1'000'000'000, now + 1000, 1500), 125e6, 7e5);
        }
    }
}

TEST(MeterChange, LoweredLimitLeavesNoCredit) {
    MeteredBursts meter(MeterRate::from(400'000'000'000, 10'000, 1500, kTscHz), 1);
    ASSERT_TRUE(meter.charge_one(0, 1500, kTscHz)); // borrows 50 us, 2.5 million octets
    meter.rate = MeterRate::from(64'000, 1000, 1500, kTscHz);
    EXPECT_LE(drink(meter, 100, kTscHz), 3000u);
}

TEST(MeterChange, FromAndToUnlimited) {
    MeteredBursts meter(MeterRate::from(100'000'000, 5000, 1500, kTscHz), 1);
    (void)drink(meter, 1500, kTscHz);
    meter.rate = {};
    EXPECT_EQ(meter.passed(0, 64, 1500, kTscHz), 64u * 1500);
    meter.rate = MeterRate::from(100'000'000, 5000, 1500, kTscHz);
    EXPECT_EQ(drink(meter, 1500, kTscHz), 0u);
    EXPECT_NEAR(second_of(meter, 100'000'000, kTscHz), 12.5e6, 1500);
}

TEST(MeterCredit, RefusedPacketLeavesWhatIsThere) {
    MeteredBursts meter(MeterRate::from(64'000, 0, 1500, kTscHz), 1);
    ASSERT_EQ(meter.passed(0, 2, 1350, kTscHz), 2700u);
    EXPECT_FALSE(meter.charge_one(0, 1000, kTscHz));
    EXPECT_TRUE(meter.charge_one(0, 300, kTscHz));
    EXPECT_FALSE(meter.charge_one(0, 1, kTscHz));
}

TEST(MeterCredit, BorrowedOctetsNeedNoSharedWord) {
    MeteredBursts meter(MeterRate::from(10'000'000'000, kDefaultBurstUs, 1500, kTscHz), 1);
    ASSERT_TRUE(meter.charge_one(0, 1500, kTscHz));
    const uint64_t word = meter.bucket[0].committed.earned_q6;
    for (int i = 0; i < 41; ++i) // 50 us of 10 Gbps
        EXPECT_TRUE(meter.charge_one(0, 1500, kTscHz));
    EXPECT_EQ(meter.bucket[0].committed.earned_q6, word);
    EXPECT_TRUE(meter.charge_one(0, 1500, kTscHz));
    EXPECT_NE(meter.bucket[0].committed.earned_q6, word);
}

TEST(MeterCredit, ARefusedWorkerDoesNotTouchTheSharedWord) {
    MeteredBursts meter(MeterRate::from(1'000'000'000, kDefaultBurstUs, 1500, kTscHz), 1);
    meter.drain(kTscHz);
    ASSERT_FALSE(meter.charge_one(0, 1500, kTscHz));
    meter.bucket[0].committed.earned_q6 = 0; // as if full: only whoever looks would know
    EXPECT_FALSE(meter.charge_one(0, 1500, kTscHz + 29'000));
    EXPECT_TRUE(meter.charge_one(0, 1500, kTscHz + 30'001)); // 12 us later it has earned a packet
}

} // namespace
} // namespace isthmus::dataplane
