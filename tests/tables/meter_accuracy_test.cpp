// How well a limit is kept: every rate, packet size, number of workers and shape of load, under a
// simulated clock.

#include "meter_reference.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace isthmus::dataplane {
namespace {

struct Mix {
    const char* name;
    std::vector<uint16_t> sizes;
};
// IMIX: 7 small, 4 medium, 1 large, in an order without long runs.
const std::vector<Mix> kMixes{
    {"64", {64}},
    {"1500", {1500}},
    {"9000", {9000}},
    {"imix", {64, 576, 64, 1500, 64, 576, 64, 64, 576, 64, 576, 64}},
};

struct Shape {
    const char* name;
    double load; // of the limit, on average
    bool bursty; // packets come in trains at ten times the limit, with pauses
    bool skewed; // worker 0 gets 99 % of the packets
};
const std::vector<Shape> kShapes{
    {"smooth 2x", 2, false, false},   {"smooth 1.01x", 1.01, false, false},
    {"smooth 10x", 10, false, false}, {"bursty 2x", 2, true, false},
    {"skewed 2x", 2, false, true},
};

// Windows of a second, or of 10,000 packets at the limit where a second has more: an error that is
// small over the shorter window is smaller over a second.
struct Case {
    uint64_t bps;
    const Mix& mix;
    const Shape& shape;
    std::size_t workers;

