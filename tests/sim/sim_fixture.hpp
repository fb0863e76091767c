#pragma once
// A packet pool that must be whole again after each test, a clock that stands still until moved,
// and hosts between which packets are carried by hand.

#include "sim/generator_port.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <vector>

namespace isthmus::sim {

inline constexpr uint64_t kTestHz = 2'000'000'000;
inline constexpr MacAddr kEdgeMac{{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr Ipv4Addr kHost4{0x0a000002};
inline constexpr Ipv6Addr kHost6{uint64_t{0xfd00} << 48, 2};

using Values = std::initializer_list<uint16_t>;

inline uint64_t g_test_tsc = 0; // the test's own thread only

class SimTest : public testing::Test {
  protected:
    void SetUp() override {
        g_test_tsc = kTestHz;
        pool_ = rte_pktmbuf_pool_create("sim", 2047, 64, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
        ASSERT_NE(pool_, nullptr);
    }
    void TearDown() override {
        EXPECT_EQ(rte_mempool_avail_count(pool_), 2047u) << "packets leaked";
        rte_mempool_free(pool_);
    }

    static PaceClock clock() {
        return {[]() noexcept { return g_test_tsc; }, kTestHz};
    }

    // One stream of `bytes` long packets as fast as possible.
    static TrafficSpec spec4(uint16_t bytes, uint32_t tag = 7) {
        TrafficSpec spec;
        spec.tag = tag;
        spec.addresses = {kHost4, kHost6};
        spec.streams = {{kHost4, Ipv4Addr{0x0a010002}, 0, 8, {{bytes, 1}}}};
        return spec;
    }
    static TrafficSpec spec6(uint16_t bytes, uint32_t tag = 7) {
        TrafficSpec spec = spec4(bytes, tag);
        spec.streams[0].source = kHost6;
        spec.streams[0].destination = Ipv6Addr{uint64_t{0xfd01} << 48, 2};
        return spec;
    }

    static std::vector<rte_mbuf*> take(GeneratorPort& port, uint16_t count = 32) {
        std::vector<rte_mbuf*> packets(count);
        packets.resize(port.rx_burst(0, packets.data(), count));
        return packets;
    }
    static void give(GeneratorPort& port, std::vector<rte_mbuf*> packets) {
        const auto count = static_cast<uint16_t>(packets.size());
        ASSERT_EQ(port.tx_burst(0, packets.data(), count), count);
    }
    static void drop(std::vector<rte_mbuf*> packets) {
        rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
    }
    static uint8_t* octets(rte_mbuf* packet) { return rte_pktmbuf_mtod(packet, uint8_t*); }

    rte_mbuf* packet_of(const std::vector<uint8_t>& frame) {
        rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
        packet->data_len = static_cast<uint16_t>(frame.size());
        packet->pkt_len = packet->data_len;
        std::copy(frame.begin(), frame.end(), octets(packet));
        return packet;
    }

    rte_mempool* pool_ = nullptr;
};

} // namespace isthmus::sim
