// Frames that a device delivers in several buffers.

#include "tests/dataplane/fragments.hpp"
#include "tests/dataplane/testbed.hpp"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <gtest/gtest.h>

#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

Bytes chained_outward(std::size_t length, uint16_t flags_fragment = wire::kIpv4DontFragment) {
    Ipv4Spec spec{kHost4, kRemote4};
    spec.flags_fragment = flags_fragment;
    return ipv4(spec, udp(1, 2, ramp(length - 28)));
}
Bytes chained_inward(std::size_t length) {
    return ipv4({kRemote4, kHost4}, udp(1, 2, ramp(length - 28)));
}

// In pieces of `piece` octets; the last one may be shorter.
rte_mbuf* chain(rte_mempool* pool, const Bytes& frame, std::size_t piece) {
    rte_mbuf* head = nullptr;
    for (std::size_t at = 0; at < frame.size(); at += piece) {
        rte_mbuf* segment = rte_pktmbuf_alloc(pool);
        const std::size_t length = std::min(piece, frame.size() - at);
        char* data = rte_pktmbuf_append(segment, static_cast<uint16_t>(length));
        std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), length, data);
        if (head == nullptr)
            head = segment;
        else
            EXPECT_EQ(rte_pktmbuf_chain(head, segment), 0);
    }
    return head;
}

std::vector<Bytes> packets_of(Testbed& bed) {
    std::vector<Bytes> packets;
    for (const PortId port : {kCh0, kCh1})
        for (const Bytes& frame : bed.received(port)) {
            const Bytes plain = bed.open(frame).value();
            packets.emplace_back(plain.begin() + 18, plain.end());
        }
    return packets;
}

uint64_t chained(Testbed& bed, PortId port) {
    return bed.control().port_info(port).rx_chained;
}

TEST(Chained, FramesAreMadeOnePiece) {
    TestbedOptions options;
    options.mtu = 9100;
    options.feature_mtu = 9100;
    Testbed bed(std::move(options));
    uint64_t sent = 0;
    for (const std::size_t length : {100u, 1500u, 4096u, 9100u})
        for (const std::size_t piece : {13u, 14u, 30u, 64u, 1000u, 2048u, 9000u}) {
            const Bytes host = bed.host_frame(chained_outward(length));
            if ((host.size() + piece - 1) / piece > 255 || piece >= host.size())
                continue;
            SCOPED_TRACE(testing::Message() << length << " in pieces of " << piece);
            bed.send_raw(kVpc, chain(jumbo_pool(), host, piece));
            bed.run_workers();
            const auto out = packets_of(bed);
            ASSERT_EQ(out.size(), 1u);
            EXPECT_EQ(out[0], forwarded4(chained_outward(length)));
            bed.send_raw(kCh0, chain(jumbo_pool(),
                                     bed.protect(bed.peer_frame(chained_inward(length))), piece));
            bed.run_workers();
            const auto in = bed.received(kVpc);
            ASSERT_EQ(in.size(), 1u);
            EXPECT_EQ(Bytes(in[0].begin() + 14, in[0].end()), forwarded4(chained_inward(length)));
            ++sent;
        }
    EXPECT_GT(sent, 10u);
    EXPECT_EQ(chained(bed, kVpc), sent);
    EXPECT_EQ(chained(bed, kCh0), sent);
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Chained, AmongOtherFrames) {
    for (const uint16_t workers : std::initializer_list<uint16_t>{1, 3}) {
        TestbedOptions options;
        options.workers = workers;
        Testbed bed(std::move(options));
        for (int n = 0; n < 60; ++n) {
            const Bytes frame = bed.host_frame(chained_outward(static_cast<std::size_t>(100 + n)));
            if (n % 3 == 0)
                bed.send_raw(kVpc, chain(test_pool(), frame, 60));
            else
                bed.send_later(kVpc, frame);
        }
        bed.run_workers();
        const auto out = packets_of(bed);
        ASSERT_EQ(out.size(), 60u);
        for (std::size_t n = 0; n < 60; ++n)
            EXPECT_EQ(out[n], forwarded4(chained_outward(100 + n))) << "in order";
        EXPECT_EQ(chained(bed, kVpc), 20u);
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
    }
}

TEST(Chained, AreCutLikeOthers) {
    TestbedOptions options;
    options.mtu = 9100;
    Testbed bed(std::move(options));
    const Bytes packet = chained_outward(9000, 0);
    bed.send_raw(kVpc, chain(jumbo_pool(), bed.host_frame(packet), 2048));
    bed.run_workers();
    EXPECT_EQ(reassemble(packets_of(bed), 1500), forwarded4(packet));
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Chained, FramesLongerThanABufferHaveTheirReason) {
    Testbed bed;
    bed.send_raw(kVpc, chain(test_pool(), bed.host_frame(chained_outward(3000)), 1500));
    bed.send_raw(kCh0, chain(test_pool(), bed.protect(bed.peer_frame(chained_inward(3000))), 1500));
    bed.run_workers();
    EXPECT_EQ(bed.drops(Drop::frame_segmented), 2u);
    seen_drop_reasons().insert(Drop::frame_segmented);
    // What fits a buffer but not the port is oversized as if it had come in one piece.
    bed.send_raw(kVpc, chain(test_pool(), bed.host_frame(chained_outward(1800)), 1000));
    bed.run_workers();
    EXPECT_EQ(bed.drops(Drop::frame_oversized), 1u);
    EXPECT_EQ(chained(bed, kVpc), 2u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    EXPECT_TRUE(packets_of(bed).empty());
}

// A guest's TCP super-frame, and frames whose checksum it left to be computed.
TEST(Unfinished, FramesOfAGuestAreDroppedAndOthersAreNot) {
    Testbed bed;
    const Bytes frame = bed.host_frame(chained_outward(500));
    const uint64_t flags[] = {RTE_MBUF_F_RX_LRO,           RTE_MBUF_F_TX_TCP_SEG,
                              RTE_MBUF_F_TX_UDP_CKSUM,     RTE_MBUF_F_RX_L4_CKSUM_NONE,
                              RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD,
                              RTE_MBUF_F_RX_RSS_HASH};
    for (const uint64_t flag : flags) {
        rte_mbuf* packet = chain(test_pool(), frame, frame.size());
        packet->ol_flags = flag;
        bed.send_raw(kVpc, packet);
    }
    rte_mbuf* both = chain(test_pool(), frame, 200);
    both->ol_flags = RTE_MBUF_F_RX_LRO;
    bed.send_raw(kVpc, both);
    bed.run_workers();
    EXPECT_EQ(packets_of(bed).size(), 3u);
    EXPECT_EQ(bed.drops(Drop::frame_unfinished), 5u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    seen_drop_reasons().insert(Drop::frame_unfinished);
}

TEST(Chained, WithoutABufferTheFrameIsDropped) {
    Testbed bed;
    bed.send_raw(kVpc, chain(test_pool(), bed.host_frame(chained_outward(1000)), 500));
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* packet = rte_pktmbuf_alloc(test_pool()))
        taken.push_back(packet);
    bed.run_workers();
    EXPECT_EQ(bed.drops(Drop::frame_no_buffer), 1u);
    seen_drop_reasons().insert(Drop::frame_no_buffer);
    EXPECT_EQ(rte_mempool_avail_count(test_pool()), 3u) << "nothing is leaked";
    rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

} // namespace
} // namespace isthmus::test
