// Asking for next hops, and the packets that wait for them.

#include "control/host/held_packets.hpp"
#include "known_frames.hpp"
#include "simulated_edge.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

const PortId kVpcPort{std::size_t{0}};
const PortId kChannelPort{std::size_t{1}};

std::vector<SentFrame> on(PortId port, std::initializer_list<const char*> names) {
    std::vector<SentFrame> frames;
    for (const char* name : names)
        frames.push_back({port, known_frame(name)});
    return frames;
}

struct Family {
    const char* name;
    IpAddr host;
    const char* packet;
    const char* forwarded;
    const char* ask;
    const char* probe;
    const char* answer;
    const char* unreachable;
};
constexpr Family kFamilies[] = {
    {"ipv4", kHost4, "down4", "down4_out", "arp_ask_out", "arp_probe_host_out", "arp_unasked_reply",
     "down4_host_out"},
    {"ipv6", kHost6, "down6", "down6_out", "ns_ask_out", "ns_probe_out", "na_solicited",
     "down6_host_out"},
};

class Resolution : public testing::TestWithParam<Family> {
  protected:
    const Family& family() const { return GetParam(); }
    void packet() { edge_.receive_unresolved(known_frame(family().packet), family().host); }
    void answer() { edge_.receive(kVpc, known_frame(family().answer)); }
    const HostStackCounters& counters() const { return edge_.stack.counters(); }
    std::optional<NeighbourState> state() const {
        for (const Neighbour& neighbour : edge_.stack.neighbours())
            if (neighbour.link == kVpc && neighbour.address == family().host)
                return neighbour.state;
        return std::nullopt;
    }
    SimulatedEdge edge_;
};
INSTANTIATE_TEST_SUITE_P(, Resolution, testing::ValuesIn(kFamilies),
                         [](const auto& row) { return row.param.name; });

TEST_P(Resolution, AsksAtOnceAndSendsWhatWaited) {
    packet();
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask}));
    packet();
    EXPECT_TRUE(edge_.sent.empty()) << "asked already";
    EXPECT_FALSE(edge_.stack.take_changed());
    answer();
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().forwarded, family().forwarded}));
    EXPECT_EQ(counters().held_packets_sent, 2);
    EXPECT_EQ(counters().held_packets_dropped, 0);
    EXPECT_TRUE(edge_.stack.take_changed());
    EXPECT_FALSE(edge_.stack.take_changed());
    EXPECT_EQ(edge_.stack.resolve(kVpc, family().host), kHostMac);
    EXPECT_EQ(edge_.stack.resolve(kOtherTenant, family().host), std::nullopt);
    packet(); // a worker that has not seen the change yet
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().forwarded}));
}

TEST_P(Resolution, GivesUpBacksOffAndTriesAgain) {
    packet();
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask}));
    edge_.pass(2 * kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask, family().ask}));
    edge_.pass(kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kChannelPort, {family().unreachable}));
    EXPECT_EQ(counters().held_packets_dropped, 1);

    packet();
    ASSERT_EQ(edge_.sent.size(), 1) << "told at once, nothing asked";
    EXPECT_EQ(edge_.take_sent()[0].port, kChannelPort);
    EXPECT_EQ(counters().held_packets_dropped, 2);

    edge_.pass(3 * kSecond);
    EXPECT_EQ(state(), std::nullopt);
    EXPECT_TRUE(edge_.sent.empty());
    packet();
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask}));
    EXPECT_FALSE(edge_.stack.take_changed()) << "nothing that workers use";
}

TEST_P(Resolution, AnswerDuringBackOffCounts) {
    packet();
    edge_.pass(4 * kSecond);
    answer();
    EXPECT_EQ(edge_.stack.resolve(kVpc, family().host), kHostMac);
}

TEST_P(Resolution, QueueKeepsTheLatest) {
    for (std::size_t i = 0; i < host::kMaxHeldPerNextHop + 2; ++i)
        packet();
    EXPECT_EQ(counters().held_packets_dropped, 2);
    answer();
    EXPECT_EQ(counters().held_packets_sent, host::kMaxHeldPerNextHop);
}

