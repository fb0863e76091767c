#include "sim/wire.hpp"
#include "sim/wire_port.hpp"
#include "sim_fixture.hpp"

#include <rte_ethdev.h>

#include <poll.h>

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

// Takes every packet; all that matters is who is rung.
class Sink final : public dataplane::Port {
  public:
    uint16_t rx_burst(uint16_t, rte_mbuf**, uint16_t) noexcept override { return 0; }
    uint16_t tx_burst(uint16_t, rte_mbuf**, uint16_t count) noexcept override { return count; }
    uint16_t rx_queues() const override { return 2; }
    uint16_t tx_queues() const override { return 2; }
    std::string_view driver() const override { return "sink"; }
    MacAddr mac() const override { return kEdgeMac; }
    bool link_up() const override { return true; }
    dataplane::DeviceLosses losses() const override { return {}; }
    void stop() override {}
};

TEST(WirePortTest, RingsWhoPollsTheQueueAtTheOtherEnd) {
    const auto left_bells = make_wire_bells(2), right_bells = make_wire_bells(2);
    WirePort left(std::make_unique<Sink>(), left_bells, right_bells);
    WirePort right(std::make_unique<Sink>(), right_bells, left_bells);
    WirePort* ends[] = {&left, &right};
    for (WirePort* end : ends)
        for (const uint16_t queue : {uint16_t{0}, uint16_t{1}})
            ASSERT_TRUE(end->arm(queue));
    rte_mbuf* packet = nullptr;
    EXPECT_EQ(left.tx_burst(1, &packet, 1), 1);
    for (WirePort* end : ends)
        for (const uint16_t queue : {uint16_t{0}, uint16_t{1}}) {
            pollfd wait{end->wait_fd(queue), POLLIN, 0};
            EXPECT_EQ(poll(&wait, 1, 0), end == &right && queue == 1 ? 1 : 0);
            end->disarm(queue);
            EXPECT_EQ(poll(&wait, 1, 0), 0);
        }
}

} // namespace
} // namespace isthmus::sim
