// The edge at work: neighbours, ICMP, limits, live changes, full queues, and no allocation on the
// way.

#include "tests/dataplane/allocation_count.hpp"
#include "tests/dataplane/testbed.hpp"

#include <rte_mbuf.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

const Ipv4Addr kEdge4 = v4("10.1.0.1");

Bytes to_remote(std::size_t payload = 8, uint16_t port = 1) {
    return ipv4({kHost4, v4("10.2.3.4")}, udp(port, 2, ramp(payload)));
}
Bytes from_remote(std::size_t payload = 8) {
    return ipv4({v4("10.2.3.4"), kHost4}, udp(1, 2, ramp(payload)));
}
void expect_drop(Testbed& bed, Drop reason, uint64_t count = 1) {
    EXPECT_EQ(bed.drops(reason), count) << describe(reason).name;
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    seen_drop_reasons().insert(reason);
}
// ICMP type and code of the first IPv4 frame, or -1.
int icmp_of(const std::vector<Bytes>& frames) {
    for (const Bytes& frame : frames)
        if (frame.size() >= 42 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 1)
            return frame[34] << 8 | frame[35];
    return -1;
}
Bytes echo(Ipv4Addr to) {
    Bytes message = Bytes{wire::kIcmpEchoRequest, 0} + be16(0) + be16(1) + be16(2) + ramp(16);
    const Bytes sum = be16(checksum(message));
    message[2] = sum[0];
    message[3] = sum[1];
    return ipv4({kHost4, to, 64, wire::kProtoIcmp}, message);
}

TEST(Behaviour, AnswersArpAndPing) {
    Testbed bed;
    bed.send(kVpc, ethernet({kBroadcastMac, kHostMac, -1}, wire::kEtherTypeArp,
                            arp(1, kHostMac, kHost4, {}, kEdge4)));
    bed.settle();
    auto frames = bed.received(kVpc);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0], ethernet({kHostMac, kVpcMac, -1}, wire::kEtherTypeArp,
                                  arp(2, kVpcMac, kEdge4, kHostMac, kHost4)));
    for (const char* own : {"10.1.0.1", "169.254.1.1"}) {
        bed.send(kVpc, bed.host_frame(echo(v4(own))));
        bed.settle();
        EXPECT_EQ(icmp_of(bed.received(kVpc)), 0) << own;
    }
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    EXPECT_EQ(bed.accounting().originated, 3u + 6u * 2u) << "replies, and announcements of 6 links";
}

TEST(Behaviour, ResolvesNeighboursAndKeepsTheFirstPacket) {
    TestbedOptions options;
    options.neighbours = false;
    Testbed bed(std::move(options));
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    bed.settle();
    auto asked = bed.received(kVpc);
    const Bytes request = ethernet({kBroadcastMac, kVpcMac, -1}, wire::kEtherTypeArp,
                                   arp(1, kVpcMac, kEdge4, {}, kHost4));
    EXPECT_NE(std::find(asked.begin(), asked.end(), request), asked.end());
    bed.send(kVpc, ethernet({kVpcMac, kHostMac, -1}, wire::kEtherTypeArp,
                            arp(2, kHostMac, kHost4, kVpcMac, kEdge4)));
    bed.settle();
    auto frames = bed.received(kVpc);
    std::erase_if(frames,
                  [](const Bytes& frame) { return frame[12] != 0x08 || frame[13] != 0x00; });
    ASSERT_EQ(frames.size(), 1u) << "the packet that waited";
    EXPECT_EQ(Bytes(frames[0].begin(), frames[0].begin() + 6), octets(kHostMac));
    EXPECT_EQ(frames[0][22], 63) << "TTL";
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    EXPECT_EQ(bed.received(kVpc).size(), 1u) << "now straight through";
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Behaviour, PacketsWithoutNeighbourEndAsDrops) {
    TestbedOptions options;
    options.neighbours = false;
    Testbed bed(std::move(options));
    for (int n = 0; n < 3; ++n)
        bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    for (int second = 0; second < 6; ++second) {
        bed.settle();
        (void)bed.received(kVpc);
        (void)from_channels(bed);
    }
    expect_drop(bed, Drop::neighbour_unresolved, 3);
    EXPECT_EQ(bed.accounting().punted[static_cast<std::size_t>(control::PuntReason::unresolved)],
              0u);
}

