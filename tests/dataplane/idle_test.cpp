// When an idle worker rests and how long: the policy on a clock of the test, and the bell that
// wakes.
#include "dataplane/doorbell.hpp"
#include "dataplane/idle.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <poll.h>
#include <thread>

namespace isthmus::dataplane {
namespace {

constexpr uint64_t kHz = 2'500'000'000;

constexpr uint64_t ticks(uint64_t ns) {
    return ns * kHz / 1'000'000'000;
}

class IdleTest : public testing::Test {
  protected:
    bool tired() { return idle_.tired(now_); }
    void pass(uint64_t ns) { now_ += ticks(ns); }
    // Polls in vain until it is time to rest; returns after how many ns.
    uint64_t poll_until_tired() {
        constexpr uint64_t kRoundNs = 500;
        uint64_t spent = 0;
        while (!tired()) {
            pass(kRoundNs);
            spent += kRoundNs;
        }
        return spent;
    }

    uint64_t now_ = 12345;
    Idle idle_{kHz};
};

TEST_F(IdleTest, PollsForAWhileAfterTheLastPacket) {
    for (int n = 0; n < 3; ++n) {
        idle_.worked();
        EXPECT_EQ(poll_until_tired(), Idle::kSpinNs);
        EXPECT_TRUE(tired()) << "it stays tired";
    }
}

TEST_F(IdleTest, WaitsToBeWokenIfEverythingWakes) {
    (void)poll_until_tired();
    EXPECT_EQ(idle_.rest_ns(true, now_), Idle::kWaitNs);
}

TEST_F(IdleTest, NapsShortBehindTrafficAndByCostLater) {
    (void)poll_until_tired();
    idle_.account(20'000);
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kShortNapNs);
    pass(Idle::kLingerNs - Idle::kSpinNs - 1000);
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kShortNapNs);
    pass(1000);
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kNapPerCost * 20'000);
    idle_.worked();
    (void)poll_until_tired();
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kShortNapNs) << "traffic came back";
}

TEST_F(IdleTest, NapsStayInTheirLimits) {
    (void)poll_until_tired();
    pass(Idle::kLingerNs);
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kShortNapNs) << "no cost is known";
    idle_.account(100); // a machine on which both goals can be met
    EXPECT_EQ(idle_.rest_ns(false, now_), Idle::kShortNapNs);
    idle_.account(1'000'000'000);
    EXPECT_NEAR(static_cast<double>(idle_.rest_ns(false, now_)), Idle::kLongNapNs / 2, 2000);
    for (int n = 0; n < 20; ++n)
        idle_.account(5'000);
    EXPECT_NEAR(static_cast<double>(idle_.rest_ns(false, now_)), 24 * 5'000, 100);
}

// Whatever a look costs, looking takes at most 4 % of the core, or naps have their full length.
TEST_F(IdleTest, LooksTakeASmallShareOfTheCore) {
    for (const uint64_t cost : {500u, 2'000u, 10'000u, 20'000u, 40'000u}) {
        Idle idle(kHz);
        uint64_t now = 1;
        EXPECT_FALSE(idle.tired(now));
        now += ticks(Idle::kLingerNs);
        uint64_t busy = 0, total = 0;
        for (int n = 0; n < 1000; ++n) {
            idle.account(cost);
            ASSERT_TRUE(idle.tired(now));
            busy += cost;
            total += cost + idle.rest_ns(false, now);
        }
        EXPECT_LE(busy * 100, total * 4) << cost;
    }
}

TEST_F(IdleTest, ADescriptorInErrorIsNotWaitedFor) {
    (void)poll_until_tired();
    uint64_t slept = 0;
    constexpr int kRests = 10'000;
    for (int n = 0; n < kRests; ++n) {
        ASSERT_TRUE(tired());
        const bool waits = idle_.trusts_descriptors();
        if (!waits) {
            EXPECT_LE(idle_.rest_ns(true, now_), Idle::kLongNapNs);
            slept += idle_.rest_ns(true, now_);
        }
        idle_.rested(waits); // always readable, never a packet
    }
    EXPECT_GT(slept, kRests * Idle::kShortNapNs * 9 / 10);
    idle_.worked();
    EXPECT_TRUE(idle_.trusts_descriptors()) << "packets come";
}

TEST_F(IdleTest, AWakeUpForNothingNowAndThenIsForgiven) {
    (void)poll_until_tired();
    for (int n = 0; n < 100; ++n) {
        idle_.rested(n % Idle::kFutileWakes != 0);
        EXPECT_TRUE(idle_.trusts_descriptors());
    }
}

bool readable(int fd, int timeout_ms = 0) {
    pollfd wait{fd, POLLIN, 0};
    return poll(&wait, 1, timeout_ms) == 1;
}

TEST(DoorbellTest, IsHeardOnlyWhileArmed) {
    Doorbell bell;
    ASSERT_GE(bell.fd(), 0);
    bell.ring();
    EXPECT_FALSE(readable(bell.fd())) << "nobody sleeps";
    ASSERT_TRUE(bell.arm());
    EXPECT_FALSE(readable(bell.fd()));
    bell.ring();
    bell.ring();
    EXPECT_TRUE(readable(bell.fd()));
    bell.disarm();
    EXPECT_FALSE(readable(bell.fd())) << "forgotten when it is disarmed";
    ASSERT_TRUE(bell.arm());
    bell.disarm();
    bell.ring();
    EXPECT_FALSE(readable(bell.fd()));
}

// The sleeper has no time limit: a lost ring would end the test by its own limit.
TEST(DoorbellTest, NoWorkIsLeftBehind) {
    constexpr uint32_t kItems = 50'000;
    Doorbell bell;
    std::atomic<uint32_t> made{0};
    std::thread sleeper([&] {
        uint32_t seen = 0;
        while (seen < kItems) {
            ASSERT_TRUE(bell.arm());
            if (made.load(std::memory_order_acquire) == seen) {
                ASSERT_TRUE(readable(bell.fd(), 10'000)) << "item " << seen;
            }
            bell.disarm();
            seen = made.load(std::memory_order_acquire);
        }
    });
    for (uint32_t n = 1; n <= kItems; ++n) {
        made.store(n, std::memory_order_release);
        bell.ring();
        if (n % 64 == 0)
            std::this_thread::yield();
    }
    sleeper.join();
}

} // namespace
} // namespace isthmus::dataplane
