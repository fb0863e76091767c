#include "tests/ports/peer.hpp"

#include "dataplane/eal.hpp"
#include "tests/must.hpp"

#include <rte_mbuf.h>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace isthmus::test {
namespace {

constexpr uint16_t kEtherType = 0x88b5; // local experimental
constexpr uint32_t kBuffers = 8192;
constexpr uint16_t kLargestMtu = 9100;
constexpr std::size_t kLargestFrame = 16384;

unsigned last_core() {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    unsigned last = 0;
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set))
            last = core;
    return last;
}

void reflect(dataplane::Port& port) {
    std::array<rte_mbuf*, 64> packets{};
    for (unsigned polls = 0;; ++polls) {
        uint16_t count = port.rx_burst(0, packets.data(), packets.size());
        for (uint16_t sent = 0; sent < count;)
            if (const uint16_t now =
                    port.tx_burst(0, packets.data() + sent, static_cast<uint16_t>(count - sent));
                now > 0)
                sent = static_cast<uint16_t>(sent + now);
            else if (!port.link_up()) {
                rte_pktmbuf_free_bulk(packets.data() + sent, static_cast<unsigned>(count - sent));
                break;
            }
        if (count == 0)
            usleep(50);
        if (polls % 2000 == 0)
            port.tend();
    }
}

} // namespace

std::string this_program;

void start_port_eal() {
    dataplane::EalRequest request;
    request.program = "ports_tests";
    request.worker_cores = {last_core()};
    request.memory_mb = 256;
    (void)must(dataplane::start_eal(request));
}

rte_mempool* port_pool() {
    static rte_mempool* pool = must(dataplane::make_packet_pool(
        kBuffers, dataplane::packet_room(kLargestMtu), -1, dataplane::PacketMemory::shared));
    return pool;
}

rte_mempool* small_pool() {
    static rte_mempool* pool = must(dataplane::make_packet_pool(
        kBuffers, dataplane::packet_room(1500), -1, dataplane::PacketMemory::shared));
    return pool;
}

Result<std::unique_ptr<dataplane::Port>> open_port(const std::string& device, uint32_t l2_payload,
                                                   rte_mempool* pool) {
    dataplane::EthdevRequest request;
    request.name = "test";
    request.l2_payload = l2_payload;
    request.pool = pool;
    const auto attached = dataplane::attach_device(device, request);
    if (!attached)
        return attached.error();
    return dataplane::open_device(*attached, request);
}

int run_peer(const std::string& device, uint32_t l2_payload) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    start_port_eal();
    const auto port = open_port(device, l2_payload);
    if (!port) {
        std::fprintf(stderr, "peer: %s\n", port.error().message.c_str());
        return 1;
    }
    reflect(**port);
    return 0;
}

Peer::Peer(const std::string& role, const std::string& device, const std::string& argument) {
    pid_ = fork();
    if (pid_ != 0)
        return;
    execl(this_program.c_str(), this_program.c_str(), role.c_str(), device.c_str(),
          argument.empty() ? nullptr : argument.c_str(), nullptr);
    _exit(127);
}

void Peer::kill_now() {
    if (pid_ <= 0)
        return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

bool Peer::ended() const {
    siginfo_t info{};
    return pid_ <= 0 ||
           (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0);
}

KernelPeer::KernelPeer(const std::string& interface) {
    fd_ = socket(AF_PACKET, SOCK_RAW, htons(kEtherType));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(kEtherType);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        std::perror("bind");
    thread_ = std::thread([this] { run(); });
}

KernelPeer::~KernelPeer() {
    stop_ = true;
    thread_.join();
    close(fd_);
}

void KernelPeer::run() {
    std::vector<uint8_t> frame(kLargestFrame);
    while (!stop_) {
        pollfd wait{fd_, POLLIN, 0};
        if (poll(&wait, 1, 50) != 1)
            continue;
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const ssize_t length = recvfrom(fd_, frame.data(), frame.size(), MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&from), &size);
        if (length > 0 && from.sll_pkttype != PACKET_OUTGOING)
            (void)!send(fd_, frame.data(), static_cast<std::size_t>(length), 0);
    }
}

} // namespace isthmus::test
