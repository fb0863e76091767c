// Summaries of small IPv4 tables. That such tables agree with a plain one under changes is tested
// with the other forms.

#include "dataplane/fib_summary.hpp"
#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace isthmus::dataplane {
namespace {

using fib::Form;
using fib::Summary;
using Route4 = FibRoute<Ipv4Prefix>;
using Routes4 = std::vector<Route4>;

constexpr Ipv4Addr address(unsigned a, unsigned b, unsigned c, unsigned d) {
    return {a << 24 | b << 16 | c << 8 | d};
}
constexpr Ipv4Addr kLast{~uint32_t{0}};

// What an edge has for a customer: its subnet with addresses of the edge and of neighbours, a
// channel's addresses, and what lies behind the channel.
Routes4 of_customer(uint32_t neighbours, uint32_t networks) {
    Routes4 routes{{{address(10, 1, 0, 0), 24}, 4},    {{address(10, 1, 0, 0), 32}, 7},
                   {{address(10, 1, 0, 1), 32}, 5},    {{address(10, 1, 0, 255), 32}, 7},
                   {{address(169, 254, 0, 1), 32}, 5}, {{address(169, 254, 0, 2), 32}, 2}};
    for (uint32_t i = 0; i < neighbours; ++i)
        routes.push_back({{address(10, 1, 0, 9 + 5 * i), 32}, 100 + i});
    for (uint32_t i = 0; i < networks; ++i)
        routes.push_back({{address(10, 2, i, 0), 24}, 1});
    return routes;
}

class FibSummaryTest : public testing::Test {
  protected:
    // Nothing to spare for other forms.
    FibArena arena_{FibPages::ordinary, std::size_t{1} << 30, 0};

