#pragma once
// Turns the workers' counters into records: one for each attachment and interval. In memory and
// without a clock, counters or a disk of its own, so that tests run it on theirs; UsageStore writes
// what is due. Control thread.

#include "control/usage_record.hpp"
#include "control/usage_time.hpp"

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace isthmus::control {

// As the state file had it when the daemon started.
struct SavedUsage {
    UsageLifeId life = 0;
    int64_t began_ms = 0;
    std::optional<int64_t> ended_ms;
    std::optional<UsageRecord> open;
};
// How the process before ended.
struct UsageEnd {
    int64_t metered_to_ms = 0; // all that passed before is in the file; 0: nothing ever was
    bool stopped = true;       // nothing has passed since
};

struct UsageLife {
    uint16_t slot = 0; // of the counters
    UsageTotals base;  // of the life, when the counters were
    UsageTotals base_counters;
    UsageRecord open;
    std::vector<UsageRecord> closed; // not yet in the file
    bool ended = false;              // `open` is not: the last one is in `closed`
    bool dirty = true;               // not in the file as it is here
};

class UsageMeter {
  public:
    // Of a slot, summed over workers. They are of no attachment, and only grow.
    using Counters = std::function<UsageTotals(uint16_t slot)>;

    UsageMeter(int64_t length_ms, Counters counters)
        : length_ms_(length_ms), counters_(std::move(counters)) {}

    // At start, before the first packet. `slot`: none if the attachment is gone.
    void restore(const SavedUsage& saved, std::optional<uint16_t> slot, const UsageEnd& end,
                 int64_t now_ms);

    // A slot is about to get another attachment. What passes until that begins is nobody's, if one
    // leaves it in the same step.
    void take_slot(uint16_t slot, int64_t now_ms);
    // The slot's attachment is this one, and workers know; none: it has gone. What workers still
    // have in hand of the one before is counted up to the next advance().
    void follow(uint16_t slot, std::optional<UsageLifeId> life, int64_t now_ms);

    [[nodiscard]] bool meters(uint16_t slot) const { return by_slot_.contains(slot); }

    // Reads all counters, and closes the records of an interval that has passed, unless some are
    // still not in the file: then they grow longer. So what waits is bounded.
    void advance(UsageClock& clock);
    [[nodiscard]] bool due(int64_t now_ms) const { return now_ms >= interval_end_ms(); }

    // For UsageStore, which writes them by and by. What is written is told with written().
    [[nodiscard]] const std::map<UsageLifeId, UsageLife>& lives() const { return lives_; }
    void written(UsageLifeId life);
    // That far, advance() has read all counters.
    [[nodiscard]] int64_t read_to_ms() const { return read_to_ms_; }
    [[nodiscard]] int64_t interval_ms() const { return interval_ms_; }

  private:
    [[nodiscard]] int64_t interval_end_ms() const {
        return interval_start(interval_ms_, length_ms_) + length_ms_;
    }
    void enter_interval(int64_t now_ms);
    [[nodiscard]] UsageRecord next_record(int64_t from_ms, const UsageTotals& before) const;
    void read(UsageLife& life);
    void end(UsageLife& life, int64_t now_ms);
    void close_interval(int64_t now_ms, const UsageClock::Step& step);

    int64_t length_ms_;
    Counters counters_;
    std::map<UsageLifeId, UsageLife> lives_;
    std::map<uint16_t, UsageLifeId> by_slot_;
    std::map<uint16_t, UsageTotals> quiet_; // counters of slots that are taken, and by nobody yet
    std::vector<UsageLifeId> leaving_;      // workers may have packets of them in hand
    int64_t interval_ms_ = 0;               // 0: not in one yet
    int64_t read_to_ms_ = 0;
};

} // namespace isthmus::control
