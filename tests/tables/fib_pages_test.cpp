// Pages against the same routes in a table that has none, because its arena has nothing to spare.

#include "dataplane/fib_bulk.hpp"
#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace isthmus::dataplane {
namespace {

TEST(FibPages, MissingAgreesWithTheScalarOne) {
    std::mt19937_64 rng(4);
    for (int round = 0; round < 20'000; ++round) {
        std::array<fib::Entry, fib::kMaxBulk> values;
        for (auto& value : values)
            value =
                static_cast<fib::Entry>(rng() % 4 == 0 ? 0 : rng() >> (round % 2 == 0 ? 32 : 62));
        const auto count = static_cast<uint32_t>(rng() % (fib::kMaxBulk + 1));
        ASSERT_EQ(fib::missing(values.data(), count), fib::missing_scalar(values.data(), count));
    }
}

TEST(FibPages, SearchOfAListAgreesWithTheScalarOne) {
    std::mt19937_64 rng(3);
    for (int round = 0; round < 20'000; ++round) {
        std::array<uint16_t, 16> starts;
        for (auto& start : starts)
            start = static_cast<uint16_t>(rng() >> (round % 3 == 0 ? 61 : 48));
        const auto count = static_cast<unsigned>(rng() % 17);
        std::sort(starts.begin(), starts.begin() + count); // what follows is anything
        std::array<uint8_t, 33> octets;
        std::memcpy(octets.data() + 1, starts.data(), sizeof starts);
        for (const uint16_t key : {starts[rng() % 16], static_cast<uint16_t>(rng()), uint16_t{0},
                                   uint16_t{0x7fff}, uint16_t{0x8000}, uint16_t{0xffff}})
            ASSERT_EQ(fib::count_up_to(octets.data() + 1, count, key),
                      fib::count_up_to_scalar(octets.data() + 1, count, key));
    }
}

// Routes below 16 wide slots, from one with hardly any of them to one with half. Of IPv6, sites
// with so many that they do not fit a list.
Ipv4Prefix random_prefix(std::mt19937_64& rng, unsigned site, test::V4) {
    const Ipv4Addr any{10u << 24 | site << 20 | (static_cast<uint32_t>(rng()) & 0xf'ffff)};
    const auto length = static_cast<uint8_t>(rng() % 8 == 0   ? 6 + rng() % 18
                                             : rng() % 8 == 0 ? 25 + rng() % 8
                                                              : 24);
    return {masked(any, length), length};
}
Ipv6Prefix random_prefix(std::mt19937_64& rng, unsigned site, test::V6) {
    const Ipv6Addr any{uint64_t{0x2001'0d00} << 32 | uint64_t{site} << 34 | (rng() & 0x3'ffff'ffff),
                       rng()};
    auto length = static_cast<uint8_t>(rng() % 8 == 0 ? 20 + rng() % 80 : 48);
    if (rng() % 64 == 0)
        length = 128;
    return {masked(any, length), length};
}

// With few values or more than there are codes.
template <class Family> class FibPagesTest : public testing::Test {
  protected:
    using Addr = typename Family::Addr;
    using Prefix = typename Family::Prefix;
    using Route = FibRoute<Prefix>;

    Route random_route() {
        const auto few = static_cast<uint32_t>(rng_() % 0xffff | 1);
        const auto site = 31 - static_cast<unsigned>(std::countl_zero(few));
        return {random_prefix(rng_, site, Family{}), static_cast<FibValue>(1 + rng_() % values_)};
    }
    void apply(const std::vector<Route>& changes) {
        ASSERT_TRUE(paged_.apply(changes));
        ASSERT_TRUE(plain_.apply(changes));
        spare_.reclaim(spare_.retire_epoch());
        bare_.reclaim(bare_.retire_epoch());
    }
    void probe(const std::vector<Route>& near) {
        std::vector<Addr> addresses;
        for (int i = 0; i < 1000; ++i) {
            const Prefix prefix = near[rng_() % near.size()].prefix;
            const auto last = Family::graft(prefix.addr, Family::ones(), prefix.length);
            const std::array<Addr, 4> some{
                prefix.addr, Family::next(last), Family::previous(prefix.addr),
                Family::graft(prefix.addr, Family::random(rng_), prefix.length)};
            addresses.push_back(some[rng_() % some.size()]);
        }
        const auto count = static_cast<uint32_t>(addresses.size());
        std::vector<FibValue> values(count), expected(count);
        paged_.lookup_bulk(addresses.data(), values.data(), count);
        plain_.lookup_bulk(addresses.data(), expected.data(), count);
        for (uint32_t i = 0; i < count; ++i) {
            ASSERT_EQ(values[i], expected[i]) << to_string(addresses[i]);
            ASSERT_EQ(paged_.lookup(addresses[i]), expected[i]) << to_string(addresses[i]);
        }
    }
    void run(std::size_t size, unsigned values) {
        values_ = values;
        std::vector<Route> routes;
        while (routes.size() < size)
            routes.push_back(random_route());
        ASSERT_NO_FATAL_FAILURE(apply(routes));
        ASSERT_NO_FATAL_FAILURE(probe(routes));
        for (int round = 0; round < 400; ++round) {
            std::vector<Route> changes;
            for (std::size_t i = 0; i < (round % 8 == 0 ? 200 : 1 + rng_() % 3); ++i) {
                Route& place = routes[rng_() % routes.size()];
                if (rng_() % 3 != 0) {
                    changes.push_back({place.prefix, kNoRoute});
                    place = random_route();
                } else {
                    place.value = static_cast<FibValue>(1 + rng_() % values_);
                }
                changes.push_back(place);
            }
            ASSERT_NO_FATAL_FAILURE(apply(changes));
            ASSERT_EQ(paged_.size(), plain_.size());
            ASSERT_NO_FATAL_FAILURE(probe(changes));
            ASSERT_NO_FATAL_FAILURE(probe(routes));
        }
    }

    std::mt19937_64 rng_{11};
    unsigned values_ = 0;
    FibArena spare_{FibPages::ordinary}, bare_{FibPages::ordinary, std::size_t{1} << 30, 0};
    typename Family::Table paged_{spare_}, plain_{bare_};
};
using FibPages4Test = FibPagesTest<test::V4>;
using FibPages6Test = FibPagesTest<test::V6>;

// Of no more than 4096 routes it would be a direct table.
TEST_F(FibPages4Test, FewValues) {
    run(6000, 3);
}
TEST_F(FibPages4Test, ManyExtras) {
    run(14'000, 60);
}
TEST_F(FibPages4Test, ValuesBeyondTheCodes) {
    run(6000, 1000);
}
TEST_F(FibPages6Test, ShortLists) {
    run(300, 5);
}
TEST_F(FibPages6Test, LongLists) {
    run(3000, 5);
}
TEST_F(FibPages6Test, ListsThatAreLeftToBlocks) {
    run(12'000, 60);
}
TEST_F(FibPages6Test, ValuesBeyondTheCodes) {
    run(3000, 1000);
}

} // namespace
} // namespace isthmus::dataplane