TEST(Behaviour, TellsTheSenderWhy) {
    TestbedOptions options;
    options.feature_mtu = 1400;
    Testbed bed(std::move(options));
    struct Row {
        const char* what;
        Bytes packet;
        int icmp;
    };
    Ipv4Spec last_hop{kHost4, v4("10.2.3.4")};
    last_hop.ttl = 1;
    const Row rows[] = {
        {"TTL", ipv4(last_hop, udp(1, 2, {})), 11 << 8},
        {"no route", ipv4({kHost4, v4("192.0.2.1")}, udp(1, 2, {})), 3 << 8},
        {"wrong side", ipv4({kHost4, v4("10.77.0.1")}, udp(1, 2, {})), 3 << 8 | 1},
        {"too big", to_remote(1400), 3 << 8 | 4},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        bed.send(kVpc, bed.host_frame(row.packet));
        bed.settle();
        const auto frames = bed.received(kVpc);
        EXPECT_EQ(icmp_of(frames), row.icmp);
        EXPECT_TRUE(from_channels(bed).empty());
    }
    expect_drop(bed, Drop::mtu_exceeded);
    // Towards the VPC the attachment's MTU counts; the far sender hears of it through the channel.
    bed.send(kCh0, bed.protect(bed.peer_frame(ipv4({v4("10.2.3.4"), v4("192.0.2.1")}, ramp(64)))));
    bed.settle();
    EXPECT_EQ(from_channels(bed).size(), 1u);
}

TEST(Behaviour, HoldsTheCapacityLimit) {
    Testbed bed;
    control::Limit limit;
    limit.rate_bps = 1'000'000;
    ASSERT_TRUE(bed.control().set_limits(bed.attachment(), limit, limit));
    for (int n = 0; n < 64; ++n) {
        bed.send(kVpc, bed.host_frame(to_remote(1400)));
        bed.send(kCh0, bed.protect(bed.peer_frame(from_remote(1400))));
    }
    const auto counters = bed.control().attachment_counters(bed.attachment());
    EXPECT_LT(counters.egress.tx_packets, 8u);
    EXPECT_GE(counters.egress.tx_packets, 1u);
    for (const auto& way : {counters.egress, counters.ingress}) {
        EXPECT_EQ(way.rx_packets, 64u);
        EXPECT_EQ(way.tx_packets + way.meter_drop_packets, 64u);
        EXPECT_EQ(way.tx_bytes + way.meter_drop_bytes, way.rx_bytes);
    }
    expect_drop(bed, Drop::meter_egress, counters.egress.meter_drop_packets);
    expect_drop(bed, Drop::meter_ingress, counters.ingress.meter_drop_packets);
    ASSERT_TRUE(bed.control().set_limits(bed.attachment(), std::optional<control::Limit>{}, {}));
    for (int n = 0; n < 64; ++n)
        bed.send(kVpc, bed.host_frame(to_remote(1400)));
    EXPECT_EQ(bed.control().attachment_counters(bed.attachment()).egress.tx_packets,
              counters.egress.tx_packets + 64);
}

TEST(Behaviour, ChannelStatesMoveTraffic) {
    Testbed bed;
    const auto spread = [&] {
        for (uint16_t port = 0; port < 200; ++port)
            bed.send(kVpc, bed.host_frame(to_remote(8, port)));
        return std::pair{bed.received(kCh0).size(), bed.received(kCh1).size()};
    };
    const auto both = spread();
    EXPECT_GT(both.first, 60u);
    EXPECT_GT(both.second, 60u);
    ASSERT_TRUE(bed.control().set_channel_admin(kChannel0, control::AdminState::drain));
    EXPECT_EQ(spread(), std::pair(std::size_t{0}, std::size_t{200}));
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    EXPECT_EQ(bed.received(kVpc).size(), 1u) << "a draining channel still receives";
    ASSERT_TRUE(bed.control().set_channel_admin(kChannel0, control::AdminState::down));
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    expect_drop(bed, Drop::channel_admin_down);
    ASSERT_TRUE(bed.control().set_channel_admin(kChannel0, control::AdminState::up));
    bed.settle();
    (void)from_channels(bed); // the links of the channel announce themselves
    EXPECT_EQ(spread(), both) << "the same flows come back";
    EXPECT_EQ(bed.total_drops(), 1u);
}

TEST(Behaviour, NewKeysWithoutLoss) {
    Testbed bed;
    const Bytes next_sak(32, 0x42), second_peer_sak = peer_sak();
    const auto exchange = [&](uint8_t an) {
        bed.send(kVpc, bed.host_frame(to_remote()));
        const auto out = from_channels(bed);
        ASSERT_EQ(out.size(), 1u);
        EXPECT_EQ(out[0][14] & 3, an);
    };
    exchange(0);
    for (const ChannelId channel : {kChannel0, kChannel1}) {
        ASSERT_TRUE(
            bed.control().add_rx_sa(channel, peer_sci(), {1, second_peer_sak, 1, {}, true}));
        ASSERT_TRUE(bed.add_tx_sa(channel, 1, next_sak, 1));
        exchange(0);
        EXPECT_FALSE(bed.control().remove_tx_sa(channel, 0)) << "it encodes";
        ASSERT_TRUE(bed.control().set_encoding_an(channel, 1));
        ASSERT_TRUE(bed.control().remove_tx_sa(channel, 0));
    }
    exchange(1);
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote()), 1));
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote()), 0));
    EXPECT_EQ(bed.received(kVpc).size(), 2u) << "old and new receive SA both work";
    EXPECT_EQ(bed.total_drops(), 0u);
    // The first SAK has used PN 1 and up: it may only come back above them.
    const auto again = bed.add_tx_sa(kChannel0, 2, edge_sak(), 1);
    const auto other = bed.add_tx_sa(kChannel1, 2, edge_sak(), 1);
    ASSERT_TRUE(!again || !other) << "one of the channels has sent with it";
    const auto& refused = !again ? again : other;
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_EQ(refused.error().field, "next_pn");
    EXPECT_FALSE(bed.add_tx_sa(kChannel0, 3, next_sak, 1)) << "installed on AN 1";
}

