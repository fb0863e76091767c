#pragma once
// The time of usage records: milliseconds since 1970 in UTC, as text by RFC 3339, and a clock that
// does not go back.

#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::control {

// "2026-11-28T13:05:00Z", with a fraction of a second or an offset from UTC if there is one. What
// is below a millisecond is cut off. Refused: years outside 1970..9999, leap seconds.
[[nodiscard]] Result<int64_t> parse_time(std::string_view text, const char* field);
// "2026-11-28T13:05:00.000Z"
[[nodiscard]] std::string time_text(int64_t ms);

// CLOCK_REALTIME
[[nodiscard]] int64_t wall_ms();

// Where the interval of this length that has `ms` in it begins.
[[nodiscard]] constexpr int64_t interval_start(int64_t ms, int64_t length_ms) {
    return ms - ms % length_ms;
}

// Follows the wall clock. When that is set back, this one stands still until it has caught up, so
// that no time of records comes twice; when it is set forward, this one follows at once.
class UsageClock {
  public:
    // How much the wall clock may differ from the monotonic one, between two readings, before it
    // has been set: more than a daemon that slews it does, less than would matter.
    static constexpr int64_t kStepMs = 1000;

    // Not below what records have already.
    explicit UsageClock(int64_t floor_ms = 0) : now_ms_(floor_ms) {}

    void read(int64_t wall_ms, int64_t monotonic_ms);
    // Of the last reading.
    [[nodiscard]] int64_t now_ms() const { return now_ms_; }
    // How far the wall clock is behind.
    [[nodiscard]] int64_t behind_ms() const { return now_ms_ - wall_ms_; }

    // The wall clock was set since the last call; `before_ms`: forward, and the time before it.
    struct Step {
        bool any = false;
        std::optional<int64_t> before_ms;
    };
    [[nodiscard]] Step take_step();
    [[nodiscard]] bool stepped() const { return step_.any; }

  private:
    int64_t now_ms_;
    int64_t wall_ms_ = 0;
    std::optional<int64_t> monotonic_ms_; // none: not read yet
    Step step_;
};

} // namespace isthmus::control
