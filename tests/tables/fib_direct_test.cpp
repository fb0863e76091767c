// When tables are of direct form, and what only those do. That they agree with a plain table under
// changes is tested with the other forms.

#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace isthmus::dataplane {
namespace {

using Route4 = FibRoute<Ipv4Prefix>;

std::vector<Route4> subnets(uint32_t count) {
    std::vector<Route4> routes;
    for (uint32_t i = 0; i < count; ++i)
        routes.push_back({{{10u << 24 | i << 8}, 24}, 1 + i % 9});
    return routes;
}

TEST(FibDirect, FirstComeFirstServed) {
    constexpr std::size_t kMany = 40;
    FibArena arena(FibPages::ordinary, std::size_t{1} << 30, std::size_t{1} << 20);
    const auto routes = subnets(500);
    std::vector<std::unique_ptr<Fib4>> tables;
    while (tables.size() < kMany)
        tables.push_back(std::make_unique<Fib4>(routes, arena));
    const std::size_t each = tables.front()->memory_bytes();
    EXPECT_GT(each, 128u * 1024);
    EXPECT_GE(arena.direct_bytes(), arena.direct_limit());
    EXPECT_LT(arena.direct_bytes(), arena.direct_limit() + each);
    EXPECT_LT(tables.back()->memory_bytes(), 100u * 1024);
    for (const auto& table : tables)
        for (const Route4& route : routes)
            ASSERT_EQ(table->lookup({route.prefix.addr.value + 1}), route.value);
    // A change takes the form from nobody.
    ASSERT_TRUE(tables.front()->insert({{192u << 24}, 8}, 5));
    EXPECT_GE(tables.front()->memory_bytes(), each);
    tables.clear();
    EXPECT_EQ(arena.direct_bytes(), 0u);
    EXPECT_EQ(Fib4(routes, arena).memory_bytes(), each);
}

TEST(FibDirect, GrowsOutOfItAndBack) {
    FibArena arena(FibPages::ordinary);
    Fib4 fib(arena);
    const auto routes = subnets(6000);
    for (std::size_t i = 0; i < routes.size(); ++i) {
        ASSERT_TRUE(fib.apply({&routes[i], 1}));
        ASSERT_EQ(arena.direct_bytes() != 0, i + 1 >= 8 && i + 1 <= Fib4::kDirectUpTo) << i;
        arena.reclaim(arena.retire_epoch());
    }
    for (std::size_t i = routes.size(); i-- > 0;) {
        ASSERT_TRUE(fib.erase(routes[i].prefix));
        ASSERT_EQ(arena.direct_bytes() != 0, i >= 1 && i <= Fib4::kDirectUpTo / 2) << i;
        arena.reclaim(arena.retire_epoch());
    }
    EXPECT_EQ(arena.used_bytes(), 0u);
}

// Routes to all of what the first node has a jump for, with more values than there are codes.
TEST(FibDirect, JumpsToValuesWithoutCode) {
    FibArena arena(FibPages::ordinary);
    std::vector<Route4> routes;
    for (uint32_t i = 0; i < 600; ++i)
        routes.push_back({{{i << 20}, static_cast<uint8_t>(12 + i % 2)}, kMaxFibValue - i});
    const Fib4 fib(routes, arena);
    ASSERT_GT(arena.direct_bytes(), 0u);
    std::vector<Ipv4Addr> addresses;
    for (const Route4& route : routes)
        addresses.push_back({route.prefix.addr.value + 77});
    std::vector<FibValue> values(addresses.size());
    fib.lookup_bulk(addresses.data(), values.data(), static_cast<uint32_t>(values.size()));
    for (uint32_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(values[i], kMaxFibValue - i);
}

} // namespace
} // namespace isthmus::dataplane
