// Several workers on ports with one queue: who polls hands packets over, who owns a transmit queue
// sends for the others. Driven by the test's own thread, one round of each worker after the other.
#include "testbed.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace isthmus::test {

std::set<Drop>& seen_drop_reasons();

namespace {

constexpr uint16_t kWorkers = 3;
constexpr int kPorts = 24;
constexpr uint16_t kFirstPort = 1000;

TestbedOptions several_workers() {
    TestbedOptions options;
    options.workers = kWorkers;
    return options;
}

// Packet `number` of a flow: the flow is the source port, the number stands in the payload.
Bytes numbered(const char* source, const char* destination, uint16_t flow, uint32_t number) {
    Bytes payload(16, 0);
    payload[0] = static_cast<uint8_t>(number);
    payload[1] = static_cast<uint8_t>(number >> 8);
    return ipv4({v4(source), v4(destination)},
                udp(static_cast<uint16_t>(kFirstPort + flow), 9, payload));
}

// Each flow's packets came in the order they were sent, and all of them.
class Order {
  public:
    void arrived(const uint8_t* ip) {
        const uint8_t* header = ip + 20; // of UDP
        const int flow = (header[0] << 8 | header[1]) - kFirstPort;
        EXPECT_EQ(header[8] | header[9] << 8, next_[flow]++) << "flow " << flow;
        ++count_;
    }
    [[nodiscard]] int count() const { return count_; }

  private:
    std::map<int, int> next_;
    int count_ = 0;
};

// What has come to the peer: by what SCs, and in which order.
void collect_at_peer(Testbed& bed, Order& order, std::set<uint8_t>& scs) {
    for (const PortId port : {kCh0, kCh1})
        for (const Bytes& frame : bed.received(port)) {
            const auto plain = bed.open(frame);
            ASSERT_TRUE(plain) << "the peer refuses a frame: late, or of an unknown SC";
            scs.insert(frame[27]); // the last octet of the SCI's port identifier
            order.arrived(plain->data() + 18);
        }
}

void discard_at_peer(Testbed& bed) {
    for (const PortId port : {kCh0, kCh1})
        (void)bed.received(port);
}

TEST(ManyWorkers, FlowsStayInOrderTowardsTheChannels) {
    Testbed bed(several_workers());
    Order order;
    std::set<uint8_t> scs;
    std::mt19937 random(5);
    std::map<uint16_t, uint32_t> next;
    constexpr int kPackets = 3000;
    for (int n = 0; n < kPackets; ++n) {
        const auto flow = static_cast<uint16_t>(random() % kPorts);
        bed.send_later(kVpc, bed.host_frame(numbered("10.1.0.9", "10.2.0.5", flow, next[flow]++)));
        if (random() % 40 == 0) {
            bed.run_workers();
            collect_at_peer(bed, order, scs);
        }
    }
    bed.run_workers();
    collect_at_peer(bed, order, scs);
    EXPECT_EQ(order.count(), kPackets);
    EXPECT_EQ(scs.size(), kWorkers) << "each worker sends on its own SC, to a peer with window 0";
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    const auto counters = bed.control().attachment_counters(bed.attachment());
    EXPECT_EQ(counters.egress.rx_packets, static_cast<uint64_t>(kPackets));
    EXPECT_EQ(counters.egress.tx_packets, static_cast<uint64_t>(kPackets));
}

TEST(ManyWorkers, EachReceiveScHasOneOwner) {
    Testbed bed(several_workers());
    Order order;
    std::map<uint16_t, uint32_t> next;
    constexpr int kPackets = 900;
    for (int n = 0; n < kPackets; ++n) {
        // As a peer with workers does: a flow belongs to one of its SCs.
        const auto flow = static_cast<uint16_t>(n % kPorts);
        const Bytes packet = numbered("10.2.0.5", "10.1.0.9", flow, next[flow]++);
        bed.send_later(
            kCh0, bed.protect(bed.peer_frame(packet), 0, static_cast<uint16_t>(flow % kWorkers)));
        if (n % 50 == 49)
            bed.run_workers();
    }
    bed.run_workers();
    for (const Bytes& frame : bed.received(kVpc))
        order.arrived(frame.data() + 14);
    EXPECT_EQ(order.count(), kPackets);
    const auto info = bed.control().channel_info(kChannel0);
    ASSERT_EQ(info.rx_scs.size(), kWorkers);
    for (const auto& sc : info.rx_scs)
        EXPECT_EQ(sc.counters[&macsec::RxScCounters::in_pkts_ok],
                  static_cast<uint64_t>(kPackets / kWorkers));
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(ManyWorkers, BadFramesAreCountedOnce) {
    Testbed bed(several_workers());
    const Bytes plain = bed.peer_frame(numbered("10.2.0.5", "10.1.0.9", 0, 0));
    Bytes forged = bed.protect(plain, 0, 2);
    forged.back() ^= 1;
    bed.send(kCh0, forged);
    bed.send(kCh0, plain); // without SecTAG
    EXPECT_EQ(bed.drops(Drop::macsec_not_valid), 1u);
    EXPECT_EQ(bed.drops(Drop::macsec_no_tag), 1u);
    EXPECT_EQ(bed.total_drops(), 2u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(ManyWorkers, TheEdgeItselfAnswers) {
    Testbed bed(several_workers());
    bed.send(kVpc, ethernet({kBroadcastMac, kHostMac, -1}, wire::kEtherTypeArp,
                            arp(1, kHostMac, v4("10.1.0.9"), {}, v4("10.1.0.1"))));
    bed.settle();
    EXPECT_EQ(bed.received(kVpc).size(), 1u) << "an ARP reply";
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(ManyWorkers, AFullRingDropsUnderItsReason) {
    Testbed bed(several_workers());
    // Only the worker that polls the VPC's port runs, so what it hands over piles up.
    for (int round = 0; round < 40 && bed.drops(Drop::handoff_full) == 0; ++round) {
        for (int n = 0; n < 500; ++n)
            bed.send_later(kVpc, bed.host_frame(numbered("10.1.0.9", "10.2.0.5",
                                                         static_cast<uint16_t>(n % kPorts), 0)));
        while (bed.dataplane().poll_worker(WorkerId(0)) != 0) {
        }
        discard_at_peer(bed);
    }
    EXPECT_GT(bed.drops(Drop::handoff_full), 0u);
    seen_drop_reasons().insert(Drop::handoff_full);
    bed.run_workers();
    discard_at_peer(bed);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

} // namespace
} // namespace isthmus::test
