// The tables of one attachment, changed step by step, against the same ones built at once; who wins
// for a prefix; when a place among the adjacencies may serve another next hop.

#include "control/vrf.hpp"
#include "tests/packets.hpp"

#include <gtest/gtest.h>

#include <random>

namespace isthmus::control {
namespace {

using dataplane::FibArena;
using dataplane::FibPages;
using dataplane::index_of;
using dataplane::Target;
using dataplane::target_of;
using test::v4;

const MacAddr kMac{{2, 0, 0, 0, 0, 9}};
const std::map<IpAddr, MacAddr> kNobody;

uint32_t below(std::mt19937& random, uint32_t bound) {
    return static_cast<uint32_t>(random() % bound);
}

IpPrefix ip_prefix(const char* text) {
    return parse_prefix(text).value();
}

Attachment attachment() {
    Attachment a;
    a.local.ipv4 = Ipv4Prefix{v4("10.1.0.1"), 24};
    Feature feature;
    feature.local.ipv4 = Ipv4Prefix{v4("169.254.0.1"), 30};
    feature.peer_ipv4 = v4("169.254.0.2");
    a.features[ChannelId(0)] = feature;
    return a;
}

// A VRF whose workers have seen everything as soon as it is published.
class OneVrf {
  public:
    explicit OneVrf(FibArena& arena = dataplane::process_fib_arena())
        : vrf(fixed_routes(spec, {ChannelId(0)}), spec.routes, kNobody, arena) {
        publish();
    }
    void publish() {
        published = vrf.adjacencies();
        vrf.confirm();
        if (const auto flushed = vrf.flush_hosts(spec.routes); !flushed)
            throw std::bad_alloc();
        vrf.retire_idle(spec.routes, ++token);
        vrf.reuse([this](uint64_t retired) { return retired <= seen; });
    }
    // Route `text` via the next hop, the channels (""), or no route any more.
    Result<void> set(const IpPrefix& where, const std::optional<Route>& route) {
        if (route && route->next_hop && !vrf.want(*route->next_hop))
            publish();
        FibChanges changes;
        changes.add(where, vrf.winner(where, route));
        if (auto good = vrf.apply(changes); !good)
            return good;
        const auto before = route ? spec.routes.set(where, *route) : spec.routes.erase(where);
        if (before && before->next_hop)
            vrf.leave(*before->next_hop);
        vrf.retire_idle(spec.routes, ++token);
        return {};
    }
    Target target(const char* address) const { return target_of(vrf.fib4().lookup(v4(address))); }
    IpAddr next_hop(Ipv4Addr address) const {
        return published.at(index_of(vrf.fib4().lookup(address))).next_hop;
    }

