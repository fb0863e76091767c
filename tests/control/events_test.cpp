#include "control/event_stream.hpp"

#include <gtest/gtest.h>

#include <set>

namespace isthmus::control {
namespace {

constexpr uint64_t kNow = 1'000'000'000;

void fill(EventLog& log, int events) {
    for (int i = 0; i < events; ++i)
        log.emit(EventKind::channel_down, "aws/ch1", "line " + std::to_string(i), "why");
}

TEST(Events, NamesDiffer) {
    std::set<std::string_view> names;
    for (const EventKindInfo& kind : kEventKinds) {
        EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
        EXPECT_FALSE(kind.help.empty());
    }
}

TEST(Events, RingKeepsTheLastOnes) {
    int told = 0;
    EventLog log([&](const Event&) { ++told; }, 4);
    EXPECT_EQ(log.first(), log.last() + 1);
    const uint64_t before = log.last();
    fill(log, 10);
    EXPECT_EQ(told, 10);
    EXPECT_EQ(log.last(), before + 10);
    EXPECT_EQ(log.first(), before + 7);
    EXPECT_EQ(log.at(log.last()).message, "line 9");
    EXPECT_EQ(log.at(log.first()).message, "line 6");
}

TEST(Events, TextsAreBounded) {
    EventLog log;
    log.emit(EventKind::port_removed, std::string(5000, 'x'), std::string(5000, 'y'));
    EXPECT_LE(log.at(log.last()).message.size(), 1024u);
}

TEST(Events, JsonOfAnEvent) {
    const Event event{7, 8, EventKind::channel_down, "aws/ch1", "m", "r", 9};
    EXPECT_EQ(event_json(event),
              R"({"sequence":7,"time_us":8,"kind":"channel_down","severity":"warning",)"
              R"("object_kind":"channel","object":"aws/ch1","message":"m","reason":"r",)"
              R"("generation":9})");
}

TEST(EventStream, BeginsNowAndGoesOn) {
    EventLog log;
    fill(log, 3);
    EventStream stream(log, std::nullopt);
    EXPECT_EQ(log.watchers, 1u);
    EXPECT_TRUE(stream.ready(kNow));
    EXPECT_TRUE(stream.next(kNow)->starts_with("retry: 1000\n"));
    EXPECT_FALSE(stream.ready(kNow));
    EXPECT_EQ(stream.next(kNow), "");
    fill(log, 1);
    EXPECT_TRUE(stream.ready(kNow));
    const std::string text = *stream.next(kNow);
    EXPECT_TRUE(text.starts_with("id: " + std::to_string(log.last()) + "\nevent: channel_down\n"));
    EXPECT_TRUE(text.ends_with("}\n\n"));
    EXPECT_TRUE(stream.ready(kNow + kHeartbeatNs));
    EXPECT_TRUE(stream.next(kNow + kHeartbeatNs)->starts_with(":"));
}

TEST(EventStream, ResumesBehindWhatWasSeen) {
    EventLog log;
    fill(log, 3);
    EventStream stream(log, log.last() - 1);
    const std::string text = *stream.next(kNow);
    EXPECT_NE(text.find("line 2"), std::string::npos);
    EXPECT_EQ(text.find("line 1"), std::string::npos);
}

TEST(EventStream, ASlowReaderIsToldAndEnded) {
    EventLog log({}, 4);
    {
        EventStream stream(log, std::nullopt);
        (void)stream.next(kNow);
        fill(log, 5);
        EXPECT_TRUE(stream.next(kNow)->starts_with("event: lagged\n"));
        EXPECT_TRUE(stream.ready(kNow));
        EXPECT_EQ(stream.next(kNow), std::nullopt);
    }
    EXPECT_EQ(log.watchers, 0u);
    EventStream future(log, log.last() + 1);
    EXPECT_NE(future.next(kNow)->find("event: lagged\n"), std::string::npos);
    EXPECT_EQ(future.next(kNow), std::nullopt);
}

} // namespace
} // namespace isthmus::control
