#include "sim/traffic_plan.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace isthmus::sim {
namespace {

constexpr HostIdentity kHost{{}, {}, 1, 1998, 2'000'000'000};
const Ipv4Addr kA{0x0a000001}, kB{0x0a000002};

TrafficSpec good() {
    TrafficSpec spec;
    spec.streams = {{kA, kB, 1'000'000, 4, {{64, 1}, {1400, 1}}}};
    return spec;
}

struct Refused {
    const char* field;
    const char* value;
    std::function<void(TrafficSpec&)> spoil;
};

TEST(CompileTraffic, RefusesAndNamesWhatIsWrong) {
    const Refused cases[] = {
        {"streams[0].sizes", "0 sizes", [](auto& s) { s.streams[0].sizes.clear(); }},
        {"streams[0].sizes", "17 sizes",
         [](auto& s) {
             s.streams[0].sizes.assign(17, {64, 1});
         }},
        {"streams[0].sizes[1].ip_bytes", "63",
         [](auto& s) {
             s.streams[0].sizes[1] = {63, 1};
         }},
        {"streams[0].sizes[1].ip_bytes", "1999",
         [](auto& s) {
             s.streams[0].sizes[1] = {1999, 1};
         }},
        {"streams[0].sizes[0].ip_bytes", "79",
         [](auto& s) {
             s.streams[0] = {Ipv6Addr{1, 1}, Ipv6Addr{1, 2}, 0, 1, {{79, 1}}};
         }},
        {"streams[0].sizes[0].weight", "0", [](auto& s) { s.streams[0].sizes[0].weight = 0; }},
        {"streams[0].sizes", "a sum of weights of 1001",
         [](auto& s) { s.streams[0].sizes[0].weight = 1000; }},
        {"streams[0].flows", "0", [](auto& s) { s.streams[0].flows = 0; }},
        {"streams[0].flows", "4097", [](auto& s) { s.streams[0].flows = 4097; }},
        {"streams[0].rate_bps", "999", [](auto& s) { s.streams[0].rate_bps = 999; }},
        {"streams[0].rate_bps", "400000000001",
         [](auto& s) { s.streams[0].rate_bps = 400'000'000'001; }},
        {"streams[0].destination", "fd00::1",
         [](auto& s) {
             s.streams[0].destination = Ipv6Addr{uint64_t{0xfd00} << 48, 1};
         }},
        {"streams", "65 streams", [](auto& s) { s.streams.resize(65, s.streams[0]); }},
        {"addresses", "65 addresses", [](auto& s) { s.addresses.resize(65, kA); }},
        {"vlan", "4095", [](auto& s) { s.vlan = 4095; }},
    };
    for (const auto& [field, value, spoil] : cases) {
        TrafficSpec spec = good();
        ASSERT_TRUE(compile_traffic(spec, kHost, 1));
        spoil(spec);
        const auto plan = compile_traffic(spec, kHost, 1);
        ASSERT_FALSE(plan) << field << " " << value;
        EXPECT_EQ(plan.error().code, ErrorCode::invalid);
        EXPECT_EQ(plan.error().field, field);
        EXPECT_EQ(plan.error().value, value);
        EXPECT_FALSE(plan.error().limit.empty());
    }
}

TEST(CompileTraffic, AcceptsTheLimits) {
    TrafficSpec spec = good();
    spec.vlan = 4094;
    spec.streams[0] = {Ipv6Addr{1, 1}, Ipv6Addr{1, 2}, 400'000'000'000, 4096, {{80, 1}, {1998, 1}}};
    spec.streams.resize(64, spec.streams[0]);
    EXPECT_TRUE(compile_traffic(spec, kHost, 1));
}

TEST(StreamPlan, InterleavesSizesByWeight) {
    TrafficSpec spec = good();
    spec.streams[0].rate_bps = 0;
    spec.streams[0].flows = 1;
    spec.streams[0].sizes = {{64, 7}, {576, 4}, {1400, 1}};
    auto plan = compile_traffic(spec, kHost, 1);
    ASSERT_TRUE(plan);
    std::map<uint16_t, int> count;
    int longest_run = 0, run = 0;
    uint16_t before = 0;
    for (int i = 0; i < 1200; ++i) {
        uint16_t flow = 0;
        const uint16_t bytes = (*plan)->streams[0].take(flow)->ip_bytes;
        ++count[bytes];
        run = bytes == before ? run + 1 : 1;
        longest_run = std::max(longest_run, run);
        before = bytes;
    }
    EXPECT_EQ(count[64], 700);
    EXPECT_EQ(count[576], 400);
    EXPECT_EQ(count[1400], 100);
    EXPECT_LE(longest_run, 3);
}

// The number of flows is a multiple of the number of sizes: a plain walk over both would give each
// flow one size.
TEST(StreamPlan, EveryFlowSendsEverySize) {
    TrafficSpec spec = good();
    spec.streams[0].rate_bps = 0;
    auto plan = compile_traffic(spec, kHost, 1);
    ASSERT_TRUE(plan);
    std::map<std::pair<uint16_t, uint16_t>, int> count;
    for (int i = 0; i < 800; ++i) {
        uint16_t flow = 0;
        const uint16_t bytes = (*plan)->streams[0].take(flow)->ip_bytes;
        ++count[{flow, bytes}];
    }
    ASSERT_EQ(count.size(), 8u);
    for (const auto& [what, times] : count)
        EXPECT_EQ(times, 100) << what.first << " " << what.second;
}

} // namespace
} // namespace isthmus::sim
