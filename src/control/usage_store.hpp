#pragma once
// The rows of usage: lives of attachments, records, and how far they go. What is read here has been
// on the disk, so no crash takes it back. With state = "none" nothing is kept. Control thread.

#include "control/database.hpp"
#include "control/usage_meter.hpp"
#include "control/usage_page.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace isthmus::control {

class UsageStore {
  public:
    explicit UsageStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}

    // What lives and records are dated by. Not below what is in the file once start() was called.
    [[nodiscard]] UsageClock& clock() { return clock_; }

    // Parts of a transaction that writes or erases the attachment of a place.
    [[nodiscard]] Result<void> begin_life(uint16_t place, const std::string& edge,
                                          const std::string& name);
    [[nodiscard]] Result<void> end_life(uint16_t place);
    [[nodiscard]] Result<std::optional<UsageLifeId>> life_at(uint16_t place);

    // How the process before ended.
    [[nodiscard]] Result<UsageEnd> start();
    // This process has not ended in order, if nothing else is written. Before the first packet.
    [[nodiscard]] Result<void> note_running(const UsageEnd& before);
    struct Life {
        SavedUsage usage;
        uint16_t place = 0;
        std::string edge, name;
    };
    // All that are not wholly in closed records.
    [[nodiscard]] Result<std::vector<Life>> load();

    // Writes a part of what the meter has read, in one transaction. True: all of it is written.
    [[nodiscard]] Result<bool> write(UsageMeter& meter);
    // The last of it: nothing passes any more.
    [[nodiscard]] Result<void> stop(UsageMeter& meter);
    [[nodiscard]] bool writing() const { return round_to_ms_.has_value(); }
    // All that passed before is in the rows.
    [[nodiscard]] int64_t metered_to_ms() const { return metered_to_ms_; }

    // Removes a part of the oldest records if there are more intervals than these.
    [[nodiscard]] Result<void> purge(std::size_t intervals);

    // Ends early, with `more`, rather than look at too much. not_found: the name never was.
    [[nodiscard]] Result<UsagePage> read(const UsageRequest& request);

  private:
    [[nodiscard]] Result<void> write_life(UsageLifeId id, const UsageLife& life);
    [[nodiscard]] Result<void> load_intervals();
    [[nodiscard]] Result<std::vector<UsageRow>> read_interval(const UsageRequest& request,
                                                              int64_t interval_ms,
                                                              UsageLifeId after, std::size_t limit);

    std::shared_ptr<Database> database_;
    UsageClock clock_;
    std::set<int64_t> intervals_; // that records are of
    int64_t metered_to_ms_ = 0;
    // A round of writing: it began with all counters read up to here, and has come behind this one.
    std::optional<int64_t> round_to_ms_;
    UsageLifeId round_at_ = 0;
};

} // namespace isthmus::control
