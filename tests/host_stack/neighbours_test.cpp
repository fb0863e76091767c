// What is learnt from whom, how much of it is kept, and what a change of links does to it.

#include "control/host/frames.hpp"
#include "control/host/held_packets.hpp"
#include "control/host/neighbour_table.hpp"
#include "known_frames.hpp"
#include "simulated_edge.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::control {
namespace {

const MacAddr kNewMac{{0x02, 0xaa, 0, 0, 0, 0x10}};

std::optional<Neighbour> lookup(const SimulatedEdge& edge, const IpAddr& address,
                                LinkId link = kVpc) {
    for (const Neighbour& neighbour : edge.stack.neighbours())
        if (neighbour.link == link && neighbour.address == address)
            return neighbour;
    return std::nullopt;
}

std::vector<uint8_t> arp_from(Ipv4Addr sender, MacAddr mac, Ipv4Addr target) {
    return host::arp_frame({kBroadcastMac, mac, 0}, host::ArpOperation::request, {mac, sender},
                           {{}, target});
}

TEST(Learning, RequestToUsIsLearntOthersOnlyUpdate) {
    SimulatedEdge edge;
    edge.receive(kVpc, known_frame("arp_unasked_reply"));
    edge.receive(kVpc, known_frame("arp_other"));
    edge.receive(kVpc, known_frame("arp_probe"));
    edge.receive(kVpc, known_frame("arp_conflict"));
    EXPECT_TRUE(edge.stack.neighbours().empty());
    EXPECT_FALSE(edge.stack.take_changed());

    edge.receive(kVpc, known_frame("arp_request"));
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), kHostMac);
    EXPECT_TRUE(edge.stack.take_changed());
    EXPECT_EQ(lookup(edge, kHost4)->confirmed_ns, edge.now_ns);

    edge.pass(10 * kSecond);
    edge.receive(kVpc, arp_from(kHost4, kNewMac, {0x0a00004d})); // to somebody else
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), kNewMac);
    EXPECT_TRUE(edge.stack.take_changed());
    EXPECT_EQ(lookup(edge, kHost4)->confirmed_ns, edge.now_ns);
}

TEST(Learning, TenantsDoNotMix) {
    SimulatedEdge edge;
    edge.receive(kOtherTenant, known_frame("arp_request"));
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), std::nullopt);
    EXPECT_EQ(edge.stack.resolve(kOtherTenant, kHost4), kHostMac);
}

TEST(Learning, SolicitationWithItsOption) {
    SimulatedEdge edge;
    edge.receive(kVpc, known_frame("ns_unicast")); // no option, nothing to learn
    edge.receive(kVpc, known_frame("ns_dad"));
    EXPECT_TRUE(edge.stack.neighbours().empty());
    edge.receive(kVpc, known_frame("ns"));
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost6), kHostMac);
}

// RFC 4861, 7.2.5, from each state. `probing` stands for the RFC's STALE.
TEST(Learning, AdvertisementFlags) {
    struct NeighbourRow {
        const char* in;
        bool known; // reachable before, else incomplete
        NeighbourState state;
        MacAddr mac;
        bool changed;
    };
    const NeighbourRow rows[] = {
        {"na_no_option", false, NeighbourState::incomplete, {}, false},
        {"na_solicited", false, NeighbourState::reachable, kHostMac, true},
        {"na_plain", false, NeighbourState::probing, kHostMac, true},
        {"na_solicited", true, NeighbourState::reachable, kHostMac, false},
        {"na_no_option", true, NeighbourState::reachable, kHostMac, false},
        {"na_plain", true, NeighbourState::reachable, kHostMac, false},
        {"na_other_mac", true, NeighbourState::probing, kHostMac, false},
        {"na_override", true, NeighbourState::probing, kNewMac, true},
        {"na_override_solicited", true, NeighbourState::reachable, kNewMac, true},
    };
    for (const NeighbourRow& row : rows) {
        SCOPED_TRACE(std::string(row.in) + (row.known ? " known" : " asked"));
        SimulatedEdge edge;
        if (row.known)
            edge.receive(kVpc, known_frame("ns"));
        else
            edge.receive_unresolved(known_frame("down6"), kHost6);
        (void)edge.stack.take_changed();
        edge.receive(kVpc, known_frame(row.in));
        if (row.state == NeighbourState::probing)
            edge.pass(100 * kMillisecond); // verification starts with the next tick
        ASSERT_TRUE(lookup(edge, kHost6));
        EXPECT_EQ(lookup(edge, kHost6)->state, row.state);
        EXPECT_EQ(lookup(edge, kHost6)->mac, row.mac);
        EXPECT_EQ(edge.stack.take_changed(), row.changed);
    }
}