TEST_P(Resolution, AgesProbesAndGoes) {
    packet();
    answer();
    edge_.take_sent();
    (void)edge_.stack.take_changed();
    edge_.pass(29 * kSecond);
    EXPECT_TRUE(edge_.sent.empty());
    EXPECT_EQ(state(), NeighbourState::reachable);
    edge_.pass(kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().probe}));
    EXPECT_EQ(state(), NeighbourState::probing);
    EXPECT_EQ(edge_.stack.resolve(kVpc, family().host), kHostMac);
    answer();
    EXPECT_EQ(state(), NeighbourState::reachable);
    EXPECT_FALSE(edge_.stack.take_changed()) << "same MAC as before";
    edge_.pass(32 * kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().probe, family().probe, family().probe}));
    edge_.pass(kSecond);
    EXPECT_EQ(state(), std::nullopt);
    EXPECT_TRUE(edge_.sent.empty());
    EXPECT_TRUE(edge_.stack.take_changed());
}

TEST_P(Resolution, WantedIsAskedForSlowerAndSlower) {
    auto links = default_links();
    links[0].wanted = {family().host};
    edge_.stack.set_links(links, edge_.now_ns);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask}));
    std::vector<uint64_t> asked_after;
    for (uint64_t second = 1; second <= 30; ++second) {
        edge_.pass(kSecond);
        for (const SentFrame& frame : edge_.take_sent()) {
            EXPECT_EQ(frame.octets, known_frame(family().ask));
            asked_after.push_back(second);
        }
    }
    EXPECT_EQ(asked_after, (std::vector<uint64_t>{1, 2, 3, 5, 8, 12, 17, 22, 27}));
    packet();
    EXPECT_EQ(counters().held_packets_dropped, 1) << "no waiting for who never answers";
    answer();
    edge_.take_sent();
    edge_.pass(32 * kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().probe, family().probe, family().probe}));
    (void)edge_.stack.take_changed();
    edge_.pass(kSecond);
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask})) << "kept, and asked for again";
    EXPECT_EQ(state(), NeighbourState::incomplete);
    EXPECT_TRUE(edge_.stack.take_changed());
    edge_.stack.set_links(default_links(), edge_.now_ns);
    edge_.pass(7 * kSecond);
    EXPECT_EQ(state(), std::nullopt) << "not wanted any more";
}

TEST_P(Resolution, StaticWins) {
    const MacAddr fixed{{2, 0xcc, 0, 0, 0, 1}};
    packet();
    edge_.take_sent();
    auto links = default_links();
    links[0].static_neighbours[family().host] = fixed;
    edge_.stack.set_links(links, edge_.now_ns);
    ASSERT_EQ(edge_.sent.size(), 1) << "the packet that waited";
    EXPECT_TRUE(std::equal(fixed.octets.begin(), fixed.octets.end(), edge_.sent[0].octets.begin()));
    EXPECT_EQ(state(), NeighbourState::permanent);
    EXPECT_TRUE(edge_.stack.take_changed());
    answer();
    edge_.pass(120 * kSecond);
    EXPECT_EQ(edge_.stack.resolve(kVpc, family().host), fixed);
    EXPECT_FALSE(edge_.stack.forget(kVpc, family().host));
    EXPECT_FALSE(edge_.stack.take_changed());
    edge_.stack.set_links(default_links(), edge_.now_ns);
    EXPECT_EQ(state(), std::nullopt);
    EXPECT_TRUE(edge_.stack.take_changed());
}

TEST_P(Resolution, Forget) {
    EXPECT_FALSE(edge_.stack.forget(kVpc, family().host));
    packet();
    answer();
    (void)edge_.stack.take_changed();
    EXPECT_TRUE(edge_.stack.forget(kVpc, family().host));
    EXPECT_TRUE(edge_.stack.take_changed());
    EXPECT_EQ(state(), std::nullopt);
    auto links = default_links();
    links[0].wanted = {family().host};
    edge_.stack.set_links(links, edge_.now_ns);
    answer();
    edge_.take_sent();
    EXPECT_TRUE(edge_.stack.forget(kVpc, family().host));
    EXPECT_EQ(edge_.take_sent(), on(kVpcPort, {family().ask})) << "asked for afresh";
}

TEST_P(Resolution, FullPort) {
    packet();
    edge_.port_full = true;
    answer();
    EXPECT_EQ(counters().send_failed, 1);
    EXPECT_EQ(counters().held_packets_dropped, 1);
    EXPECT_EQ(counters().held_packets_sent, 0);
}

