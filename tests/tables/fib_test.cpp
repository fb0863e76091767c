// The trie against the plainest possible table: look at every route, keep the longest that matches.

#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <random>

namespace isthmus::dataplane {
namespace {

using test::V4;
using test::V6;

template <class Addr, class Prefix>
FibValue naive_lookup(const std::vector<FibRoute<Prefix>>& routes, Addr addr) {
    FibValue value = kNoRoute;
    int longest = -1;
    for (const auto& route : routes) {
        if (route.prefix.length >= longest && contains(route.prefix, addr)) {
            longest = route.prefix.length;
            value = route.value;
        }
    }
    return value;
}

template <class Family> class FibTest : public testing::Test {
  protected:
    using Addr = typename Family::Addr;
    using Prefix = typename Family::Prefix;
    using Route = FibRoute<Prefix>;
    using Routes = std::vector<Route>;

    uint8_t random_length() { return static_cast<uint8_t>(rng_() % (Family::kBits + 1)); }

    // Half of the routes share their first bits with an earlier one, so tables nest deeply.
    // `common` is how many first bits all routes share.
    Routes random_routes(std::size_t count, uint8_t common) {
        Routes routes;
        const Addr base = Family::random(rng_);
        while (routes.size() < count) {
            Addr addr = Family::random(rng_);
            if (!routes.empty() && rng_() % 2 == 0) {
                addr = routes[rng_() % routes.size()].prefix.addr;
                addr = Family::flip(addr, static_cast<unsigned>(rng_() % Family::kBits));
            }
            addr = Family::graft(base, addr, common);
            const auto length = std::max(random_length(), common);
            // Few values, so that neighbours often have equal leaves.
            routes.push_back(
                {{masked(addr, length), length}, static_cast<FibValue>(1 + rng_() % 50)});
        }
        return routes;
    }

    // Addresses near the edges of routes, where mistakes live, and anywhere.
    Addr probe(const Routes& routes) {
        if (routes.empty() || rng_() % 8 == 0)
            return Family::random(rng_);
        const Prefix& prefix = routes[rng_() % routes.size()].prefix;
        switch (rng_() % 3) {
        case 0:
            return Family::graft(prefix.addr, Family::random(rng_), prefix.length);
        case 1:
            return prefix.addr;
        default:
            return Family::flip(prefix.addr, static_cast<unsigned>(rng_() % Family::kBits));
        }
    }

    std::mt19937_64 rng_{20240607};
};

using Families = testing::Types<V4, V6>;
TYPED_TEST_SUITE(FibTest, Families);

TYPED_TEST(FibTest, EmptyTableMatchesNothing) {
    const typename TypeParam::Table fib(typename TestFixture::Routes{});
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(fib.lookup(TypeParam::random(this->rng_)), kNoRoute);
}

TYPED_TEST(FibTest, AgreesWithALinearTable) {
    for (const std::size_t count : {1u, 2u, 10u, 100u, 1000u, 5000u}) {
        for (const uint8_t common : std::initializer_list<uint8_t>{0, 5, 24}) {
            const auto routes = this->random_routes(count, common);
            const typename TypeParam::Table fib(routes);
            const int lookups = count > 1000 ? 3000 : 12000;
            for (int i = 0; i < lookups; ++i) {
                const auto addr = this->probe(routes);
                ASSERT_EQ(fib.lookup(addr), naive_lookup(routes, addr))
                    << to_string(addr) << " in " << count << " routes";
            }
        }
    }
}

TYPED_TEST(FibTest, EveryLengthOnOnePath) {
    const auto path = TypeParam::random(this->rng_);
    typename TestFixture::Routes routes;
    for (unsigned length = 0; length <= TypeParam::kBits; ++length)
        routes.push_back(
            {{masked(path, static_cast<uint8_t>(length)), static_cast<uint8_t>(length)},
             1000 + length});
    const typename TypeParam::Table fib(routes);
    EXPECT_EQ(fib.lookup(path), 1000u + TypeParam::kBits);
    // An address that leaves the path at bit n follows the route of length n.
    for (unsigned bit = 0; bit < TypeParam::kBits; ++bit)
        EXPECT_EQ(fib.lookup(TypeParam::flip(path, bit)), 1000u + bit);
}

TYPED_TEST(FibTest, HostRouteBesideDefault) {
    const auto host = TypeParam::random(this->rng_);
    const std::vector<typename TestFixture::Route> routes{{{host, TypeParam::kBits}, 7},
                                                          {{{}, 0}, 9}};
    const typename TypeParam::Table fib(routes);
    EXPECT_EQ(fib.lookup(host), 7u);
    for (unsigned bit = 0; bit < TypeParam::kBits; ++bit)
        EXPECT_EQ(fib.lookup(TypeParam::flip(host, bit)), 9u);
}

TYPED_TEST(FibTest, TwoHalvesCoverEverything) {
    const auto upper = TypeParam::flip({}, 0);
    const std::vector<typename TestFixture::Route> routes{{{{}, 1}, 1}, {{upper, 1}, 2}};
    const typename TypeParam::Table fib(routes);
    for (int i = 0; i < 1000; ++i) {
        const auto addr = TypeParam::random(this->rng_);
        EXPECT_EQ(fib.lookup(addr), masked(addr, 1) == upper ? 2u : 1u);
    }
}

TYPED_TEST(FibTest, LaterRouteReplacesEarlier) {
    const auto addr = TypeParam::random(this->rng_);
    const typename TypeParam::Prefix prefix{masked(addr, 20), 20};
    const std::vector<typename TestFixture::Route> routes{{prefix, 1}, {{{}, 0}, 5}, {prefix, 2}};
    const typename TypeParam::Table fib(routes);
    EXPECT_EQ(fib.lookup(addr), 2u);
}

TYPED_TEST(FibTest, RouteWithoutValueIsNoRoute) {
    const auto addr = TypeParam::random(this->rng_);
    const std::vector<typename TestFixture::Route> routes{{{{}, 0}, 5},
                                                          {{masked(addr, 16), 16}, kNoRoute}};
    const typename TypeParam::Table fib(routes);
    EXPECT_EQ(fib.lookup(addr), 5u);
    EXPECT_EQ(fib.size(), 1u);
}

// More different values than there are codes, in a table that has pages.
TEST(FibPages, ValuesBeyondTheCodes) {
    FibArena arena(FibPages::ordinary);
    std::vector<FibRoute<Ipv4Prefix>> routes;
    for (uint32_t i = 0; i < 1000; ++i)
        routes.push_back({{{10u << 24 | i << 8}, 24}, kMaxFibValue - i});
    const Fib4 fib(routes, arena);
    std::vector<Ipv4Addr> addresses;
    for (const auto& route : routes)
        addresses.push_back({route.prefix.addr.value + 7});
    std::vector<FibValue> values(addresses.size());
    fib.lookup_bulk(addresses.data(), values.data(), static_cast<uint32_t>(values.size()));
    for (uint32_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(values[i], kMaxFibValue - i);
}

TEST(FibMemory, ThousandSubnetsOfAVpc) {
    std::mt19937_64 rng(1);
    std::vector<FibRoute<Ipv4Prefix>> routes;
    std::vector<FibRoute<Ipv6Prefix>> routes6;
    for (uint32_t i = 0; i < 1000; ++i) {
        const Ipv4Addr net{10u << 24 | static_cast<uint32_t>(rng() % 65536) << 8};
        routes.push_back({{net, 24}, 1 + i % 8});
        const Ipv6Addr net6{uint64_t{0xfd00} << 48 | rng() % 65536 << 16, 0};
        routes6.push_back({{net6, 48}, 1 + i % 8});
    }
    // With nothing to spare.
    FibArena arena(FibPages::ordinary, std::size_t{1} << 30, 0);
    EXPECT_LT(Fib4(routes, arena).memory_bytes(), 40u * 1024);
    EXPECT_LT(Fib6(routes6, arena).memory_bytes(), 64u * 1024);
    EXPECT_LT(Fib4(arena).memory_bytes(), 256u);
}

} // namespace
} // namespace isthmus::dataplane
