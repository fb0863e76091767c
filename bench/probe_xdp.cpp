// Two AF_XDP ports of ours, or two of DPDK's net_af_xdp, forwarding frames between two veth pairs
// as fast as they come: frames a second, and what receiving and sending cost. One measurement for
// each process; scripts/bench-xdp takes turns.

#include "packet_feed.hpp"

#include "dataplane/eal.hpp"
#include "dataplane/ethdev_port.hpp"
#include "tests/must.hpp"
#include "xdp/xdp_port.hpp"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <vector>

namespace isthmus {
namespace {

constexpr uint16_t kBurst = 32;
constexpr unsigned kForwarder = 0, kSender = 1; // cores

using PortPtr = std::unique_ptr<dataplane::Port>;

bool run(const std::string& command) {
    return std::system(command.c_str()) == 0;
}

void pin(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

PortPtr open_port(bool ours, int number, const std::string& interface, rte_mempool* pool) {
    if (ours) {
        xdp::Request request;
        request.name = interface;
        request.device = test::must(xdp::parse_device("xdp:" + interface + ",frames=all"));
        request.pool = pool;
        return test::must(xdp::open_port(request));
    }
    dataplane::EthdevRequest request;
    request.name = interface;
    request.pool = pool;
    const auto device = test::must(dataplane::attach_device(
        fmt::format("net_af_xdp{},iface={},busy_budget=0", number, interface), request));
    return test::must(dataplane::open_device(device, request));
}

void feed(const std::string& interface, std::size_t size, const std::atomic<bool>& stop) {
    pin(kSender);
    std::vector<uint8_t> frame(size, 0);
    frame[0] = frame[6] = 2;
    frame[12] = 0x88;
    frame[13] = 0xb5;
    bench::offer(interface, {frame}, stop);
}

struct Figures {
    uint64_t frames = 0, cycles = 0;
};

Figures forward(dataplane::Port& in, dataplane::Port& out, double seconds) {
    Figures figures;
    rte_mbuf* packets[kBurst];
    const uint64_t end =
        rte_rdtsc() + static_cast<uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
    for (uint64_t now = rte_rdtsc(); now < end;) {
        const uint16_t count = in.rx_burst(0, packets, kBurst);
        if (count != 0) {
            const uint16_t sent = out.tx_burst(0, packets, count);
            rte_pktmbuf_free_bulk(packets + sent, count - sent);
            figures.frames += sent;
        }
        const uint64_t after = rte_rdtsc();
        if (count != 0)
            figures.cycles += after - now;
        now = after;
    }
    return figures;
}

int measure(bool ours, std::size_t size, double seconds) {
    if (unshare(CLONE_NEWNET) != 0 ||
        !run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1") ||
        !run(
            "for n in 0 1; do ip link add in$n numrxqueues 1 numtxqueues 1 type veth peer name "
            "out$n numrxqueues 1 numtxqueues 1; ip link set in$n up; ip link set out$n up; done")) {
        std::fputs("probe_xdp: needs root\n", stderr);
        return 1;
    }
    dataplane::EalRequest request;
    request.worker_cores = {kForwarder};
    test::must(dataplane::start_eal(request));
    // DPDK's driver keeps 4096 buffers a port, and takes none that is larger than a page.
    rte_mempool* pool =
        test::must(dataplane::make_packet_pool(16383, dataplane::packet_room(1500)));
    const PortPtr in = open_port(ours, 0, "in0", pool), out = open_port(ours, 1, "in1", pool);
    std::atomic<bool> stop{false};
    std::thread sender([&] { feed("out0", size, stop); });
    pin(kForwarder);
    (void)forward(*in, *out, 0.3); // warm
    const Figures figures = forward(*in, *out, seconds);
    stop = true;
    sender.join();
    const double hz = static_cast<double>(rte_get_tsc_hz());
    const auto frames = static_cast<double>(figures.frames);
    fmt::print("{:.4f} {:.1f}\n", frames / seconds / 1e6,
               static_cast<double>(figures.cycles) / hz * 1e9 / std::max(frames, 1.0));
    return 0;
}

} // namespace
} // namespace isthmus

// probe_xdp xdp|net_af_xdp OCTETS SECONDS: "Mpps ns"
int main(int argc, char** argv) {
    if (argc != 4)
        return 2;
    const std::string kind = argv[1];
    return isthmus::measure(kind == "xdp", std::strtoul(argv[2], nullptr, 10),
                            std::strtod(argv[3], nullptr));
}
