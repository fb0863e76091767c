#include "tests/xdp/far_host.hpp"

#include "dataplane/eal.hpp"
#include "tests/must.hpp"
#include "xdp/xdp_port.hpp"

#include <fmt/format.h>
#include <rte_mbuf.h>

#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace isthmus::test {
namespace {

pid_t far_process = 0;

bool unshare_quietly() {
    return unshare(CLONE_NEWNET) == 0 && run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
                                             "net.ipv6.conf.default.disable_ipv6=1 && "
                                             "ip link set lo up");
}

rte_mempool* pool() {
    static rte_mempool* made =
        must(dataplane::make_packet_pool(4095, dataplane::packet_room(9000)));
    return made;
}

int open_at_far_end() {
    const int here = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there =
        ::open(fmt::format("/proc/{}/ns/net", far_process).c_str(), O_RDONLY | O_CLOEXEC);
    int made = -1;
    if (setns(there, CLONE_NEWNET) == 0) {
        made = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)); // every protocol
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(0x0003);
        address.sll_ifindex = static_cast<int>(if_nametoindex("b0"));
        const int room = 64 << 20;
        setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        if (bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            made = -1;
    }
    EXPECT_EQ(setns(here, CLONE_NEWNET), 0);
    close(here);
    close(there);
    return made;
}

} // namespace

bool namespaces_made = false;

bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

bool far_run(const std::string& command) {
    return run(fmt::format("nsenter -t {} -n {}", far_process, command));
}

bool enter_namespaces() {
    if (geteuid() != 0 || !unshare_quietly())
        return false;
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        return false;
    far_process = fork();
    if (far_process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const char good = unshare_quietly() ? 1 : 0;
        (void)!write(ready[1], &good, 1);
        for (;;)
            pause();
    }
    char good = 0;
    namespaces_made = read(ready[0], &good, 1) == 1 && good == 1;
    close(ready[0]);
    close(ready[1]);
    return namespaces_made;
}

pid_t start_holder(const std::string& device) {
    int ready[2];
    if (pipe(ready) != 0)
        return -1;
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ready[1], 1);
        execl("/proc/self/exe", "xdp_tests", "--hold", device.c_str(), nullptr);
        _exit(1);
    }
    close(ready[1]);
    char good = 0;
    const bool held = read(ready[0], &good, 1) == 1;
    close(ready[0]);
    return held ? child : -1;
}

void FarHost::SetUp() {
    if (!namespaces_made)
        GTEST_SKIP() << "needs root and network namespaces";
}

void FarHost::TearDown() {
    port_.reset();
    if (far_ >= 0)
        close(far_);
    run("ip link del a0");
}

void FarHost::make_pair(unsigned mtu, unsigned queues) {
    ASSERT_TRUE(run(fmt::format("ip link add a0 mtu {0} numrxqueues {1} numtxqueues {1} type veth "
                                "peer name b0 netns {2} mtu {0} numrxqueues {1} numtxqueues {1}",
                                mtu, queues, far_process)));
    if (queues > 1) {
        ASSERT_TRUE(run(fmt::format("ethtool -L a0 rx {0} tx {0}", queues)));
        ASSERT_TRUE(far_run(fmt::format("ethtool -L b0 rx {0} tx {0}", queues)));
    }
    ASSERT_TRUE(run("ip link set a0 up") && far_run("ip link set b0 up"));
    far_ = open_at_far_end();
    ASSERT_GE(far_, 0);
}

xdp::Request FarHost::request(const std::string& options) {
    xdp::Request request;
    request.name = "p0";
    request.device = must(xdp::parse_device("xdp:a0" + options));
    request.mac = kEdgeMac;
    request.pool = pool();
    return request;
}

void FarHost::open(const xdp::Request& request) {
    port_ = must(xdp::open_port(request));
}

void FarHost::far_send(const Bytes& frame) {
    ASSERT_EQ(::send(far_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
}

std::optional<Bytes> FarHost::far_receive(int timeout_ms) {
    Bytes frame(65536);
    pollfd wait{far_, POLLIN, 0};
    while (poll(&wait, 1, timeout_ms) == 1) {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t length = recvfrom(far_, frame.data(), frame.size(), MSG_TRUNC,
                                        reinterpret_cast<sockaddr*>(&from), &size);
        if (length > 0 && from.sll_pkttype != PACKET_OUTGOING) {
            frame.resize(static_cast<std::size_t>(length));
            return frame;
        }
    }
    return std::nullopt;
}

void FarHost::take_burst(uint16_t queue, std::vector<Bytes>& frames) {
    rte_mbuf* packets[32];
    const uint16_t got = port_->rx_burst(queue, packets, 32);
    for (uint16_t n = 0; n < got; ++n) {
        EXPECT_EQ(packets[n]->nb_segs, 1);
        const auto* data = rte_pktmbuf_mtod(packets[n], const uint8_t*);
        frames.emplace_back(data, data + packets[n]->data_len);
        rte_pktmbuf_free(packets[n]);
    }
}

std::vector<Bytes> FarHost::receive_by(uint16_t queue, std::size_t most, int timeout_ms) {
    std::vector<Bytes> frames;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (std::chrono::steady_clock::now() < deadline && frames.size() < most)
        take_burst(queue, frames);
    return frames;
}

std::vector<Bytes> FarHost::receive(std::size_t most, int timeout_ms) {
    std::vector<Bytes> frames;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (std::chrono::steady_clock::now() < deadline && frames.size() < most)
        for (uint16_t queue = 0; queue < port_->rx_queues(); ++queue)
            take_burst(queue, frames);
    return frames;
}

void FarHost::send(const std::vector<Bytes>& frames) {
    for (std::size_t from = 0; from < frames.size(); from += 32) {
        rte_mbuf* packets[32];
        const auto count = static_cast<uint16_t>(std::min<std::size_t>(32, frames.size() - from));
        for (uint16_t n = 0; n < count; ++n) {
            packets[n] = rte_pktmbuf_alloc(pool());
            ASSERT_NE(packets[n], nullptr);
            const Bytes& frame = frames[from + n];
            auto* room = rte_pktmbuf_append(packets[n], static_cast<uint16_t>(frame.size()));
            std::copy(frame.begin(), frame.end(), reinterpret_cast<uint8_t*>(room));
        }
        ASSERT_EQ(port_->tx_burst(0, packets, count), count);
    }
}

uint64_t FarHost::count(std::string_view verdict) const {
    for (const auto& [name, value] : port_->counts())
        if (name == verdict)
            return value;
    ADD_FAILURE() << "no verdict " << verdict;
    return 0;
}

} // namespace isthmus::test
