#include "control/usage_time.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

TEST(UsageTime, Texts) {
    const struct {
        const char* text;
        int64_t ms;
        const char* back;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"},
        {"2026-11-28T12:00:00Z", 1'795'867'200'000, "2026-11-28T12:00:00.000Z"},
        {"2026-11-28t12:00:00z", 1'795'867'200'000, "2026-11-28T12:00:00.000Z"},
        {"2026-11-28T13:00:00+01:00", 1'795'867'200'000, "2026-11-28T12:00:00.000Z"},
        {"2026-11-28T06:30:00-05:30", 1'795'867'200'000, "2026-11-28T12:00:00.000Z"},
        {"2026-11-28T12:00:00.5Z", 1'795'867'200'500, "2026-11-28T12:00:00.500Z"},
        {"2026-11-28T12:00:00.1239999Z", 1'795'867'200'123, "2026-11-28T12:00:00.123Z"},
        {"2024-02-29T23:59:59Z", 1'709'251'199'000, "2024-02-29T23:59:59.000Z"},
        {"9999-12-31T23:59:59.999Z", 253'402'300'799'999, "9999-12-31T23:59:59.999Z"},
    };
    for (const auto& row : rows) {
        const auto ms = parse_time(row.text, "from");
        ASSERT_TRUE(ms) << row.text;
        EXPECT_EQ(*ms, row.ms) << row.text;
        EXPECT_EQ(time_text(*ms), row.back);
    }
}

TEST(UsageTime, RefusedTexts) {
    for (const char* text : {"",
                             "now",
                             "2026",
                             "2026-11-28",
                             "2026-11-28T12:00:00",
                             "2026-11-28T12:00Z",
                             "2026-13-01T00:00:00Z",
                             "2026-00-01T00:00:00Z",
                             "2026-02-29T00:00:00Z",
                             "2026-04-31T00:00:00Z",
                             "2026-11-28T24:00:00Z",
                             "2026-11-28T12:60:00Z",
                             "2026-11-28T23:59:60Z",
                             "2026-11-28T12:00:00.Z",
                             "2026-11-28T12:00:00Z ",
                             "2026-11-28T12:00:00+1:00",
                             "2026-11-28T12:00:00+24:00",
                             "1969-12-31T23:59:59Z",
                             "1970-01-01T00:00:00+00:01",
                             "9999-12-31T23:59:59-00:01",
                             "12026-11-28T12:00:00Z",
                             "+026-11-28T12:00:00Z",
                             "2026-11-28T12:00:00\xc3\xa4"}) {
        const auto refused = parse_time(text, "from");
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code, ErrorCode::invalid);
        EXPECT_EQ(refused.error().field, "from");
        EXPECT_NE(refused.error().message.find(text), std::string::npos) << text;
    }
}

TEST(UsageTime, Intervals) {
    EXPECT_EQ(interval_start(1'795'867'200'000, 300'000), 1'795'867'200'000);
    EXPECT_EQ(interval_start(1'795'867'499'999, 300'000), 1'795'867'200'000);
    EXPECT_EQ(interval_start(1'795'867'500'000, 300'000), 1'795'867'500'000);
    EXPECT_EQ(interval_start(1'795'867'500'000, 86'400'000) % 86'400'000, 0);
}

TEST(UsageTime, ClockIsNotStartledBySlewing) {
    UsageClock clock;
    clock.read(1'000'000, 5'000);
    for (int n = 1; n <= 100; ++n)
        clock.read(1'000'000 + 1001 * n, 5'000 + 1000 * n);
    EXPECT_FALSE(clock.stepped());
    EXPECT_EQ(clock.now_ms(), 1'100'100);
}

} // namespace
} // namespace isthmus::control
