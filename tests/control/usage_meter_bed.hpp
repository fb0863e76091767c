#pragma once
// What the tests of usage records stand on: a clock, counters and a file of their own.

#include "control/usage_meter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <vector>

namespace isthmus::control {

inline constexpr int64_t kLength = 300'000;
inline constexpr int64_t kNoon = 1'795'867'200'000; // 2026-11-28T12:00:00Z
inline constexpr int64_t kSecond = 1000;

// A wall clock that the test sets, and a file that keeps what is written to it.
class UsageMeterTest : public testing::Test {
  protected:
    void SetUp() override { start(kNoon); }

    // A process that begins; counters of workers are 0 again.
    void start(int64_t wall_ms, UsageEnd end = {}) {
        counters_ = {};
        clock_ = UsageClock(end.metered_to_ms);
        meter_.emplace(kLength, [this](uint16_t slot) { return counters_.at(slot); });
        wall_ms_ = wall_ms;
        clock_.read(wall_ms_, monotonic_ms_);
        for (const auto& [id, saved] : file_)
            meter_->restore(saved, saved.ended_ms ? std::nullopt : std::optional(slots_.at(id)),
                            end, clock_.now_ms());
    }
    void restart(int64_t after_ms, bool stopped) {
        wall_ms_ += after_ms;
        start(wall_ms_, {metered_to_ms_, stopped});
    }
    // Both clocks go on, and counters are read.
    void run(int64_t ms) {
        wall_ms_ += ms;
        read_after(ms);
    }
    void set_wall(int64_t by_ms) {
        wall_ms_ += by_ms;
        read_after(0);
    }
    void read_after(int64_t ms) {
        monotonic_ms_ += ms;
        clock_.read(wall_ms_, monotonic_ms_);
        meter_->advance(clock_);
    }
    void pass(uint16_t slot, uint64_t packets, uint64_t bytes) {
        counters_.at(slot).egress_packets += packets;
        counters_.at(slot).egress_bytes += bytes;
        counters_.at(slot).ingress_bytes += 1;
    }
    void add(uint16_t slot, UsageLifeId life) {
        meter_->take_slot(slot, clock_.now_ms());
        slots_[life] = slot;
        file_[life] = {life, clock_.now_ms(), {}, {}};
        meter_->follow(slot, life, clock_.now_ms());
    }
    void remove(uint16_t slot, UsageLifeId life) {
        file_.at(life).ended_ms = clock_.now_ms();
        meter_->follow(slot, std::nullopt, clock_.now_ms());
    }
    // What UsageStore does.
    void write() {
        std::vector<UsageLifeId> all;
        for (const auto& [id, life] : meter_->lives())
            all.push_back(id);
        for (const UsageLifeId id : all) {
            const UsageLife& life = meter_->lives().at(id);
            for (const UsageRecord& record : life.closed)
                closed_[id].push_back(record);
            if (life.ended)
                file_.erase(id);
            else
                file_.at(id).open = life.open;
            meter_->written(id);
        }
        metered_to_ms_ = meter_->read_to_ms();
    }
    const UsageRecord& open(UsageLifeId life) { return meter_->lives().at(life).open; }

    // Of each life: no interval twice, no overlap, and each begins where the one before ended.
    void check_chain() {
        for (const auto& [id, records] : closed_) {
            const UsageRecord* before = nullptr;
            for (const UsageRecord& record : records) {
                EXPECT_LE(record.from_ms, record.to_ms);
                EXPECT_GE(record.from_ms, record.interval_ms);
                EXPECT_LE(record.before.egress_bytes, record.after.egress_bytes);
                if (before != nullptr) {
                    EXPECT_LT(before->interval_ms, record.interval_ms);
                    EXPECT_LE(before->to_ms, record.from_ms);
                    EXPECT_EQ(before->after, record.before);
                } else {
                    EXPECT_EQ(record.before, UsageTotals{});
                }
                before = &record;
            }
        }
    }

    std::array<UsageTotals, 4> counters_{};
    int64_t wall_ms_ = 0, monotonic_ms_ = 1;
    int64_t metered_to_ms_ = 0;
    UsageClock clock_;
    std::optional<UsageMeter> meter_;
    std::map<UsageLifeId, uint16_t> slots_;
    std::map<UsageLifeId, SavedUsage> file_;
    std::map<UsageLifeId, std::vector<UsageRecord>> closed_;
};

} // namespace isthmus::control