TEST_P(Resolution, RemovedLinkReleasesItsPackets) {
    packet();
    edge_.take_sent();
    edge_.stack.set_links({}, edge_.now_ns);
    EXPECT_EQ(counters().held_packets_dropped, 1);
    EXPECT_TRUE(edge_.sent.empty());
    EXPECT_TRUE(edge_.stack.neighbours().empty());
    packet();
    EXPECT_EQ(counters().held_packets_dropped, 2);
}

TEST(Unresolved, WhatCanNotBeSentIsNotHeld) {
    SimulatedEdge edge;
    const auto dropped = [&] { return edge.stack.counters().held_packets_dropped; };
    edge.receive_unresolved(known_frame("down4"), Ipv4Addr{0xe0000001}); // a group
    edge.receive_unresolved(known_frame("down4"), Ipv4Addr{0x0a000001}); // our own
    edge.receive_unresolved(known_frame("down4"), Ipv4Addr{0x0a0000ff}); // the subnet's broadcast
    EXPECT_EQ(dropped(), 3);
    EXPECT_EQ(edge.stack.counters().icmp_errors_sent, 3);
    edge.receive_unresolved(known_frame("down4_last_hop"), kHost4);
    EXPECT_EQ(edge.stack.counters().malformed, 1);
    EXPECT_EQ(edge.stack.counters().arp_requests_sent, 3) << "announcements only";

    auto links = default_links();
    links[1].mtu = 1300; // the way from VPC to channel is too narrow for big4
    edge.stack.set_links(links, edge.now_ns);
    edge.take_sent();
    edge.receive_unresolved(known_frame("big4"), Ipv4Addr{0xa9fe0a02}, kVpc, kChannel);
    ASSERT_EQ(edge.sent.size(), 1);
    EXPECT_EQ(edge.sent[0].octets[14 + 20], 3);
    EXPECT_EQ(edge.sent[0].octets[14 + 21], 4);
    EXPECT_EQ(edge.sent[0].octets[14 + 26] << 8 | edge.sent[0].octets[14 + 27], 1300);
}

TEST(Unresolved, TotalOfHeldPacketsIsBounded) {
    SimulatedEdge edge;
    for (uint32_t host = 2; host < 102; ++host)
        for (int i = 0; i < 16; ++i)
            edge.receive_unresolved(known_frame("down4"), Ipv4Addr{0x0a000000 + host});
    EXPECT_EQ(edge.stack.counters().held_packets_dropped, 1600 - host::kMaxHeldPackets);
    edge.pass(4 * kSecond);
    EXPECT_EQ(edge.stack.counters().held_packets_dropped, 1600);
    EXPECT_EQ(edge.stack.counters().icmp_errors_sent, 20) << "limited";
    edge.pass(4 * kSecond);
    EXPECT_TRUE(edge.stack.neighbours().empty());
    for (int i = 0; i < 4; ++i) // the room is free again
        edge.receive_unresolved(known_frame("down4"), kHost4);
    EXPECT_EQ(edge.stack.counters().held_packets_dropped, 1600);
}

TEST(Unresolved, OctetsOfHeldPacketsAreBounded) {
    auto links = default_links();
    links[0].mtu = 9000;
    SimulatedEdge edge(links);
    // down4 grown to 8000 octets: length and header checksum by hand (RFC 1624).
    auto jumbo = known_frame("down4");
    jumbo.resize(18 + 8000);
    const auto put16 = [&](std::size_t at, uint32_t value) {
        jumbo[at] = static_cast<uint8_t>(value >> 8);
        jumbo[at + 1] = static_cast<uint8_t>(value);
    };
    put16(18 + 2, 8000);
    put16(18 + 10, 0);
    uint32_t sum = 0;
    for (std::size_t at = 18; at < 38; at += 2)
        sum += static_cast<uint32_t>(jumbo[at] << 8 | jumbo[at + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(18 + 10, ~sum & 0xffff);
    for (uint32_t host = 2; host < 202; ++host)
        edge.receive_unresolved(jumbo, Ipv4Addr{0x0a000000 + host});
    EXPECT_EQ(edge.stack.counters().malformed, 0);
    EXPECT_EQ(edge.stack.counters().held_packets_dropped, 200 - host::kMaxHeldOctets / 8018);
}

} // namespace
} // namespace isthmus::control