    Attachment spec = attachment();
    Vrf vrf;
    std::vector<dataplane::Adjacency> published;
    uint64_t token = 0, seen = ~uint64_t{0};
};

TEST(Vrf, TheStrongerOneWins) {
    OneVrf one;
    const char* host = "10.1.0.7";
    const IpPrefix host_route = ip_prefix("10.1.0.7/32");
    EXPECT_EQ(one.target(host), Target::connected);
    one.vrf.set_neighbour(v4(host), kMac);
    EXPECT_EQ(one.target(host), Target::connected) << "workers do not know the adjacency yet";
    one.publish();
    EXPECT_EQ(one.target(host), Target::vpc);
    ASSERT_TRUE(one.set(host_route, Route{Via::blackhole, {}}));
    EXPECT_EQ(one.target(host), Target::blackhole);
    one.vrf.set_neighbour(v4(host), std::nullopt);
    one.publish();
    EXPECT_EQ(one.target(host), Target::blackhole) << "the route stays";
    one.vrf.set_neighbour(v4(host), kMac);
    one.publish();
    ASSERT_TRUE(one.set(host_route, std::nullopt));
    EXPECT_EQ(one.target(host), Target::vpc) << "the neighbour shows again";
    one.vrf.set_neighbour(v4(host), std::nullopt);
    one.publish();
    EXPECT_EQ(one.target(host), Target::connected);

    ASSERT_TRUE(one.set(ip_prefix("10.1.0.255/32"), Route{Via::channels, {}}));
    EXPECT_EQ(one.target("10.1.0.255"), Target::channels);
    ASSERT_TRUE(one.set(ip_prefix("10.1.0.255/32"), std::nullopt));
    EXPECT_EQ(one.target("10.1.0.255"), Target::broadcast);
    for (const char* strong : {"10.1.0.1", "169.254.0.1", "169.254.0.2"}) {
        const Target before = one.target(strong);
        const Ipv4Prefix own{v4(strong), 32};
        ASSERT_TRUE(one.set(own, Route{Via::blackhole, {}}));
        EXPECT_EQ(one.target(strong), before) << strong;
        ASSERT_TRUE(one.set(own, std::nullopt));
        EXPECT_EQ(one.target(strong), before) << strong;
    }
}

TEST(Vrf, ChangesLeadWhereABuildAtOnceDoes) {
    std::mt19937 random(3);
    OneVrf one;
    std::map<IpAddr, MacAddr> neighbours;
    for (int step = 0; step < 3000; ++step) {
        const auto host = Ipv4Addr{v4("10.1.0.0").value + 2 + below(random, 12)};
        switch (below(random, 4)) {
        case 0:
            neighbours[host] = kMac;
            one.vrf.set_neighbour(host, kMac);
            break;
        case 1:
            neighbours.erase(host);
            one.vrf.set_neighbour(host, std::nullopt);
            break;
        default: {
            const auto length = static_cast<uint8_t>(20 + below(random, 13));
            const Ipv4Prefix where{
                masked(Ipv4Addr{v4("10.1.0.0").value + below(random, 512)}, length), length};
            std::optional<Route> route;
            if (below(random, 3) != 0)
                route = below(random, 2) != 0 ? Route{Via::vpc, host} : Route{Via::channels, {}};
            ASSERT_TRUE(one.set(where, route));
        }
        }
        if (step % 50 != 0)
            continue;
        one.publish();
        Vrf fresh(fixed_routes(one.spec, {ChannelId(0)}), one.spec.routes, neighbours);
        const auto adjacencies = fresh.adjacencies();
        for (uint32_t n = 0; n < 512; ++n) {
            const Ipv4Addr address{v4("10.1.0.0").value + n};
            const auto expected = fresh.fib4().lookup(address);
            ASSERT_EQ(target_of(one.vrf.fib4().lookup(address)), target_of(expected));
            if (target_of(expected) != Target::vpc)
                continue;
            const auto& wanted = adjacencies.at(index_of(expected));
            const auto& got = one.published.at(index_of(one.vrf.fib4().lookup(address)));
            ASSERT_EQ(got.next_hop, wanted.next_hop);
            ASSERT_EQ(got.hop.resolved, wanted.hop.resolved);
        }
        ASSERT_EQ(one.vrf.fib4().size(), fresh.fib4().size());
        ASSERT_LE(one.published.size(), 16u) << "places serve again";
    }
}

TEST(Vrf, APlaceServesAgainOnlyAfterItsGracePeriod) {
    OneVrf one;
    ASSERT_TRUE(one.set(ip_prefix("10.3.0.0/16"), Route{Via::vpc, v4("10.1.0.9")}));
    const auto first = index_of(one.vrf.fib4().lookup(v4("10.3.0.1")));
    one.seen = one.token; // from now on workers are slow
    ASSERT_TRUE(one.set(ip_prefix("10.3.0.0/16"), std::nullopt));
    one.publish();
    ASSERT_TRUE(one.set(ip_prefix("10.4.0.0/16"), Route{Via::vpc, v4("10.1.0.10")}));
    EXPECT_NE(index_of(one.vrf.fib4().lookup(v4("10.4.0.1"))), first);
    one.seen = one.token;
    one.publish();
    ASSERT_TRUE(one.set(ip_prefix("10.5.0.0/16"), Route{Via::vpc, v4("10.1.0.11")}));
    EXPECT_EQ(index_of(one.vrf.fib4().lookup(v4("10.5.0.1"))), first);
    EXPECT_EQ(one.next_hop(v4("10.5.0.1")), IpAddr{v4("10.1.0.11")});
}

TEST(Vrf, WithoutRoomNothingChanges) {
    FibArena arena(FibPages::ordinary, std::size_t{36} << 20, 0);
    OneVrf one(arena);
    ASSERT_TRUE(one.set(ip_prefix("10.3.0.0/16"), Route{Via::channels, {}}));
    FibChanges changes;
    for (uint32_t n = 0; n < 2000; ++n)
        changes.add(Ipv4Prefix{{0x14000000 + (n << 8)}, 24}, 1u << 28);
    ASSERT_TRUE(one.vrf.apply(changes)) << "one family alone has room";
    const auto size = one.vrf.fib4().size();
    changes.add(ip_prefix("10.3.0.0/16"), 0);
    changes.add(ip_prefix("fd00::/16"), 1u << 28);
    EXPECT_FALSE(one.vrf.apply(changes)) << "both at once have not";
    EXPECT_EQ(one.vrf.fib4().size(), size);
    EXPECT_EQ(one.vrf.fib6().size(), 0u);
    EXPECT_EQ(one.target("10.3.0.1"), Target::channels);
}

} // namespace
} // namespace isthmus::control
