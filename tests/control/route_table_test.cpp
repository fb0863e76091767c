// The table of routes against a std::map under random changes, and its count of next hops.

#include "control/route_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace isthmus::control {
namespace {

uint32_t below(std::mt19937& random, uint32_t bound) {
    return static_cast<uint32_t>(random() % bound);
}

IpPrefix random_prefix(std::mt19937& random) {
    // Few different ones, so that they meet again.
    if (below(random, 3) != 0) {
        const auto length = static_cast<uint8_t>(below(random, 33));
        return Ipv4Prefix{masked(Ipv4Addr{0x0a000000u + (below(random, 64) << 8)}, length), length};
    }
    const auto length = static_cast<uint8_t>(below(random, 129));
    return Ipv6Prefix{masked(Ipv6Addr{uint64_t{0xfd} << 56, below(random, 64)}, length), length};
}

Route random_route(std::mt19937& random) {
    switch (below(random, 4)) {
    case 0:
        return {Via::channels, {}};
    case 1:
        return {Via::blackhole, {}};
    default:
        return {Via::vpc, Ipv4Addr{below(random, 8)}};
    }
}

TEST(RouteTable, IsAsAMapUnderRandomChanges) {
    std::mt19937 random(7);
    RouteTable table;
    std::map<IpPrefix, Route> expected;
    for (int step = 0; step < 20'000; ++step) {
        const IpPrefix prefix = random_prefix(random);
        const auto known = expected.find(prefix);
        const auto before = known == expected.end() ? std::nullopt : std::optional(known->second);
        ASSERT_EQ(table.find(prefix), before);
        // It grows for a while, and shrinks for a while.
        if (below(random, 8) < (step / 2000 % 2 == 0 ? 6u : 2u)) {
            const Route route = random_route(random);
            ASSERT_EQ(table.set(prefix, route), before);
            expected[prefix] = route;
        } else {
            ASSERT_EQ(table.erase(prefix), before);
            expected.erase(prefix);
        }
        ASSERT_EQ(table.size(), expected.size());
        if (step % 500 != 0)
            continue;
        const auto all = table.in_order();
        ASSERT_TRUE(std::equal(all.begin(), all.end(), expected.begin(), expected.end(),
                               [](const auto& a, const auto& b) {
                                   return a.first == b.first && a.second == b.second;
                               }));
        std::set<IpAddr> next_hops;
        for (const auto& [where, route] : expected)
            if (route.next_hop)
                next_hops.insert(*route.next_hop);
        ASSERT_EQ(table.next_hops(), std::vector<IpAddr>(next_hops.begin(), next_hops.end()));
        for (uint32_t n = 0; n < 8; ++n)
            ASSERT_EQ(table.leads_to(Ipv4Addr{n}), next_hops.contains(Ipv4Addr{n}));
    }
}

TEST(RouteTable, InsertKeepsWhatIsThere) {
    RouteTable table{{Ipv4Prefix{{0x0a000000}, 8}, {Via::blackhole, {}}}};
    EXPECT_FALSE(table.insert(Ipv4Prefix{{0x0a000000}, 8}, {Via::channels, {}}));
    EXPECT_TRUE(table.insert(Ipv4Prefix{{0x0a000000}, 9}, {Via::channels, {}}));
    EXPECT_EQ(table.at(Ipv4Prefix{{0x0a000000}, 8}).via, Via::blackhole);
    EXPECT_EQ(table.size(), 2u);
}

TEST(RouteTable, KeepsEvenWhatValidationRefuses) {
    const Route odd[] = {{Via::vpc, {}}, {Via::channels, Ipv4Addr{1}}};
    for (const Route& route : odd) {
        RouteTable table;
        table[Ipv4Prefix{}] = route;
        EXPECT_EQ(table.at(Ipv4Prefix{}), route);
    }
}

} // namespace
} // namespace isthmus::control
