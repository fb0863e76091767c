#include "control/usage_meter.hpp"

#include <algorithm>

namespace isthmus::control {
namespace {

// A boundary that is noticed later than this was not noticed in time: the record ends when it was.
constexpr int64_t kLateMs = 1000;

void add_unknown(UsageRecord& record, int64_t from_ms, int64_t to_ms) {
    if (to_ms <= from_ms)
        return;
    if (record.unknown_ms == 0)
        record.unknown_from_ms = from_ms;
    record.unknown_to_ms = to_ms;
    record.unknown_ms += to_ms - from_ms;
}

} // namespace

// Never back: with another length, the one that records are in goes on up to the next boundary.
void UsageMeter::enter_interval(int64_t now_ms) {
    interval_ms_ = std::max(interval_ms_, interval_start(now_ms, length_ms_));
}

UsageRecord UsageMeter::next_record(int64_t from_ms, const UsageTotals& before) const {
    UsageRecord record;
    record.interval_ms = interval_ms_;
    record.interval_end_ms = interval_end_ms();
    record.from_ms = record.to_ms = from_ms;
    record.before = record.after = before;
    return record;
}

void UsageMeter::restore(const SavedUsage& saved, std::optional<uint16_t> slot, const UsageEnd& end,
                         int64_t now_ms) {
    if (saved.open)
        interval_ms_ = std::max(interval_ms_, saved.open->interval_ms);
    enter_interval(now_ms);
    UsageLife life;
    life.slot = slot.value_or(0);
    const bool here = slot && !saved.ended_ms;
    // One that has no record yet, not even an open one, was made a moment before the end.
    const bool fresh = !saved.open;
    const int64_t known_to =
        fresh ? saved.began_ms : std::max(end.metered_to_ms, saved.open->from_ms);
    UsageRecord record = fresh ? next_record(here ? now_ms : saved.began_ms, {}) : *saved.open;
    if (fresh)
        record.flags |= kUsageAdded;
    if (fresh && !here) {
        record.interval_ms = interval_start(saved.began_ms, length_ms_);
        record.interval_end_ms = record.interval_ms + length_ms_;
    }
    const int64_t unknown_to = saved.ended_ms.value_or(here ? now_ms : known_to);
    if (!here) {
        record.to_ms = std::max(unknown_to, record.from_ms);
        record.flags |= kUsageRemoved;
        if (!end.stopped)
            add_unknown(record, known_to, unknown_to);
        life.ended = true;
        life.closed.push_back(record);
    } else {
        if (record.interval_ms < interval_ms_) {
            record.to_ms = known_to;
            record.flags |= end.stopped ? kUsageStopped : kUsageKilled;
            life.closed.push_back(record);
            record = next_record(now_ms, record.after);
        }
        record.interval_end_ms = interval_end_ms();
        record.to_ms = now_ms;
        record.starts += fresh ? 0 : 1;
        if (!end.stopped)
            add_unknown(record, known_to, now_ms);
        life.open = record;
        life.base = record.after;
        life.base_counters = counters_(life.slot);
        by_slot_[life.slot] = saved.life;
    }
    lives_[saved.life] = std::move(life);
}

void UsageMeter::read(UsageLife& life) {
    const UsageTotals now = life.base + (counters_(life.slot) - life.base_counters);
    if (now == life.open.after)
        return;
    life.open.after = now;
    life.dirty = true;
}

void UsageMeter::end(UsageLife& life, int64_t now_ms) {
    if (life.ended)
        return;
    read(life);
    life.open.to_ms = std::max(life.open.to_ms, now_ms);
    life.open.flags |= kUsageRemoved;
    life.closed.push_back(life.open);
    life.ended = life.dirty = true;
}

void UsageMeter::take_slot(uint16_t slot, int64_t now_ms) {
    std::erase_if(leaving_, [&](UsageLifeId id) {
        UsageLife& life = lives_.at(id);
        if (life.slot != slot)
            return false;
        end(life, life.open.to_ms);
        return true;
    });
    quiet_.erase(slot);
    if (const auto found = by_slot_.find(slot); found != by_slot_.end()) {
        end(lives_.at(found->second), now_ms);
        by_slot_.erase(found);
    } else {
        quiet_[slot] = counters_(slot);
    }
}

void UsageMeter::follow(uint16_t slot, std::optional<UsageLifeId> life, int64_t now_ms) {
    if (const auto found = by_slot_.find(slot); found != by_slot_.end()) {
        if (found->second == life)
            return;
        UsageLife& gone = lives_.at(found->second);
        gone.open.to_ms = std::max(gone.open.from_ms, now_ms);
        leaving_.push_back(found->second);
        by_slot_.erase(found);
    }
    if (!life || lives_.contains(*life))
        return;
    UsageLife next;
    next.slot = slot;
    const auto quiet = quiet_.find(slot);
    next.base_counters = quiet != quiet_.end() ? quiet->second : counters_(slot);
    quiet_.erase(slot);
    enter_interval(now_ms);
    next.open = next_record(now_ms, {});
    next.open.flags |= kUsageAdded;
    lives_[*life] = std::move(next);
    by_slot_[slot] = *life;
}

void UsageMeter::advance(UsageClock& clock) {
    const int64_t now_ms = clock.now_ms();
    const auto step = clock.take_step();
    for (const UsageLifeId id : leaving_)
        end(lives_.at(id), lives_.at(id).open.to_ms);
    leaving_.clear();
    bool all_written = true;
    for (auto& [id, life] : lives_) {
        all_written = all_written && life.closed.empty();
        if (life.ended)
            continue;
        read(life);
        if (step.any) {
            life.open.flags |= kUsageClockSet;
            life.dirty = true;
        }
    }
    read_to_ms_ = now_ms;
    if (interval_ms_ == 0)
        enter_interval(now_ms);
    else if (due(now_ms) && all_written)
        close_interval(now_ms, step);
}

// Counters have just been read, so a record ends at the boundary only if that was just now.
void UsageMeter::close_interval(int64_t now_ms, const UsageClock::Step& step) {
    const int64_t boundary = interval_start(now_ms, length_ms_);
    const bool in_time = now_ms - boundary <= kLateMs && !step.before_ms;
    const int64_t end_ms = step.before_ms ? *step.before_ms : in_time ? boundary : now_ms;
    const int64_t from_ms = in_time ? boundary : now_ms;
    const bool late = end_ms > interval_end_ms();
    interval_ms_ = boundary;
    for (auto& [id, life] : lives_) {
        if (life.ended)
            continue;
        life.dirty = true;
        // Made since, in the interval that comes.
        if (life.open.from_ms >= end_ms && life.open.from_ms >= boundary) {
            life.open.interval_ms = interval_ms_;
            life.open.interval_end_ms = interval_end_ms();
            continue;
        }
        UsageRecord record = life.open;
        record.to_ms = std::max(end_ms, record.from_ms);
        if (late)
            record.flags |= kUsageLate;
        life.open = next_record(from_ms, record.after);
        if (step.any)
            life.open.flags |= kUsageClockSet;
        life.closed.push_back(record);
    }
}

void UsageMeter::written(UsageLifeId id) {
    const auto found = lives_.find(id);
    if (found == lives_.end())
        return;
    found->second.dirty = false;
    found->second.closed.clear();
    if (found->second.ended)
        lives_.erase(found);
}

} // namespace isthmus::control