TEST(Behaviour, FullQueuesAreCounted) {
    Testbed bed;
    const Bytes request = ethernet({kBroadcastMac, kHostMac, -1}, wire::kEtherTypeArp,
                                   arp(1, kHostMac, kHost4, {}, kEdge4));
    for (int n = 0; n < 1100; ++n)
        bed.send(kVpc, request);
    EXPECT_GT(bed.drops(Drop::punt_full), 0u);
    expect_drop(bed, Drop::punt_full, bed.drops(Drop::punt_full));
    for (int n = 0; n < 9000 && bed.drops(Drop::tx_full) == 0; ++n)
        bed.send(kVpc, bed.host_frame(to_remote()));
    expect_drop(bed, Drop::tx_full, 1);
    const auto counters = bed.control().attachment_counters(bed.attachment());
    EXPECT_EQ(counters.egress.tx_packets + 1, counters.egress.rx_packets) << "not counted as sent";
}

TEST(Behaviour, OddBuffersAreRefused) {
    Testbed bed;
    const Bytes frame = bed.host_frame(to_remote());
    const auto buffer = [&](uint16_t headroom) {
        rte_mbuf* packet = rte_pktmbuf_alloc(test_pool());
        packet->data_off = headroom;
        char* data = rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size()));
        std::copy(frame.begin(), frame.end(), data);
        return packet;
    };
    bed.send_raw(kVpc, buffer(0));
    bed.send_raw(kVpc, buffer(4));
    bed.run_workers();
    expect_drop(bed, Drop::no_room, 2);
    EXPECT_TRUE(from_channels(bed).empty());
}

TEST(Behaviour, PortsAndFeaturesThatAreMissing) {
    Testbed bed;
    ASSERT_TRUE(bed.control().set_port_enabled(kVpc, false));
    bed.send(kCh0, bed.protect(bed.peer_frame(from_remote())));
    expect_drop(bed, Drop::port_down);
    bed.send(kVpc, bed.host_frame(to_remote()));
    EXPECT_EQ(bed.accounting().rx, 1u) << "a port that is down is not polled";
    ASSERT_TRUE(bed.control().set_port_enabled(kVpc, true));
    bed.run_workers();
    EXPECT_EQ(from_channels(bed).size(), 1u) << "what waited in the link is taken now";
    ASSERT_TRUE(bed.control().remove_feature(bed.attachment(), kChannel0));
    ASSERT_TRUE(bed.control().remove_feature(bed.attachment(), kChannel1));
    bed.send(kVpc, bed.host_frame(to_remote()));
    expect_drop(bed, Drop::no_feature);
    ASSERT_TRUE(bed.control().remove_attachment(bed.attachment()));
    bed.send(kVpc, bed.host_frame(to_remote()));
    expect_drop(bed, Drop::no_attachment);
}

TEST(Behaviour, ForwardsWithoutAllocating) {
    Testbed bed;
    const Bytes out = bed.host_frame(to_remote(400));
    rte_mbuf* packets[64];
    uint64_t allocated = 0;
    if (!allocations_are_counted())
        GTEST_SKIP() << "AddressSanitizer's allocator is in the way; the release build counts";
    const uint64_t own = allocations();
    void* volatile block = std::malloc(1); // volatile: or the compiler drops the pair
    std::free(block);
    ASSERT_GT(allocations(), own) << "the count works";
    for (int round = 0; round < 100'000 / 64; ++round) {
        for (auto& packet : packets) {
            packet = rte_pktmbuf_alloc(test_pool());
            std::copy(out.begin(), out.end(),
                      rte_pktmbuf_append(packet, static_cast<uint16_t>(out.size())));
            bed.send_raw(kVpc, packet);
        }
        const uint64_t before = allocations();
        bed.run_workers();
        allocated += allocations() - before;
        for (const PortId port : {kCh0, kCh1})
            (void)bed.received(port);
    }
    EXPECT_EQ(allocated, 0u);
    EXPECT_EQ(bed.total_drops(), 0u);
}

} // namespace
} // namespace isthmus::test
