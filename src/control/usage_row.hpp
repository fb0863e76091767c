#pragma once
// A record in the columns of the tables usage and usage_open. For usage_*.cpp only.

#include "control/database.hpp"
#include "control/usage_store.hpp"

namespace isthmus::control {

inline constexpr int kUsageColumns = 18;

// `column`: of the first.
[[nodiscard]] inline UsageRecord usage_record(const Query& query, int column) {
    const auto time = [&](int place) { return query.integer(column + place); };
    const auto count = [&](int place) {
        return static_cast<uint64_t>(query.integer(column + place));
    };
    UsageRecord record;
    record.interval_ms = time(0);
    record.interval_end_ms = time(2);
    record.from_ms = time(3);
    record.to_ms = time(4);
    record.before = {count(5), count(6), count(7), count(8)};
    record.after = {count(9), count(10), count(11), count(12)};
    record.starts = static_cast<uint32_t>(count(13));
    record.unknown_from_ms = time(14);
    record.unknown_to_ms = time(15);
    record.unknown_ms = time(16);
    record.flags = static_cast<uint32_t>(count(17));
    return record;
}

} // namespace isthmus::control
