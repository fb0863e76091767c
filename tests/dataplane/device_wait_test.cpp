// Devices of DPDK that tell when packets come, and some that do not: real TAP, AF_PACKET and AF_XDP
// interfaces. Needs root; without it these tests are skipped.
#include "tests/dataplane/testbed.hpp"
#include "tests/must.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <chrono>
#include <cstdlib>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sanitizer/lsan_interface.h>
#include <sys/socket.h>
#include <unistd.h>

namespace isthmus::test {
namespace {

bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

bool readable(int fd, int timeout_ms) {
    pollfd wait{fd, POLLIN, 0};
    return poll(&wait, 1, timeout_ms) == 1 && (wait.revents & POLLIN) != 0;
}

// DPDK's AF_XDP driver never frees what xsk_umem__create() of libxdp allocates: 80 octets a queue.
struct LeaksOfDrivers {
#ifdef ISTHMUS_SANITIZED
    __lsan::ScopedDisabler disabled;
#endif
};

Result<std::unique_ptr<dataplane::Port>> open(const std::string& device,
                                              const dataplane::EthdevRequest& request) {
    [[maybe_unused]] const LeaksOfDrivers passed_over;
    const auto attached = dataplane::attach_device(device, request);
    if (!attached)
        return attached.error();
    return dataplane::open_device(*attached, request);
}

// Sends frames out of a kernel interface.
class Sender {
  public:
    explicit Sender(const std::string& interface) {
        address_.sll_family = AF_PACKET;
        address_.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        address_.sll_halen = 6;
    }
    ~Sender() { close(fd_); }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    bool send(const Bytes& frame) {
        return sendto(fd_, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&address_),
                      sizeof address_) == static_cast<ssize_t>(frame.size());
    }

  private:
    int fd_ = socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll address_{};
};

struct Device {
    const char* name;
    const char* arguments; // {} is the port's own interface
    bool veth = false;
};

class DeviceWait : public testing::TestWithParam<Device> {
  protected:
    void SetUp() override {
        if (geteuid() != 0)
            GTEST_SKIP() << "only root makes interfaces";
        const Device& device = GetParam();
        own_ = fmt::format("iw{}a", getpid());
        far_ = device.veth ? fmt::format("iw{}b", getpid()) : own_;
        if (device.veth &&
            !(run(fmt::format("ip link add {} numrxqueues 1 numtxqueues 1 type veth peer name {} "
                              "numrxqueues 1 numtxqueues 1",
                              own_, far_)) &&
              run(fmt::format("ip link set {} up && ip link set {} up", own_, far_))))
            GTEST_SKIP() << "no veth interfaces here";
        dataplane::EthdevRequest request;
        request.name = device.name;
        request.wake = true;
        request.pool = test_pool();
        auto port = open(fmt::format(fmt::runtime(device.arguments), own_), request);
        if (!port)
            GTEST_SKIP() << port.error().message;
        port_ = std::move(*port);
        ASSERT_TRUE(run(fmt::format("ip link set {} up", far_)));
    }
    void TearDown() override {
        if (port_)
            port_->stop();
        port_.reset();
        if (GetParam().veth)
            run(fmt::format("ip link del {}", own_));
    }

    // Whether a frame of the test has come; what the kernel sends by itself is passed over.
    bool receive(uint8_t number) {
        bool seen = false;
        rte_mbuf* packet = nullptr;
        while (port_->rx_burst(0, &packet, 1) == 1) {
            const auto* octets = rte_pktmbuf_mtod(packet, const uint8_t*);
            seen = seen || (octets[12] == 0x88 && octets[13] == 0xb5 && octets[14] == number);
            rte_pktmbuf_free(packet);
        }
        return seen;
    }

    std::string own_, far_;
    std::unique_ptr<dataplane::Port> port_;
};

TEST_P(DeviceWait, TellsWhenAPacketComes) {
    ASSERT_GE(port_->wait_fd(0), 0);
    Sender sender(far_);
    for (uint8_t number = 1; number <= 5; ++number) {
        Bytes frame(60, 0);
        std::fill_n(frame.begin(), 6, uint8_t{0xff});
        frame[6] = 2;
        frame[12] = 0x88;
        frame[13] = 0xb5; // local experimental EtherType
        frame[14] = number;
        // As a worker does: arm, look once more, wait.
        ASSERT_TRUE(port_->arm(0));
        (void)receive(0);
        ASSERT_TRUE(sender.send(frame));
        bool seen = false;
        for (int wake = 0; wake < 20 && !seen; ++wake) {
            ASSERT_TRUE(readable(port_->wait_fd(0), 10'000)) << "frame " << int{number};
            port_->disarm(0);
            seen = receive(number);
            ASSERT_TRUE(port_->arm(0));
        }
        EXPECT_TRUE(seen);
        port_->disarm(0);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Devices, DeviceWait,
    testing::Values(Device{"tap", "net_tap7,iface={}"},
                    Device{"af_packet", "net_af_packet7,iface={},faults=accepted", true},
                    Device{"af_xdp", "net_af_xdp7,iface={},busy_budget=0", true}),
    [](const auto& device) { return std::string(device.param.name); });

TEST(DeviceWithoutWait, SaysSo) {
    dataplane::EthdevRequest request;
    request.name = "null";
    request.wake = true;
    request.pool = test_pool();
    const auto port = must(open("net_null7,no-rx=1", request));
    EXPECT_LT(port->wait_fd(0), 0);
    EXPECT_FALSE(port->arm(0));
    port->disarm(0);
    port->stop();
}

} // namespace
} // namespace isthmus::test
