#include "control/usage_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include <time.h>

namespace isthmus::control {
namespace {

constexpr int64_t kSecondMs = 1000, kMinuteMs = 60 * kSecondMs, kHourMs = 60 * kMinuteMs,
                  kDayMs = 24 * kHourMs;
constexpr const char* kTimeExpected =
    "a time of RFC 3339 from 1970 to 9999, like 2026-11-28T13:05:00Z or 2026-11-28T14:05:00+01:00";
constexpr std::size_t kMaxShown = 64;

// Takes a text apart from its front; once something did not fit, nothing does.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : left_(text) {}

    int64_t number(std::size_t digits, int64_t least, int64_t most) {
        int64_t value = 0;
        const auto text = left_.substr(0, digits);
        good_ = good_ && text.size() == digits && std::ranges::all_of(text, is_digit) &&
                std::from_chars(text.data(), text.data() + digits, value).ec == std::errc{} &&
                value >= least && value <= most;
        left_.remove_prefix(text.size());
        return value;
    }
    // One of `choices`; the one that it is, or 0.
    char one_of(std::string_view choices) {
        const char found = left_.empty() ? '\0' : left_.front();
        good_ = good_ && found != '\0' && choices.find(found) != std::string_view::npos;
        if (!left_.empty())
            left_.remove_prefix(1);
        return good_ ? found : '\0';
    }
    // ".25", if there is one, as milliseconds.
    int64_t fraction_ms() {
        if (!left_.starts_with('.'))
            return 0;
        left_.remove_prefix(1);
        int64_t ms = 0;
        std::size_t digits = 0;
        for (; digits < left_.size() && is_digit(left_[digits]); ++digits)
            if (digits < 3)
                ms = ms * 10 + (left_[digits] - '0');
        good_ = good_ && digits > 0;
        for (std::size_t n = digits; n < 3; ++n)
            ms *= 10;
        left_.remove_prefix(digits);
        return ms;
    }
    [[nodiscard]] bool ended() const { return good_ && left_.empty(); }

  private:
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }

    std::string_view left_;
    bool good_ = true;
};

std::chrono::year_month_day date_of(int64_t ms) {
    return std::chrono::sys_days{std::chrono::days{ms / kDayMs}};
}

} // namespace

Result<int64_t> parse_time(std::string_view text, const char* field) {
    const auto refused = [&] {
        const std::string shown(text.substr(0, kMaxShown));
        return Error{ErrorCode::invalid,
                     fmt::format("{} {}: expected {}", field, shown, kTimeExpected), field, shown,
                     kTimeExpected};
    };
    Scanner scanner(text);
    const auto year = static_cast<int>(scanner.number(4, 1970, 9999));
    scanner.one_of("-");
    const auto month = static_cast<unsigned>(scanner.number(2, 1, 12));
    scanner.one_of("-");
    const auto day = static_cast<unsigned>(scanner.number(2, 1, 31));
    scanner.one_of("Tt ");
    int64_t ms = scanner.number(2, 0, 23) * kHourMs;
    scanner.one_of(":");
    ms += scanner.number(2, 0, 59) * kMinuteMs;
    scanner.one_of(":");
    ms += scanner.number(2, 0, 59) * kSecondMs;
    ms += scanner.fraction_ms();
    const char zone = scanner.one_of("Zz+-");
    if (zone == '+' || zone == '-') {
        int64_t offset = scanner.number(2, 0, 23) * kHourMs;
        scanner.one_of(":");
        offset += scanner.number(2, 0, 59) * kMinuteMs;
        ms -= zone == '+' ? offset : -offset;
    }
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (!scanner.ended() || !date.ok())
        return refused();
    ms += std::chrono::sys_days(date).time_since_epoch().count() * kDayMs;
    if (ms < 0 || static_cast<int>(date_of(ms).year()) > 9999)
        return refused();
    return ms;
}

std::string time_text(int64_t ms) {
    const auto date = date_of(ms);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       ms % kDayMs / kHourMs, ms % kHourMs / kMinuteMs, ms % kMinuteMs / kSecondMs,
                       ms % kSecondMs);
}

int64_t wall_ms() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * kSecondMs + now.tv_nsec / 1'000'000;
}

void UsageClock::read(int64_t wall_ms, int64_t monotonic_ms) {
    if (monotonic_ms_) {
        const int64_t step = (wall_ms - wall_ms_) - (monotonic_ms - *monotonic_ms_);
        if (step > kStepMs || step < -kStepMs)
            step_.any = true;
        if (step > kStepMs && !step_.before_ms)
            step_.before_ms = now_ms_;
    }
    wall_ms_ = wall_ms;
    monotonic_ms_ = monotonic_ms;
    now_ms_ = std::max(now_ms_, wall_ms);
}

UsageClock::Step UsageClock::take_step() {
    return std::exchange(step_, {});
}

} // namespace isthmus::control
