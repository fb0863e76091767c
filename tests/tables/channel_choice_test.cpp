#include "dataplane/channel_choice.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace isthmus::dataplane {
namespace {

constexpr std::array<bool, 4> kAllLive{true, true, true, true};

TEST(BuildBuckets, SharesEvenly) {
    for (std::size_t members = 1; members <= kMaxMembers; ++members) {
        std::array<bool, kMaxMembers> live;
        live.fill(true);
        std::array<std::size_t, kMaxMembers> count{};
        for (const uint8_t member : build_buckets({live.data(), members}))
            ++count.at(member);
        for (std::size_t m = 0; m < members; ++m)
            EXPECT_NEAR(double(count[m]), double(kChannelBuckets) / double(members), 1.0);
    }
}

TEST(BuildBuckets, NoneLive) {
    constexpr std::array<bool, 4> dead{};
    for (const uint8_t member : build_buckets(dead))
        EXPECT_EQ(member, kNoMember);
    for (const uint8_t member : build_buckets({}))
        EXPECT_EQ(member, kNoMember);
}

// From every set of live members take one away: only its buckets move, to live members, evenly;
// when it returns the table is what it was.
TEST(BuildBuckets, OnlyALostMembersBucketsMove) {
    for (unsigned set = 1; set < 16; ++set) {
        std::array<bool, 4> live{};
        for (std::size_t m = 0; m < 4; ++m)
            live[m] = (set >> m & 1) != 0;
        const BucketTable before = build_buckets(live);
        for (std::size_t lost = 0; lost < 4; ++lost) {
            if (!live[lost])
                continue;
            auto fewer = live;
            fewer[lost] = false;
            const BucketTable after = build_buckets(fewer);
            for (std::size_t bucket = 0; bucket < kChannelBuckets; ++bucket) {
                if (before[bucket] != lost)
                    EXPECT_EQ(after[bucket], before[bucket]);
                else if (after[bucket] != kNoMember)
                    EXPECT_TRUE(fewer.at(after[bucket]));
                else
                    EXPECT_EQ(set, 1u << lost);
            }
        }
    }
}

TEST(BuildBuckets, LostShareIsSpreadOverTheRest) {
    constexpr std::array<bool, 4> live{true, false, true, true};
    std::array<int, 4> count{};
    for (const uint8_t member : build_buckets(live))
        ++count.at(member);
    for (const std::size_t m : {0, 2, 3})
        EXPECT_NEAR(count[m], 1024 / 3, 35);
}

// Shares of 10,000 flows over four members, in percent, all within 2 of 25.
void expect_even(const std::function<uint32_t(uint32_t)>& hash_of_flow, const char* what) {
    const BucketTable table = build_buckets(kAllLive);
    std::array<int, 4> count{};
    for (uint32_t flow = 0; flow < 10'000; ++flow)
        ++count.at(choose_member(table, hash_of_flow(flow)));
    for (const int flows : count)
        EXPECT_NEAR(flows / 100.0, 25.0, 2.0) << what;
}

TEST(FlowHash, SpreadsWhateverVaries) {
    const Ipv4Addr a{0x0a000001}, b{0x0a010001};
    const Ipv6Addr c{0xfd00000000000000, 1}, d{0xfd00000100000000, 1};
    for (const uint32_t seed : {0u, 1u, 0x12345678u, 0xffffffffu}) {
        expect_even([&](uint32_t i) { return flow_hash(seed, a, b, 17, (1024 + i) << 16 | 443); },
                    "v4 source port");
        expect_even([&](uint32_t i) { return flow_hash(seed, a, b, 6, 443u << 16 | (1024 + i)); },
                    "v4 destination port");
        expect_even([&](uint32_t i) { return flow_hash(seed, {a.value + i}, b, 1, 0); },
                    "v4 source");
        expect_even([&](uint32_t i) { return flow_hash(seed, a, {b.value + (i << 8)}, 1, 0); },
                    "v4 destination");
        expect_even([&](uint32_t i) { return flow_hash(seed, c, d, 17, (1024 + i) << 16 | 443); },
                    "v6 source port");
        expect_even(
            [&](uint32_t i) {
                return flow_hash(seed, {c.high, c.low + i}, d, 58, 0);
            },
            "v6 source host");
        expect_even(
            [&](uint32_t i) {
                return flow_hash(seed, c, {d.high + (uint64_t{i} << 16), d.low}, 58, 0);
            },
            "v6 destination subnet");
        // Client and server numbered alike.
        expect_even(
            [&](uint32_t i) {
                return flow_hash(seed, Ipv4Addr{a.value + i}, {b.value + i}, 17, 0);
            },
            "v4 pairs");
        expect_even(
            [&](uint32_t i) {
                return flow_hash(seed, Ipv6Addr{c.high, c.low + i}, {d.high, d.low + i}, 17, 0);
            },
            "v6 pairs");
    }
}

TEST(FlowHash, EveryFieldMatters) {
    const Ipv4Addr a{1}, b{2};
    const uint32_t base = flow_hash(1, a, b, 6, 5);
    EXPECT_NE(base, flow_hash(2, a, b, 6, 5));
    EXPECT_NE(base, flow_hash(1, b, a, 6, 5));
    EXPECT_NE(base, flow_hash(1, a, b, 17, 5));
    EXPECT_NE(base, flow_hash(1, a, b, 6, 6));
    const Ipv6Addr c{1, 2}, d{3, 4};
    const uint32_t base6 = flow_hash(1, c, d, 6, 5);
    EXPECT_NE(base6, flow_hash(2, c, d, 6, 5));
    EXPECT_NE(base6, flow_hash(1, d, c, 6, 5));
    EXPECT_NE(base6, flow_hash(1, {2, 1}, d, 6, 5));
    EXPECT_NE(base6, flow_hash(1, c, {4, 3}, 6, 5));
    EXPECT_NE(base6, flow_hash(1, c, d, 17, 5));
    EXPECT_NE(base6, flow_hash(1, c, d, 6, 6));
}

// Flows that one seed sends to member 0 must be spread evenly by another: edges in a row.
TEST(FlowHash, SeedsAreIndependent) {
    const BucketTable table = build_buckets(kAllLive);
    for (const uint32_t second : {1u, 2u, 0x80000000u}) {
        std::array<int, 4> count{};
        int flows = 0;
        for (uint32_t i = 0; i < 40'000; ++i) {
            const Ipv4Addr a{0x0a000000 + i / 200}, b{0x0a010001};
            const uint32_t ports = (1024 + i % 200) << 16 | 443;
            if (choose_member(table, flow_hash(0, a, b, 17, ports)) != 0)
                continue;
            ++count.at(choose_member(table, flow_hash(second, a, b, 17, ports)));
            ++flows;
        }
        for (const int n : count)
            EXPECT_NEAR(100.0 * n / flows, 25.0, 2.0) << second;
    }
}

// One flipped input bit flips each output bit in about half of the cases.
TEST(FlowHash, Avalanche) {
    std::array<int, 32> flips{};
    int trials = 0;
    for (uint32_t i = 0; i < 500; ++i) {
        for (unsigned bit = 0; bit < 32; ++bit) {
            const Ipv4Addr a{0x0a000000 + i}, b{0xac100001};
            const uint32_t base = flow_hash(9, a, b, 17, i);
            const uint32_t diffs[] = {
                base ^ flow_hash(9, {a.value ^ 1u << bit}, b, 17, i),
                base ^ flow_hash(9, a, {b.value ^ 1u << bit}, 17, i),
                base ^ flow_hash(9, a, b, 17, i ^ 1u << bit),
            };
            for (const uint32_t diff : diffs) {
                for (unsigned out = 0; out < 32; ++out)
                    flips[out] += static_cast<int>(diff >> out & 1);
                ++trials;
            }
        }
    }
    for (const int count : flips)
        EXPECT_NEAR(double(count) / trials, 0.5, 0.02);
}

} // namespace
} // namespace isthmus::dataplane
