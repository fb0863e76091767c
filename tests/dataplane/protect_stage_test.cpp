// The stage `protect` alone, on a forwarding state that no configuration makes.

#include "dataplane/stages.hpp"
#include "tests/dataplane/testbed.hpp"
#include "tests/must.hpp"

#include <rte_mbuf.h>

#include <gtest/gtest.h>

#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

using namespace isthmus::dataplane;

// A port's limit follows from its MTU and leaves room for MACsec, so that only a state made by hand
// meets frames that are too long (10.5).
TEST(ProtectStage, FramesThatBecomeTooLongAreRefusedBeforeTheyGetAPacketNumber) {
    const auto aead = must(macsec::make_aead("auto"));
    const Bytes sak = edge_sak();
    const macsec::Sci sci = macsec::Sci::from(kCh0Mac, 1);
    const auto numbers = std::make_shared<macsec::PacketNumbers>(
        macsec::PacketNumbers::Owner::per_worker, 1, 0xffffffff);
    const auto sa = must(
        macsec::make_tx_sa(*aead, {macsec::CipherSuite::gcm_aes_256, 0, sak, sci, {}}, numbers));
    macsec::TxSc sc;
    sc.sci = sci;

    ForwardingState state;
    state.ports.resize(1);
    state.ports[0].channel = ChannelId(0);
    state.ports[0].max_frame = 100;
    state.channels.resize(1);
    state.channels[0].port = PortId(0);
    state.channels[0].tx.resize(1);
    state.channels[0].tx[0].sc = &sc;
    state.channels[0].tx[0].sa = sa.get();

    WorkerCounters counters;
    counters.secys = std::vector<macsec::SecyCounters>(1);
    MeterBuckets buckets;
    StageContext context{state, state.ports[0], *aead, counters, buckets, 0, 0};
    Burst burst;
    burst.start(3);
    const uint16_t lengths[] = {68, 69, 68}; // 100 with SecTAG and ICV, and one octet more
    for (uint8_t i = 0; i < 3; ++i) {
        rte_mbuf* packet = rte_pktmbuf_alloc(test_pool());
        burst.packet[i] = packet;
        burst.frame[i] = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, lengths[i]));
        const Bytes frame = ethernet({kPeerMac, kCh0Mac, -1}, 0x0800, ramp(lengths[i] - 14u));
        std::copy(frame.begin(), frame.end(), burst.frame[i]);
        burst.frame_length[i] = lengths[i];
        burst.out_port[i] = 0;
    }
    protect_frames(context, burst);
    EXPECT_EQ(burst.live_count, 2);
    EXPECT_EQ(burst.verdict[1], static_cast<uint8_t>(Drop::macsec_too_long) + 1);
    EXPECT_EQ(burst.packet[0]->pkt_len, 100u);
    EXPECT_EQ(burst.packet[1]->pkt_len, 69u) << "left as it was";
    EXPECT_EQ(counters.secys[0].out_pkts_too_long.get(), 1u);
    EXPECT_EQ(numbers->next(), 3u);
    seen_drop_reasons().insert(Drop::macsec_too_long);
    rte_pktmbuf_free_bulk(burst.packet.data(), 3);
}

} // namespace
} // namespace isthmus::test