    double mean() const {
        return std::accumulate(mix.sizes.begin(), mix.sizes.end(), 0.0) / double(mix.sizes.size());
    }
    uint16_t largest() const { return *std::max_element(mix.sizes.begin(), mix.sizes.end()); }
    double bytes_per_second() const { return double(bps) / 8; }
    // Trains of a bursty load are shorter than the burst, or no bucket could bridge the pauses.
    MeterRate rate() const {
        const uint32_t packets = shape.bursty ? 8 : 1;
        return MeterRate::from(bps, kDefaultBurstUs, packets * largest(), kTscHz);
    }
    // Octets by which a window may differ although the limit is kept: one packet that did not fit
    // any more, two close to the limit, where the bucket may be full; a train of a bursty load.
    double grain() const { return largest() * (shape.bursty ? 8.0 : shape.load < 1.1 ? 2.0 : 1.0); }
    double window() const { return std::min(1.0, 10'000 * mean() / bytes_per_second()); }
    std::string name() const {
        return std::to_string(bps) + " bps, " + mix.name + ", " + shape.name + ", " +
               std::to_string(workers) + " workers";
    }
};

// Offers the load for some windows and returns what passed in each.
class Offer {
  public:
    Offer(const Case& c, MeteredBursts& meter, uint64_t start)
        : c_(c), meter_(meter), start_(start) {}

    std::vector<double> windows(std::size_t count) {
        std::vector<double> passed(count);
        const double window_tsc = c_.window() * double(kTscHz);
        const std::size_t train = train_length();
        while (true) {
            const double at = arrival_tsc();
            const auto window = static_cast<std::size_t>(at / window_tsc);
            if (window >= count)
                return passed;
            sizes_.clear();
            for (std::size_t i = 0; i < train; ++i, ++packet_)
                sizes_.push_back(c_.mix.sizes[packet_ % c_.mix.sizes.size()]);
            const auto colours =
                meter_.charge(worker(), sizes_, start_ + static_cast<uint64_t>(at));
            for (std::size_t i = 0; i < train; ++i)
                passed[window] += (colours.red >> i & 1) != 0 ? 0 : sizes_[i];
            offered_ += std::accumulate(sizes_.begin(), sizes_.end(), 0.0);
            ++turn_;
        }
    }

  private:
    // Packets that a worker finds at once: few enough that the bucket holds them.
    std::size_t train_length() const {
        const double burst = double(MeterRate::burst_bytes(c_.bps, kDefaultBurstUs, c_.largest()));
        const double limit = c_.shape.bursty ? 2 : 16;
        return static_cast<std::size_t>(std::clamp(burst / 4 / c_.largest(), 1.0, limit));
    }
    double arrival_tsc() const {
        const double tsc_per_byte = double(kTscHz) / c_.bytes_per_second();
        if (!c_.shape.bursty)
            return offered_ * tsc_per_byte / c_.shape.load;
        // Four trains at ten times the limit, then a pause until the average is the load.
        const double trains = 4 * double(train_length()) * c_.mean();
        const double done = std::floor(offered_ / trains + 1e-9) * trains;
        return (done / c_.shape.load + (offered_ - done) / 10) * tsc_per_byte;
    }
    std::size_t worker() const {
        if (!c_.shape.skewed || turn_ % 100 != 99)
            return c_.shape.skewed ? 0 : turn_ % c_.workers;
        return turn_ / 100 % c_.workers;
    }

    const Case& c_;
    MeteredBursts& meter_;
    uint64_t start_;
    std::vector<uint16_t> sizes_;
    std::size_t packet_ = 0, turn_ = 0;
    double offered_ = 0;
};

class MeterAccuracy : public testing::TestWithParam<uint64_t> {};

// From an empty bucket, every window passes the limit within one percent. At the lowest rates a
// single packet is more than that (9,000 octets are 7 % of a second at 1 Mbps): then it is the
// grain that counts, and the sum over the windows still has no more than one grain of error.
TEST_P(MeterAccuracy, WithinOnePercentOfTheLimit) {
    for (const Mix& mix : kMixes) {
        for (const Shape& shape : kShapes) {
            for (const std::size_t workers : {1u, 2u, 4u, 8u}) {
                const Case c{GetParam(), mix, shape, workers};
                MeteredBursts meter(c.rate(), workers);
                meter.drain(kTscHz);
                const std::size_t count = c.window() == 1.0 ? 8 : 3;
                const auto passed = Offer(c, meter, kTscHz).windows(count);
                const double bought = c.bytes_per_second() * c.window();
                const double grain = c.grain();
                for (const double bytes : passed)
                    EXPECT_NEAR(bytes, bought, std::max(bought * 0.01, grain)) << c.name();
                const double sum = std::accumulate(passed.begin(), passed.end(), 0.0);
                const double all = bought * double(count);
                EXPECT_NEAR(sum, all, std::max(all * 0.003, grain)) << c.name();
            }
        }
    }
}

// From a full bucket: not more than the limit and one burst, in any window; nor less than the
// limit.
TEST_P(MeterAccuracy, AFullBucketAddsOneBurst) {
    for (const Mix& mix : kMixes) {
        for (const std::size_t workers : {1u, 2u, 4u, 8u}) {
            const Case c{GetParam(), mix, kShapes[0], workers};
            const uint32_t burst_us = static_cast<uint32_t>(std::max(100.0, c.window() * 5000));
            MeteredBursts meter(MeterRate::from(c.bps, burst_us, c.largest(), kTscHz), workers);
            const auto passed = Offer(c, meter, kTscHz).windows(2);
            const double bought = c.bytes_per_second() * c.window();
            const auto burst = double(MeterRate::burst_bytes(c.bps, burst_us, c.largest()));
            EXPECT_LE(passed[0], bought * 1.0001 + burst) << c.name();
            EXPECT_GE(passed[0], bought * 0.99 - c.largest()) << c.name();
            EXPECT_LE(passed[0] + passed[1], 2 * bought * 1.0001 + burst) << c.name();
        }
    }
}

// Below the limit nothing is dropped, whatever the workers have borrowed.
TEST_P(MeterAccuracy, BelowTheLimitAllPasses) {
    for (const Mix& mix : kMixes) {
        for (const bool skewed : {false, true}) {
            for (const std::size_t workers : {1u, 2u, 4u, 8u}) {
                const Shape shape{"0.98x", 0.98, false, skewed};
                const Case c{GetParam(), mix, shape, workers};
                // Trains of a sixteenth of a burst, and room for the bursts of the mix itself.
                MeteredBursts meter(
                    MeterRate::from(c.bps, kDefaultBurstUs, 4 * c.largest(), kTscHz), workers);
                const auto passed = Offer(c, meter, kTscHz).windows(3);
                const double sum = passed[0] + passed[1] + passed[2];
                const double offered = 0.98 * 3 * c.bytes_per_second() * c.window();
                EXPECT_GE(sum, offered - 16.0 * c.largest()) << c.name();
                EXPECT_LE(sum, offered + 16.0 * c.largest()) << c.name();
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Rates, MeterAccuracy,
                         testing::Values(64'000, 1'000'000, 10'000'000, 50'000'000, 1'000'000'000,
                                         10'000'000'000, 100'000'000'000, 400'000'000'000),
                         [](const auto& rate) { return std::to_string(rate.param) + "bps"; });

// Clocks of cores differ a little: none gains by it.
TEST(MeterClocks, SkewIsNotARate) {
    for (const uint64_t skew : {100u, 10'000u, 5'000'000u}) { // 40 ns, 4 us, 2 ms
        MeteredBursts meter(MeterRate::from(1'000'000'000, kDefaultBurstUs, 1500, kTscHz), 4);
        meter.drain(kTscHz);
        uint64_t passed = 0;
        for (uint64_t now = kTscHz; now < 2 * kTscHz; now += 40'000)
            for (std::size_t w = 0; w < 4; ++w)
                passed += meter.passed(w, 4, 1500, now - skew * ((w * 7 + now / 40'000) % 4) / 3);
        EXPECT_NEAR(double(passed), 125e6, 125e4) << skew;
    }
}

// A worker that sees traffic once, or ever more rarely, keeps nothing from the others.
TEST(MeterWorkers, IdleWorkersHoldNothingBack) {
    for (const uint64_t pause_us : {30u, 80u, 1000u, 6000u}) {
        MeteredBursts meter(MeterRate::from(1'000'000'000, kDefaultBurstUs, 9000, kTscHz), 8);
        uint64_t passed = 0, step = 0;
        for (uint64_t now = kTscHz; now < 2 * kTscHz; now += kTscHz / 100'000, ++step) {
            passed += meter.passed(0, 2, 1500, now); // 2.4 Gbps
            if (step % (pause_us / 10) == 0)
                for (std::size_t w = 1; w < 8; ++w)
                    passed += meter.passed(w, 1, 9000, now);
        }
        EXPECT_NEAR(double(passed), 125e6, 125e4) << pause_us;
    }
}

// Two workers that offer the same get the same, within a few percent; an unlucky order of polling
// must not starve one.
TEST(MeterWorkers, EqualLoadsGetEqualShares) {
    MeteredBursts meter(MeterRate::from(1'000'000'000, kDefaultBurstUs, 1500, kTscHz), 2);
    std::array<uint64_t, 2> passed{};
    uint64_t random = 1;
    for (uint64_t now = kTscHz; now < 2 * kTscHz; now += kTscHz / 50'000) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const std::size_t first = random >> 63;
        passed[first] += meter.passed(first, 4, 1500, now);
        passed[1 - first] += meter.passed(1 - first, 4, 1500, now + 100);
    }
    EXPECT_NEAR(double(passed[0]) / double(passed[0] + passed[1]), 0.5, 0.05);
}

} // namespace
} // namespace isthmus::dataplane