TEST(Bounds, ScanOfALargeSubnet) {
    auto links = default_links();
    links[0].local.ipv4->length = 8;
    links[0].wanted = {kHost4};
    SimulatedEdge edge(links);
    edge.receive(kVpc, known_frame("arp_request"));
    const auto own = links[0].local.ipv4->addr;
    for (uint32_t i = 0; i < 20'000; ++i) // spoofed requests to the edge
        edge.receive(kVpc, arp_from({0x0a100000 + i}, kHostMac, own));
    EXPECT_EQ(edge.stack.neighbours().size(), host::kMaxLearntPerLink + 1);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), kHostMac) << "wanted: not displaced";
    EXPECT_EQ(edge.stack.resolve(kVpc, Ipv4Addr{0x0a100000 + 19'999}), kHostMac);

    for (uint32_t i = 0; i < 20'000; ++i) // a remote scan of addresses nobody has
        edge.receive_unresolved(known_frame("down4"), Ipv4Addr{0x0a200000 + i});
    const auto all = edge.stack.neighbours();
    EXPECT_EQ(all.size(), host::kMaxLearntPerLink + 1);
    EXPECT_EQ(std::count_if(all.begin(), all.end(),
                            [](const Neighbour& neighbour) {
                                return neighbour.state == NeighbourState::incomplete;
                            }),
              host::kMaxPendingPerLink);
    const auto& counters = edge.stack.counters();
    EXPECT_EQ(counters.held_packets_dropped, 20'000 - host::kMaxHeldPackets);

    edge.take_sent();
    edge.stack.tick(edge.now_ns + 40 * kSecond);
    EXPECT_LE(edge.sent.size(), host::kMaxAsksPerAdvance + 20) << "asks, and limited errors";
    edge.pass(90 * kSecond);
    EXPECT_EQ(edge.stack.neighbours().size(), 1) << "nobody answers";
}

TEST(Bounds, OverallShareIsPaidByTheGreedyLink) {
    std::vector<Link> links;
    for (std::size_t i = 0; i < 20; ++i) {
        links.push_back(default_links()[0]);
        links.back().id.attachment = AttachmentId{i};
        links.back().vlan = static_cast<uint16_t>(i + 1);
        links.back().local.ipv4->length = 8;
    }
    SimulatedEdge edge(links);
    for (const Link& link : links)
        for (uint32_t i = 0; i < 4200; ++i)
            edge.receive(link.id, arp_from({0x0a100000 + i}, kHostMac, link.local.ipv4->addr));
    EXPECT_EQ(edge.stack.neighbours().size(), host::kMaxLearnt);
    EXPECT_EQ(edge.stack.resolve(links.front().id, Ipv4Addr{0x0a100000 + 4199}), kHostMac);
}

TEST(Bounds, LargeConfigurationIsAskedForInPortions) {
    auto links = default_links();
    links[0].local.ipv4->length = 8;
    for (uint32_t i = 0; i < 1000; ++i)
        links[0].wanted.push_back(Ipv4Addr{0x0a100000 + i});
    SimulatedEdge edge;
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_LE(edge.take_sent().size(), host::kMaxAsksPerAdvance + 1) << "and an announcement";
    for (int i = 0; i < 4; ++i) {
        edge.pass(100 * kMillisecond);
        EXPECT_LE(edge.take_sent().size(), host::kMaxAsksPerAdvance);
    }
    EXPECT_EQ(edge.stack.counters().arp_requests_sent, 1000 + 4) << "each one once";
}

TEST(Bounds, ManyLinksAreAskedForBeforeTheyAreAnnounced) {
    constexpr std::size_t kLinks = 1000;
    std::vector<Link> links;
    for (std::size_t i = 0; i < kLinks; ++i) {
        links.push_back(default_links()[0]);
        links.back().id.attachment = AttachmentId{i};
        links.back().vlan = static_cast<uint16_t>(i + 1);
        links.back().local.ipv6.reset();
        links.back().wanted = {Ipv4Addr{links.back().local.ipv4->addr.value + 1}};
    }
    std::vector<SentFrame> sent;
    HostStack stack([&](PortId port, std::span<const uint8_t> frame) {
        sent.push_back({port, {frame.begin(), frame.end()}});
        return true;
    });
    // An announcement has the same address as sender and target (RFC 5227).
    constexpr std::size_t kSender = 18 + 14, kTarget = 18 + 24;
    const auto announces = [](const SentFrame& frame) {
        return std::equal(frame.octets.begin() + kSender, frame.octets.begin() + kSender + 4,
                          frame.octets.begin() + kTarget);
    };
    uint64_t now_ns = 1;
    stack.set_links(links, now_ns);
    std::size_t announced = 0;
    for (bool first = true; announced < kLinks; first = false) {
        const auto frames = std::exchange(sent, {});
        ASSERT_FALSE(frames.empty());
        EXPECT_LE(frames.size(), 2 * host::kMaxAsksPerAdvance);
        if (first) {
            EXPECT_FALSE(announces(frames.front()));
        }
        announced += static_cast<std::size_t>(std::ranges::count_if(frames, announces));
        stack.tick(now_ns += 100 * kMillisecond);
    }
    EXPECT_EQ(announced, kLinks) << "each one once";
}

TEST(Links, AppearingLinksAreAnnounced) {
    std::vector<SentFrame> sent;
    HostStack stack([&](PortId port, std::span<const uint8_t> frame) {
        sent.push_back({port, {frame.begin(), frame.end()}});
        return true;
    });
    auto links = default_links();
    links.resize(1);
    const PortId port{std::size_t{0}};
    const std::vector<SentFrame> announced = {{port, known_frame("arp_announce_out")},
                                              {port, known_frame("na_announce_out")}};
    stack.set_links(links, 1);
    EXPECT_EQ(std::exchange(sent, {}), announced);
    links[0].mtu = 1400;
    stack.set_links(links, 2);
    EXPECT_TRUE(sent.empty()) << "the same to its neighbours";
    links[0].local.ipv4->addr.value += 1;
    stack.set_links(links, 3);
    EXPECT_EQ(std::exchange(sent, {}).size(), 1) << "only the new address";
    stack.set_links({}, 4);
    stack.set_links(links, 5);
    EXPECT_EQ(sent.size(), 2);
}

TEST(Links, NeighboursSurviveWhatDoesNotTouchThem) {
    SimulatedEdge edge;
    edge.receive(kVpc, known_frame("arp_request"));
    edge.receive(kVpc, known_frame("ns"));
    (void)edge.stack.take_changed();
    auto links = default_links();
    links[0].mtu = 1400;
    links[0].wanted = {Ipv4Addr{0x0a00000a}};
    links.pop_back();
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), kHostMac);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost6), kHostMac);
    EXPECT_FALSE(edge.stack.take_changed());

    links[0].local.ipv4 = Ipv4Prefix{{0x0b000001}, 24}; // the host is not on this subnet
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), std::nullopt);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost6), kHostMac);
    EXPECT_TRUE(edge.stack.take_changed());

    links[0].vlan = 99; // another wire
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost6), std::nullopt);
    EXPECT_TRUE(edge.stack.take_changed());
}

TEST(Links, StaticOverLearntAndWantedAfterStatic) {
    SimulatedEdge edge;
    edge.receive(kVpc, known_frame("arp_request"));
    auto links = default_links();
    links[0].static_neighbours[kHost4] = kNewMac;
    links[0].wanted = {kHost4};
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), kNewMac);
    edge.take_sent();
    links[0].static_neighbours.clear();
    edge.stack.set_links(links, edge.now_ns);
    EXPECT_EQ(edge.stack.resolve(kVpc, kHost4), std::nullopt);
    ASSERT_EQ(edge.sent.size(), 1);
    EXPECT_EQ(edge.sent[0].octets, known_frame("arp_ask_out"));
}

TEST(Names, States) {
    EXPECT_EQ(to_string(NeighbourState::incomplete), "incomplete");
    EXPECT_EQ(to_string(NeighbourState::permanent), "permanent");
}

} // namespace
} // namespace isthmus::control
