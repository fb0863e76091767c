#include "sim_fixture.hpp"

#include <atomic>
#include <poll.h>
#include <set>
#include <thread>

namespace isthmus::sim {
namespace {

class GeneratorTest : public SimTest {};

// The sum of correct octets including their checksum is all ones, and its complement zero.
bool sums_up(uint64_t sum, const uint8_t* octets, std::size_t length) {
    return wire::checksum_finish(wire::checksum_add(sum, octets, length)) == 0;
}

const Mark* check_udp(const uint8_t* octets, std::size_t length, uint64_t pseudo_sum) {
    const auto* udp = wire::overlay<Udp>(octets);
    EXPECT_EQ(udp->length.host(), length);
    EXPECT_EQ(udp->destination.host(), kMarkPort);
    EXPECT_NE(udp->checksum.raw(), 0);
    EXPECT_TRUE(sums_up(pseudo_sum, octets, length));
    return wire::overlay<Mark>(octets + sizeof(Udp));
}

TEST_F(GeneratorTest, Ipv4FramesAreWellFormed) {
    for (const uint16_t vlan : Values{0, 1234}) {
        for (const uint16_t bytes : Values{64, 65, 577, 1500, 1982}) {
            GeneratorPort port(pool_, kEdgeMac, 5, clock());
            TrafficSpec spec = spec4(bytes, 0xabcd);
            spec.vlan = vlan;
            ASSERT_TRUE(port.set_traffic(spec));
            const auto packets = take(port);
            ASSERT_EQ(packets.size(), 32u);
            std::set<uint16_t> ports;
            uint64_t sequence = 0;
            for (rte_mbuf* packet : packets) {
                const uint8_t* at = octets(packet);
                const auto* ethernet = wire::overlay<wire::Ethernet>(at);
                EXPECT_EQ(ethernet->destination, kEdgeMac);
                EXPECT_EQ(ethernet->source, port.host_mac());
                at += sizeof *ethernet;
                uint16_t ether_type = ethernet->ether_type.host();
                if (vlan != 0) {
                    EXPECT_EQ(ether_type, wire::kEtherTypeVlan);
                    EXPECT_EQ(wire::overlay<wire::Vlan>(at)->tci.host(), vlan);
                    ether_type = wire::overlay<wire::Vlan>(at)->ether_type.host();
                    at += sizeof(wire::Vlan);
                }
                EXPECT_EQ(ether_type, wire::kEtherTypeIpv4);
                const auto* ip = wire::overlay<wire::Ipv4>(at);
                EXPECT_EQ(ip->version_ihl, 0x45);
                EXPECT_EQ(ip->total_length.host(), bytes);
                EXPECT_EQ(ip->protocol, wire::kProtoUdp);
                EXPECT_EQ(ip->source.host(), kHost4.value);
                EXPECT_EQ(ip->destination.host(), 0x0a010002u);
                EXPECT_TRUE(sums_up(0, at, 20));
                EXPECT_EQ(packet->pkt_len, static_cast<unsigned>(at - octets(packet)) + bytes);
                EXPECT_EQ(packet->data_len, packet->pkt_len);
                const uint16_t udp_bytes = static_cast<uint16_t>(bytes - 20);
                const auto* mark = check_udp(
                    at + 20, udp_bytes, pseudo_header_sum(at + 12, 8, wire::kProtoUdp, udp_bytes));
                EXPECT_EQ(mark->magic.host(), kMarkMagic);
                EXPECT_EQ(mark->tag.host(), 0xabcdu);
                EXPECT_EQ(mark->sender.host(), 5u);
                EXPECT_EQ(mark->sequence.host(), ++sequence);
                ports.insert(wire::overlay<Udp>(at + 20)->source.host());
            }
            EXPECT_EQ(ports.size(), 8u);
            drop(packets);
        }
    }
}

TEST_F(GeneratorTest, Ipv6FramesAreWellFormed) {
    for (const uint16_t bytes : Values{80, 81, 1500, 1982}) {
        GeneratorPort port(pool_, kEdgeMac, 5, clock());
        ASSERT_TRUE(port.set_traffic(spec6(bytes)));
        const auto packets = take(port);
        ASSERT_EQ(packets.size(), 32u);
        for (rte_mbuf* packet : packets) {
            const uint8_t* at = octets(packet) + sizeof(wire::Ethernet);
            const auto* ip = wire::overlay<wire::Ipv6>(at);
            EXPECT_EQ(ip->version_class_flow.host() >> 28, 6u);
            EXPECT_EQ(ip->next_header, wire::kProtoUdp);
            EXPECT_EQ(ip->payload_length.host(), bytes - 40);
            EXPECT_EQ(ip->source.host(), kHost6);
            EXPECT_EQ(packet->pkt_len, 14u + bytes);
            const auto udp_bytes = static_cast<uint16_t>(bytes - 40);
            (void)check_udp(at + 40, udp_bytes,
                            pseudo_header_sum(at + 8, 32, wire::kProtoUdp, udp_bytes));
        }
        drop(packets);
    }
}

TEST_F(GeneratorTest, KeepsItsRate) {
    for (const uint64_t rate : {1'000'000ull, 1'000'000'000ull, 40'000'000'000ull}) {
        GeneratorPort port(pool_, kEdgeMac, 1, clock());
        TrafficSpec spec = spec4(64);
        spec.streams[0].rate_bps = rate;
        spec.streams[0].sizes = {{64, 3}, {1400, 2}};
        ASSERT_TRUE(port.set_traffic(spec));
        drop(take(port)); // takes up the plan; its time begins
        const uint64_t span = rate < 1'000'000'000 ? kTestHz * 4 : kTestHz / 200;
        const uint64_t step = rate < 1'000'000'000 ? 500'000 : 1017;
        const uint64_t end = g_test_tsc + span;
        while (g_test_tsc < end) {
            g_test_tsc += step;
            drop(take(port, 64));
        }
        const double expected = double(rate) / 8 * double(span) / double(kTestHz);
        EXPECT_NEAR(double(port.report().sent_bytes) / expected, 1.0, 0.005) << rate;
    }
}

TEST_F(GeneratorTest, StreamsShareTheBurst) {
    GeneratorPort port(pool_, kEdgeMac, 1, clock());
    TrafficSpec spec = spec4(100);
    spec.streams.resize(3, spec.streams[0]);
    ASSERT_TRUE(port.set_traffic(spec));
    std::array<int, 3> count{};
    for (int i = 0; i < 30; ++i) {
        const auto packets = take(port, 10);
        for (rte_mbuf* packet : packets)
            ++count.at(wire::overlay<Mark>(octets(packet) + 42)->flow.host() >> 12 & 63);
        drop(packets);
    }
    EXPECT_EQ(count, (std::array<int, 3>{100, 100, 100}));
}

TEST_F(GeneratorTest, PauseMakesNoStorm) {
    GeneratorPort port(pool_, kEdgeMac, 1, clock());
    TrafficSpec spec = spec4(1000);
    spec.streams[0].rate_bps = 800'000'000; // 2000 packets in 20 ms
    ASSERT_TRUE(port.set_traffic(spec));
    drop(take(port));
    g_test_tsc += 10 * kTestHz;
    std::size_t packets = 0;
    for (int i = 0; i < 100; ++i) {
        const auto burst = take(port, 64);
        packets += burst.size();
        drop(burst);
    }
    EXPECT_NEAR(double(packets), 2000.0, 20.0);
}

TEST_F(GeneratorTest, EmptyPoolIsSurvived) {
    GeneratorPort port(pool_, kEdgeMac, 1, clock());
    ASSERT_TRUE(port.set_traffic(spec4(100)));
    std::vector<rte_mbuf*> held;
    for (auto burst = take(port, 64); !burst.empty(); burst = take(port, 64))
        held.insert(held.end(), burst.begin(), burst.end());
    EXPECT_GT(held.size(), 1800u);
    drop(held);
    const auto again = take(port);
    EXPECT_EQ(again.size(), 32u);
    drop(again);
}

TEST_F(GeneratorTest, BadTrafficChangesNothing) {
    GeneratorPort port(pool_, kEdgeMac, 1, clock());
    ASSERT_TRUE(port.set_traffic(spec4(100)));
    const auto refused = port.set_traffic(spec4(2000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "streams[0].sizes[0].ip_bytes: 2000 is not allowed, expected 64..1982 (an IPv4 "
              "packet in one packet buffer)");
    EXPECT_EQ(port.report().spec.streams[0].sizes[0].ip_bytes, 100);
    const auto packets = take(port);
    EXPECT_EQ(packets.size(), 32u);
    drop(packets);
}

TEST_F(GeneratorTest, EmptySpecAndStopEndTheTraffic) {
    GeneratorPort port(pool_, kEdgeMac, 1, clock());
    EXPECT_TRUE(take(port).empty());
    ASSERT_TRUE(port.set_traffic(spec4(100)));
    drop(take(port));
    ASSERT_TRUE(port.set_traffic({.tag = 7, .vlan = 0, .addresses = {}, .streams = {}}));
    EXPECT_TRUE(take(port).empty());
    EXPECT_EQ(port.report().sent_packets, 32u);
    ASSERT_TRUE(port.set_traffic(spec4(100)));
    auto under_way = take(port);
    EXPECT_EQ(under_way.size(), 32u);
    port.stop();
    EXPECT_TRUE(take(port).empty());
    give(port, under_way);
    EXPECT_EQ(port.report().received_packets, 32u);
}

TEST_F(GeneratorTest, SequenceGoesOnAfterAChange) {
    GeneratorPort a(pool_, kEdgeMac, 1, clock()), b(pool_, kEdgeMac, 2, clock());
    for (const uint16_t bytes : Values{100, 200, 300}) {
        ASSERT_TRUE(a.set_traffic(spec4(bytes)));
        ASSERT_TRUE(b.set_traffic(spec6(bytes)));
        give(b, take(a));
    }
    EXPECT_EQ(b.report().received_packets, 96u);
    EXPECT_EQ(b.report().reordered_packets, 0u);
}

// The worker polls without pause while the control thread changes the traffic; sanitizers watch.
TEST_F(GeneratorTest, TrafficChangesWhileRunning) {
    GeneratorPort port(pool_, kEdgeMac, 1);
    std::atomic<bool> done{false};
    std::thread worker([&] {
        while (!done.load(std::memory_order_relaxed)) {
            auto packets = take(port);
            give(port, std::move(packets));
        }
    });
    for (int i = 0; i < 2000; ++i) {
        const auto bytes = static_cast<uint16_t>(100 + i % 1000);
        ASSERT_TRUE(port.set_traffic(i % 2 == 0 ? spec4(bytes) : spec6(bytes)));
        (void)port.report();
    }
    // On a busy machine the worker may not have had its turn yet.
    while (port.report().received_packets == 0)
        std::this_thread::yield();
    done = true;
    worker.join();
    const TrafficReport report = port.report();
    EXPECT_EQ(report.received_packets, report.sent_packets);
    EXPECT_EQ(report.received_bytes, report.sent_bytes);
    EXPECT_EQ(report.corrupt_packets + report.foreign_packets + report.reordered_packets, 0u);
}

bool readable(int fd) {
    pollfd wait{fd, POLLIN, 0};
    return poll(&wait, 1, 0) == 1;
}

TEST_F(GeneratorTest, TrafficWakesWhoRests) {
    GeneratorPort port(pool_, kEdgeMac, 5, clock());
    ASSERT_TRUE(port.arm(0));
    EXPECT_FALSE(readable(port.wait_fd(0)));
    ASSERT_TRUE(port.set_traffic(spec4(64)));
    EXPECT_TRUE(readable(port.wait_fd(0)));
    port.disarm(0);
    EXPECT_FALSE(port.arm(0)) << "streams are paced by the clock";
    port.disarm(0);
    drop(take(port));
}

// What arm() learns of a new plan must not be lost on the pacing of the burst behind it.
TEST_F(GeneratorTest, ArmingBeforeTheFirstBurstEarnsNothing) {
    GeneratorPort port(pool_, kEdgeMac, 5, clock());
    TrafficSpec paced = spec4(1000);
    paced.streams[0].rate_bps = 8'000'000; // a packet in 1 ms
    ASSERT_TRUE(port.set_traffic(paced));
    g_test_tsc += 100 * kTestHz;
    EXPECT_FALSE(port.arm(0));
    port.disarm(0);
    const auto packets = take(port);
    EXPECT_LE(packets.size(), 1u);
    drop(packets);
}

} // namespace
} // namespace isthmus::sim
