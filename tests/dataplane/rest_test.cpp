// A worker with a thread of its own in adaptive mode: it sleeps when there is nothing to do, and
// everything that brings work wakes it. Nothing here asks how fast.
#include "dataplane/exchange.hpp"
#include "tests/dataplane/testbed.hpp"
#include "tests/must.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <atomic>
#include <chrono>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace isthmus::test {
namespace {

using namespace std::chrono_literals;

template <class Condition> bool comes_true(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

// Packets come when the test says so, with or without a descriptor that tells.
class FakePort final : public dataplane::Port {
  public:
    explicit FakePort(bool tells) : fd_(tells ? eventfd(0, EFD_NONBLOCK) : -1) {}
    ~FakePort() override {
        if (fd_ >= 0)
            close(fd_);
    }

    void packet_comes() {
        waiting_.fetch_add(1);
        const uint64_t one = 1;
        if (fd_ >= 0) {
            EXPECT_EQ(write(fd_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
        }
    }

    uint16_t rx_burst(uint16_t, rte_mbuf** packets, uint16_t) noexcept override {
        if (waiting_.load() == 0)
            return 0;
        packets[0] = rte_pktmbuf_alloc(test_pool());
        if (packets[0] == nullptr)
            return 0;
        rte_pktmbuf_append(packets[0], 60);
        waiting_.fetch_sub(1);
        return 1;
    }
    uint16_t tx_burst(uint16_t, rte_mbuf** packets, uint16_t count) noexcept override {
        rte_pktmbuf_free_bulk(packets, count);
        return count;
    }
    int wait_fd(uint16_t) const noexcept override { return fd_; }
    void disarm(uint16_t) noexcept override {
        uint64_t told = 0;
        if (fd_ >= 0)
            (void)!read(fd_, &told, sizeof told);
    }
    uint16_t rx_queues() const override { return 1; }
    uint16_t tx_queues() const override { return 1; }
    std::string_view driver() const override { return "fake"; }
    MacAddr mac() const override { return kVpcMac; }
    bool link_up() const override { return true; }
    dataplane::DeviceLosses losses() const override { return {}; }
    void stop() override {}

  private:
    int fd_;
    std::atomic<int> waiting_{0};
};

// One edge with one VPC port and one worker, which sleeps.
class RestTest : public testing::Test {
  protected:
    void start(bool port_tells, bool port_up = true) {
        control::Config config;
        config.worker_cores = {test_worker_core()};
        config.poll = control::PollMode::adaptive;
        config.max_attachments = 1;
        config.edges = {{"edge", "edge"}};
        config.ports = {{"vpc", EdgeId(0), "fake", std::nullopt, 1500, port_up, 0}};
        dataplane::DataplaneSetup setup;
        setup.config = &config;
        auto port = std::make_unique<FakePort>(port_tells);
        port_ = port.get();
        setup.ports.push_back(std::move(port));
        setup.aead = must(macsec::make_aead("openssl"));
        setup.pools = {test_pool()};
        dataplane_ = must(dataplane::Dataplane::create(std::move(setup)));
        dataplane_->start();
        control_ =
            std::make_unique<control::ControlPlane>(config, *dataplane_, control::ControlOptions{});
        const uint64_t before = rests();
        ASSERT_TRUE(comes_true([&] { return rests() > before + 1; })) << "it never sleeps";
    }
    void TearDown() override {
        dataplane_->stop();
        control_.reset();
        dataplane_.reset();
    }

    uint64_t rests() const { return control_->runtime()[0].rests; }
    uint64_t wakes() const { return control_->runtime()[0].wakes; }
    uint64_t received() const { return control_->accounting(EdgeId(0)).rx; }

    FakePort* port_ = nullptr;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
    std::unique_ptr<control::ControlPlane> control_;
};

TEST_F(RestTest, APacketWakesByDescriptor) {
    start(true);
    const uint64_t before = wakes();
    for (uint64_t n = 1; n <= 20; ++n) {
        const uint64_t slept = rests();
        ASSERT_TRUE(comes_true([&] { return rests() > slept; }));
        port_->packet_comes();
        ASSERT_TRUE(comes_true([&] { return received() == n; }));
    }
    EXPECT_GT(wakes(), before);
}

TEST_F(RestTest, AFrameOfTheControlThreadWakes) {
    start(true);
    const uint64_t before = wakes();
    ASSERT_TRUE(comes_true([&] {
        const Bytes frame(60, 0);
        const uint64_t sent = control_->accounting(EdgeId(0)).tx;
        EXPECT_TRUE(dataplane_->inject(kVpc, frame));
        EXPECT_TRUE(comes_true([&] { return control_->accounting(EdgeId(0)).tx == sent + 1; }));
        return wakes() > before;
    }));
}

TEST_F(RestTest, APortWithoutDescriptorIsLookedAt) {
    start(false);
    port_->packet_comes();
    EXPECT_TRUE(comes_true([&] { return received() == 1; }));
}

TEST_F(RestTest, ASleepingWorkerHoldsUpNoChange) {
    start(true, false);
    port_->packet_comes();
    for (int n = 0; n < 20; ++n) {
        const uint64_t slept = rests();
        ASSERT_TRUE(comes_true([&] { return rests() > slept; }));
        must(control_->set_port_enabled(kVpc, n % 2 == 0));
    }
    must(control_->set_port_enabled(kVpc, true));
    EXPECT_TRUE(comes_true([&] { return received() == 1; })) << "the port is up";
}

TEST(ExchangeTest, RingsWhoIsGivenSomething) {
    dataplane::Doorbell first, second;
    const std::vector<dataplane::HandOff> pairs{{dataplane::HandOffPurpose::forward, 0, 1}};
    const auto exchange = must(dataplane::Exchange::create(pairs, 2, {&first, &second}));
    ASSERT_TRUE(first.arm() && second.arm());
    rte_mbuf* packet = rte_pktmbuf_alloc(test_pool());
    ASSERT_EQ(exchange->give(dataplane::HandOffPurpose::forward, 0, 1, &packet, 1), 1);
    pollfd waits[] = {{first.fd(), POLLIN, 0}, {second.fd(), POLLIN, 0}};
    EXPECT_EQ(poll(waits, 2, 0), 1);
    EXPECT_EQ(waits[1].revents, POLLIN);
    ASSERT_EQ(exchange->sources(dataplane::HandOffPurpose::forward, 1).size(), 1u);
    EXPECT_EQ(exchange->take(dataplane::HandOffPurpose::forward, 0, 1, &packet, 1), 1);
    EXPECT_EQ(exchange->give(dataplane::HandOffPurpose::send, 0, 1, &packet, 1), 0)
        << "the plan does not have this pair";
    rte_pktmbuf_free(packet);
}

} // namespace
} // namespace isthmus::test
