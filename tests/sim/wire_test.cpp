#include "sim/wire.hpp"
#include "sim_fixture.hpp"

#include <rte_ethdev.h>

namespace isthmus::sim {
namespace {

class WireTest : public SimTest {
  protected:
    void start(uint16_t port) {
        const rte_eth_conf conf{};
        ASSERT_EQ(rte_eth_dev_configure(port, 1, 1, &conf), 0);
        ASSERT_EQ(rte_eth_rx_queue_setup(port, 0, 512, 0, nullptr, pool_), 0);
        ASSERT_EQ(rte_eth_tx_queue_setup(port, 0, 512, 0, nullptr), 0);
        ASSERT_EQ(rte_eth_dev_start(port), 0);
    }
};

TEST_F(WireTest, CarriesPacketsBothWays) {
    const auto wire = make_wire("a name that no DPDK device could have: it is much too long");
    ASSERT_TRUE(wire) << wire.error().message;
    const auto second = make_wire("second");
    ASSERT_TRUE(second) << second.error().message;
    const auto [left, right] = *wire;
    start(left);
    start(right);
    for (const auto& [from, to] : {std::pair{left, right}, std::pair{right, left}}) {
        rte_mbuf* sent = packet_of(std::vector<uint8_t>(60, 1));
        rte_mbuf* received = nullptr;
        EXPECT_EQ(rte_eth_rx_burst(to, 0, &received, 1), 0);
        ASSERT_EQ(rte_eth_tx_burst(from, 0, &sent, 1), 1);
        ASSERT_EQ(rte_eth_rx_burst(from, 0, &received, 1), 0);
        ASSERT_EQ(rte_eth_rx_burst(to, 0, &received, 1), 1);
        EXPECT_EQ(received, sent);
        rte_pktmbuf_free(received);
    }
    rte_eth_dev_stop(left);
    rte_eth_dev_stop(right);
}

} // namespace
} // namespace isthmus::sim
