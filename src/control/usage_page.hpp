#pragma once
// What is asked for, and told, of records. Plain values.

#include "control/usage_record.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isthmus::control {

// A record as it is told. `life` and `interval_ms` name it, and stay when an open one is closed.
struct UsageRow {
    UsageLifeId life = 0;
    std::string name;
    UsageRecord record;
    bool open = false;
};
// Records of an edge whose intervals begin at or after `from_ms` and before `to_ms`.
struct UsageRequest {
    std::string edge;
    std::optional<std::string> name; // of one attachment, also one that is gone
    int64_t from_ms = 0, to_ms = INT64_MAX;
    int64_t after_interval_ms = INT64_MIN; // behind this record
    UsageLifeId after_life = 0;
    std::size_t limit = 0;
};
struct UsagePage {
    std::vector<UsageRow> rows; // by interval, then life
    bool more = false;
    int64_t last_interval_ms = 0; // where the next page goes on
    UsageLifeId last_life = 0;
};

} // namespace isthmus::control
