// Records of usage: interval arithmetic on a clock and counters of the test's own.

#include "tests/control/usage_meter_bed.hpp"

#include <array>
#include <random>

namespace isthmus::control {
namespace {

TEST_F(UsageMeterTest, WholeIntervalsAreComplete) {
    run(10 * kSecond);
    add(0, 1);
    for (int n = 0; n < 70; ++n) {
        pass(0, 2, 200);
        run(10 * kSecond);
        write();
    }
    ASSERT_EQ(closed_[1].size(), 2u);
    EXPECT_EQ(closed_[1][0].from_ms, kNoon + 10 * kSecond);
    EXPECT_EQ(closed_[1][0].flags, kUsageAdded);
    EXPECT_FALSE(closed_[1][0].complete());
    EXPECT_TRUE(closed_[1][1].complete());
    EXPECT_EQ((closed_[1][1].after - closed_[1][1].before).egress_bytes, 30u * 200);
    check_chain();
}

TEST_F(UsageMeterTest, BoundaryIsExactThoughItIsReadABitLater) {
    add(0, 1);
    run(kLength - 50);
    run(130);
    write();
    EXPECT_EQ(closed_[1][0].to_ms, kNoon + kLength);
    EXPECT_EQ(open(1).from_ms, kNoon + kLength);
}

TEST_F(UsageMeterTest, MissedBoundaryIsLate) {
    add(0, 1);
    run(kLength - 50);
    pass(0, 1, 100);
    run(2 * kLength);
    write();
    EXPECT_EQ(closed_[1][0].to_ms, kNoon + 3 * kLength - 50);
    EXPECT_EQ(closed_[1][0].flags, kUsageAdded | kUsageLate);
    EXPECT_EQ(open(1).interval_ms, kNoon + 2 * kLength);
    run(kLength);
    write();
    check_chain();
}

TEST_F(UsageMeterTest, ClockSetForward) {
    add(0, 1);
    run(kLength);
    write();
    run(60 * kSecond);
    pass(0, 1, 100);
    set_wall(7 * kLength);
    write();
    const UsageRecord& cut = closed_[1].back();
    EXPECT_EQ(cut.to_ms, kNoon + kLength + 60 * kSecond);
    EXPECT_EQ(cut.after.egress_bytes, 100u);
    EXPECT_EQ(cut.flags, kUsageClockSet);
    EXPECT_EQ(open(1).interval_ms, kNoon + 8 * kLength);
    EXPECT_EQ(open(1).from_ms, kNoon + 8 * kLength + 60 * kSecond);
    EXPECT_EQ(open(1).flags, kUsageClockSet);
    // A short one, inside an interval.
    run(30 * kSecond);
    set_wall(20 * kSecond);
    EXPECT_EQ(closed_[1].size(), 2u);
    run(kLength);
    write();
    check_chain();
}

TEST_F(UsageMeterTest, ClockSetBack) {
    add(0, 1);
    run(kLength);
    write();
    run(60 * kSecond);
    set_wall(-3 * kLength);
    EXPECT_EQ(clock_.behind_ms(), 3 * kLength);
    for (int n = 0; n < 3; ++n) {
        pass(0, 1, 100);
        run(kLength);
        write();
    }
    // Time stood still, and traffic did not.
    EXPECT_EQ(closed_[1].size(), 1u);
    EXPECT_EQ(open(1).after.egress_bytes, 300u);
    EXPECT_EQ(clock_.behind_ms(), 0);
    run(kLength);
    write();
    EXPECT_EQ(closed_[1].back().flags & kUsageClockSet, kUsageClockSet);
    EXPECT_EQ(closed_[1].back().interval_ms, kNoon + kLength);
    check_chain();
}

TEST_F(UsageMeterTest, ClockSetBackWhileTheDaemonWasDown) {
    add(0, 1);
    run(kLength + 60 * kSecond);
    write();
    restart(-4 * kLength, true);
    EXPECT_EQ(open(1).interval_ms, kNoon + kLength);
    EXPECT_EQ(open(1).to_ms, kNoon + kLength + 60 * kSecond);
    EXPECT_EQ(open(1).unknown_ms, 0);
    check_chain();
}

TEST_F(UsageMeterTest, StopAndStartInOneInterval) {
    add(0, 1);
    run(10 * kSecond);
    pass(0, 5, 500);
    run(kSecond);
    write();
    restart(20 * kSecond, true);
    EXPECT_EQ(open(1).starts, 1u);
    EXPECT_EQ(open(1).unknown_ms, 0);
    pass(0, 5, 500);
    run(kLength - 31 * kSecond);
    write();
    ASSERT_EQ(closed_[1].size(), 1u);
    EXPECT_EQ(closed_[1][0].after.egress_bytes, 1000u);
    EXPECT_FALSE(closed_[1][0].complete());
    check_chain();
}

TEST_F(UsageMeterTest, KilledInOneInterval) {
    add(0, 1);
    run(10 * kSecond);
    pass(0, 5, 500);
    run(kSecond);
    write();
    pass(0, 5, 500); // nobody will know
    for (int n = 0; n < 2; ++n)
        restart(20 * kSecond, false);
    // Nothing was written in between: the second start knows of all of it.
    EXPECT_EQ(open(1).unknown_from_ms, kNoon + 11 * kSecond);
    EXPECT_EQ(open(1).unknown_to_ms, kNoon + 51 * kSecond);
    EXPECT_EQ(open(1).unknown_ms, 40 * kSecond);
    EXPECT_EQ(open(1).after.egress_bytes, 500u);
    read_after(0);
    write();
    run(5 * kSecond);
    write();
    restart(10 * kSecond, false);
    EXPECT_EQ(open(1).starts, 2u);
    EXPECT_EQ(open(1).unknown_from_ms, kNoon + 11 * kSecond);
    EXPECT_EQ(open(1).unknown_to_ms, kNoon + 66 * kSecond);
    EXPECT_EQ(open(1).unknown_ms, 50 * kSecond);
}

TEST_F(UsageMeterTest, KilledAndStartedInALaterInterval) {
    add(0, 1);
    run(10 * kSecond);
    pass(0, 5, 500);
    run(kSecond);
    write();
    restart(2 * kLength, false);
    pass(0, 1, 7);
    run(kSecond);
    write();
    ASSERT_EQ(closed_[1].size(), 1u);
    EXPECT_EQ(closed_[1][0].to_ms, kNoon + 11 * kSecond);
    EXPECT_EQ(closed_[1][0].flags, kUsageAdded | kUsageKilled);
    EXPECT_EQ(closed_[1][0].unknown_ms, 0);
    EXPECT_EQ(open(1).interval_ms, kNoon + 2 * kLength);
    EXPECT_EQ(open(1).unknown_from_ms, kNoon + 11 * kSecond);
    EXPECT_EQ(open(1).unknown_to_ms, open(1).from_ms);
    EXPECT_EQ(open(1).before.egress_bytes, 500u);
    EXPECT_EQ(open(1).after.egress_bytes, 507u);
}

TEST_F(UsageMeterTest, KilledBeforeAnythingWasWritten) {
    run(kSecond);
    write();
    run(kSecond);
    add(0, 1);
    add(1, 2);
    pass(0, 1, 100);
    remove(1, 2);
    restart(30 * kSecond, false);
    EXPECT_EQ(open(1).flags, kUsageAdded);
    EXPECT_EQ(open(1).unknown_from_ms, kNoon + 2 * kSecond);
    EXPECT_EQ(open(1).unknown_to_ms, kNoon + 32 * kSecond);
    read_after(0);
    write();
    ASSERT_EQ(closed_[2].size(), 1u);
    EXPECT_EQ(closed_[2][0].flags, kUsageAdded | kUsageRemoved);
    check_chain();
}

TEST_F(UsageMeterTest, RemovedAndMadeAgain) {
    add(0, 1);
    run(kSecond);
    pass(0, 1, 100);
    remove(0, 1);
    pass(0, 1, 50); // a worker had it in hand
    run(kSecond);
    add(0, 2);
    pass(0, 1, 7);
    run(kSecond);
    write();
    ASSERT_EQ(closed_[1].size(), 1u);
    EXPECT_EQ(closed_[1][0].after.egress_bytes, 150u);
    EXPECT_EQ(closed_[1][0].to_ms, kNoon + kSecond);
    EXPECT_EQ(closed_[1][0].flags, kUsageAdded | kUsageRemoved);
    EXPECT_EQ(open(2).before, UsageTotals{});
    EXPECT_EQ(open(2).after.egress_bytes, 7u);
    EXPECT_FALSE(meter_->lives().contains(1));
}

TEST_F(UsageMeterTest, RemovedAndMadeAgainBetweenTwoReadings) {
    add(0, 1);
    pass(0, 1, 100);
    remove(0, 1);
    add(0, 2);
    pass(0, 1, 7);
    remove(0, 2);
    add(0, 3);
    pass(0, 1, 1);
    run(kSecond);
    write();
    EXPECT_EQ(closed_[1][0].after.egress_bytes, 100u);
    EXPECT_EQ(closed_[2][0].after.egress_bytes, 7u);
    EXPECT_EQ(open(3).after.egress_bytes, 1u);
}

// In one step: what passes before workers know of the next one is billed to neither.
TEST_F(UsageMeterTest, SlotGivenOn) {
    add(0, 1);
    pass(0, 1, 100);
    file_.at(1).ended_ms = clock_.now_ms();
    meter_->take_slot(0, clock_.now_ms());
    pass(0, 1, 11);
    slots_[2] = 0;
    file_[2] = {2, clock_.now_ms(), {}, {}};
    meter_->follow(0, 2, clock_.now_ms());
    pass(0, 1, 7);
    run(kSecond);
    write();
    EXPECT_EQ(closed_[1][0].after.egress_bytes, 100u);
    EXPECT_EQ(open(2).after.egress_bytes, 7u);
}

TEST_F(UsageMeterTest, NothingIsLostWhileNothingCanBeWritten) {
    add(0, 1);
    run(kSecond);
    write();
    for (int n = 0; n < 40; ++n) {
        pass(0, 1, 100);
        run(kLength / 4);
    }
    EXPECT_LE(meter_->lives().at(1).closed.size(), 1u);
    write();
    run(kSecond);
    run(kLength);
    write();
    check_chain();
    EXPECT_EQ(closed_[1].back().after.egress_bytes, 4000u);
    EXPECT_EQ(closed_[1].back().flags & kUsageLate, kUsageLate);
}

TEST_F(UsageMeterTest, MadeBetweenABoundaryAndItsReading) {
    add(0, 1);
    run(kLength - 50);
    write();
    wall_ms_ += 60;
    monotonic_ms_ += 60;
    clock_.read(wall_ms_, monotonic_ms_);
    add(1, 2);
    read_after(0);
    write();
    EXPECT_EQ(closed_.count(2), 0u);
    EXPECT_EQ(open(2).interval_ms, kNoon + kLength);
    EXPECT_EQ(open(2).from_ms, kNoon + kLength + 10);
    check_chain();
}

// Counters and totals may pass 2^63, and even 2^64, where differences still hold.
TEST_F(UsageMeterTest, LargeNumbers) {
    add(0, 1);
    counters_[0].egress_bytes += 0xFFFF'FFFF'FFFF'FF00u;
    run(kLength);
    write();
    counters_[0].egress_bytes += 0x200u;
    run(kLength);
    write();
    EXPECT_EQ((closed_[1][0].after - closed_[1][0].before).egress_bytes, 0xFFFF'FFFF'FFFF'FF00u);
    EXPECT_EQ((closed_[1][1].after - closed_[1][1].before).egress_bytes, 0x200u);
}

// Whatever happens: records chain up, and hold what passed but for what a crash took.
TEST_F(UsageMeterTest, RandomLives) {
    std::mt19937 random(7);
    const auto roll = [&](int64_t n) {
        return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
    };
    std::map<UsageLifeId, uint64_t> passed, lost;
    std::map<uint16_t, UsageLifeId> present;
    std::map<UsageLifeId, uint64_t> unwritten;
    UsageLifeId next = 1;
    for (int step = 0; step < 20'000; ++step) {
        const auto slot = static_cast<uint16_t>(roll(4));
        switch (roll(12)) {
        case 0:
            if (!present.contains(slot))
                add(slot, present[slot] = next++);
            break;
        case 1:
            if (roll(4) == 0 && present.contains(slot)) {
                remove(slot, present[slot]);
                present.erase(slot);
            }
            break;
        case 2:
            if (roll(20) == 0)
                set_wall(roll(4 * kLength) - 2 * kLength);
            break;
        case 3:
            if (roll(20) == 0) {
                const bool stopped = roll(2) == 0;
                if (stopped) {
                    read_after(0);
                    write();
                } else {
                    for (const auto& [life, bytes] : unwritten)
                        lost[life] += bytes;
                }
                unwritten.clear();
                restart(roll(kLength), stopped);
            }
            break;
        case 4:
            read_after(0);
            write();
            unwritten.clear();
            break;
        default:
            for (const auto& [where, life] : present) {
                const auto bytes = static_cast<uint64_t>(roll(1500));
                pass(where, 1, bytes);
                passed[life] += bytes;
                unwritten[life] += bytes;
            }
            run(roll(20 * kSecond));
        }
    }
    read_after(0);
    write();
    check_chain();
    for (const auto& [life, bytes] : passed) {
        const bool gone = !file_.contains(life);
        const uint64_t billed =
            gone ? closed_.at(life).back().after.egress_bytes : open(life).after.egress_bytes;
        EXPECT_EQ(billed + lost[life], bytes) << life;
    }
    EXPECT_GT(next, 100);
}

} // namespace
} // namespace isthmus::control