    static Form form(const Fib4& table) { return fib::form_of(table.root().entry.load()); }
    const Summary& summary(const Fib4& table) {
        EXPECT_EQ(form(table), Form::summary);
        return *fib::summary_at(arena_.nodes().base(), table.root().entry.load());
    }
    bool asks_trie(const Summary& of, Ipv4Addr addr) {
        return fib::is_child(fib::summary_entry(arena_.nodes().base(), of, addr));
    }
    // All ways to look up say what the plainest way says, at and beside all ends of prefixes.
    void expect_agreement(const Fib4& table, const Routes4& routes) {
        std::vector<Ipv4Addr> addresses{{0}, {1}, {kLast.value - 1}, kLast};
        for (const auto& [prefix, value] : routes) {
            const Ipv4Addr last{prefix.addr.value | ~ipv4_mask(prefix.length)};
            addresses.insert(addresses.end(),
                             {prefix.addr, {prefix.addr.value - 1}, last, test::V4::next(last)});
        }
        const auto count = static_cast<uint32_t>(addresses.size());
        std::vector<FibValue> one(count), many(count);
        const std::vector<const Fib4::Root*> roots(count, &table.root());
        table.lookup_bulk(addresses.data(), one.data(), count);
        Fib4::lookup_bulk(arena_, roots.data(), addresses.data(), many.data(), count);
        for (uint32_t i = 0; i < count; ++i) {
            const FibValue expected = naive(routes, addresses[i]);
            ASSERT_EQ(table.lookup(addresses[i]), expected) << to_string(addresses[i]);
            ASSERT_EQ(one[i], expected) << to_string(addresses[i]);
            ASSERT_EQ(many[i], expected) << to_string(addresses[i]);
        }
    }
    static FibValue naive(const Routes4& routes, Ipv4Addr addr) {
        const Route4* best = nullptr;
        for (const Route4& route : routes)
            if (contains(route.prefix, addr) &&
                (best == nullptr || route.prefix.length >= best->prefix.length))
                best = &route;
        return best == nullptr ? kNoRoute : best->value;
    }
};

TEST_F(FibSummaryTest, VectorsCountWhatALoopCounts) {
    std::mt19937_64 rng(1);
    for (int round = 0; round < 20'000; ++round) {
        Summary made{};
        const uint32_t narrow = rng() % 2 == 0 ? ~uint32_t{0} : 15;
        for (uint32_t& start : made.starts)
            start = rng() % 8 == 0 ? kLast.value : static_cast<uint32_t>(rng()) & narrow;
        std::sort(made.starts.begin(), made.starts.end());
        made.trie = static_cast<fib::Entry>(rng());
        const Ipv4Addr start{made.starts[rng() % Summary::kStarts]};
        for (const Ipv4Addr addr : {start, test::V4::previous(start), test::V4::next(start),
                                    test::V4::random(rng), Ipv4Addr{0}, kLast})
            ASSERT_EQ(fib::interval(made, addr), fib::interval_scalar(made, addr));
    }
}

TEST_F(FibSummaryTest, AnswersAllOfAnOrdinaryCustomer) {
    const auto routes = of_customer(1, 16);
    const Fib4 table(routes, arena_);
    const Summary& line = summary(table);
    for (const Ipv4Addr addr : {address(10, 1, 0, 9), address(10, 1, 0, 77), address(10, 2, 3, 4),
                                address(10, 3, 0, 0), address(0, 0, 0, 0), kLast})
        EXPECT_FALSE(asks_trie(line, addr)) << to_string(addr);
    expect_agreement(table, routes);
}

TEST_F(FibSummaryTest, LeavesManyNeighboursToTheTrie) {
    auto routes = of_customer(30, 20);
    routes.push_back({{{}, 0}, 9});
    const Fib4 table(routes, arena_);
    const Summary& line = summary(table);
    EXPECT_TRUE(asks_trie(line, address(10, 1, 0, 77)));
    EXPECT_FALSE(asks_trie(line, address(10, 2, 3, 4)));
    EXPECT_FALSE(asks_trie(line, address(8, 8, 8, 8)));
    expect_agreement(table, routes);
}

TEST_F(FibSummaryTest, TableThatItWouldNotHelpHasNone) {
    Routes4 routes;
    for (uint32_t i = 0; i < 40; ++i)
        routes.push_back({{address(10, i * 5, 0, 0), 24}, 1 + i % 3});
    const Fib4 table(routes, arena_);
    EXPECT_EQ(form(table), Form::plain);
    expect_agreement(table, routes);
}

TEST_F(FibSummaryTest, BothEndsOfAllAddresses) {
    const std::vector<Routes4> tables{
        {{{{0}, 32}, 1}},
        {{{kLast, 32}, 1}},
        {{{{0}, 32}, 1}, {{kLast, 32}, 2}},
        {{{{}, 0}, 3}, {{kLast, 32}, 2}},
        {{{{}, 0}, 3}, {{{0}, 32}, 3}, {{kLast, 32}, 3}},
        {{{{}, 0}, 3}, {{{0}, 1}, 4}, {{address(128, 0, 0, 0), 1}, 5}, {{kLast, 32}, 4}},
        {{{address(255, 255, 255, 254), 31}, 1}, {{{0}, 31}, 1}},
    };
    for (const Routes4& routes : tables) {
        const Fib4 table(routes, arena_);
        EXPECT_EQ(form(table), Form::summary);
        ASSERT_NO_FATAL_FAILURE(expect_agreement(table, routes));
    }
}

TEST_F(FibSummaryTest, NeighboursOfEqualValueAreOneInterval) {
    Routes4 routes;
    for (uint32_t i = 0; i < 60; ++i)
        routes.push_back({{address(10, 0, i, 0), 24}, 1});
    routes.push_back({{address(10, 0, 7, 64), 26}, 1});
    const Fib4 table(routes, arena_);
    const auto& starts = summary(table).starts;
    EXPECT_EQ(starts[0], address(10, 0, 0, 0).value);
    EXPECT_EQ(starts[1], address(10, 0, 60, 0).value);
    EXPECT_EQ(starts[2], kLast.value);
    expect_agreement(table, routes);
}

TEST_F(FibSummaryTest, ValueWithoutCodeIsLeftToTheTrie) {
    for (uint32_t i = 0; i < FibArena::kCodes; ++i)
        (void)arena_.code_of(1000 + i);
    const Routes4 rare{{{address(10, 0, 0, 0), 8}, 7}};
    EXPECT_EQ(form(Fib4(rare, arena_)), Form::plain);
    const Routes4 both{{{address(10, 0, 0, 0), 8}, 7}, {{address(12, 0, 0, 0), 7}, 1000}};
    const Fib4 table(both, arena_);
    EXPECT_TRUE(asks_trie(summary(table), address(10, 1, 2, 3)));
    expect_agreement(table, both);
}

TEST_F(FibSummaryTest, ComesAndGoesWithTheNumberOfRoutes) {
    Routes4 routes = of_customer(1, 0);
    Fib4 table(routes, arena_);
    const auto set = [&](const Route4& route) {
        ASSERT_TRUE(table.apply({&route, 1}));
        arena_.reclaim(arena_.retire_epoch());
        ASSERT_EQ(form(table), table.size() <= fib::kSummaryUpTo ? Form::summary : Form::plain);
    };
    for (uint32_t i = 0; i < 100; ++i) {
        routes.push_back({{address(10, 2, i, 0), 24}, 1});
        ASSERT_NO_FATAL_FAILURE(set(routes.back()));
        ASSERT_NO_FATAL_FAILURE(expect_agreement(table, routes));
    }
    while (routes.size() > 1) {
        const Ipv4Prefix gone = routes.back().prefix;
        routes.pop_back();
        ASSERT_NO_FATAL_FAILURE(set({gone, kNoRoute}));
        ASSERT_NO_FATAL_FAILURE(expect_agreement(table, routes));
    }
    ASSERT_TRUE(table.erase(routes[0].prefix));
    arena_.reclaim(arena_.retire_epoch());
    EXPECT_EQ(form(table), Form::plain);
    EXPECT_EQ(table.memory_bytes(), sizeof table);
    EXPECT_EQ(arena_.used_bytes(), 0u);
}

TEST_F(FibSummaryTest, IsCountedAndFreed) {
    const auto routes = of_customer(3, 20);
    {
        Fib4 table(routes, arena_);
        EXPECT_EQ(form(table), Form::summary);
        EXPECT_EQ(table.memory_bytes(), sizeof table + arena_.used_bytes());
        const std::size_t retired = arena_.retired_pieces();
        ASSERT_TRUE(table.insert({{}, 0}, 9)); // the summary, and the block that inherits it
        EXPECT_GT(arena_.retired_pieces(), retired);
        ASSERT_TRUE(table.insert({address(10, 1, 0, 0), 24}, 9));
        std::size_t seen = 0;
        table.for_each([&](const Route4&) { ++seen; });
        EXPECT_EQ(seen, routes.size() + 1);
    }
    arena_.reclaim(arena_.retire_epoch());
    EXPECT_EQ(arena_.used_bytes(), 0u);
}

} // namespace
} // namespace isthmus::dataplane
