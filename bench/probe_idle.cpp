// What a worker costs while nothing happens, and how long a packet waits for it: the share of a
// core that an idle worker uses, and the time from a packet being there to rx_burst returning it,
// for both values of `poll`, with a port that has a descriptor to wait for and one that has none;
// and what the machine itself takes to wake a thread that does nothing but wait for a descriptor.
//
//   probe_idle        one worker on the last core that this process may use; about 80 s

#include "control/control_plane.hpp"
#include "control/state_store.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/eal.hpp"
#include "tests/must.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <poll.h>
#include <random>
#include <sched.h>
#include <sys/eventfd.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace isthmus {
namespace {

using test::must;
using namespace std::chrono_literals;

rte_mempool* pool = nullptr;

// One packet at a time; it comes when send() says so.
class ProbePort final : public dataplane::Port {
  public:
    explicit ProbePort(bool tells) : fd_(tells ? eventfd(0, EFD_NONBLOCK) : -1) {}
    ~ProbePort() override {
        if (fd_ >= 0)
            close(fd_);
    }

    // Returns how many ticks later a worker has it.
    uint64_t send() {
        const uint64_t one = 1;
        const uint64_t start = rte_rdtsc_precise();
        received_tsc_.store(0, std::memory_order_relaxed);
        waiting_.store(true, std::memory_order_release);
        if (fd_ >= 0)
            (void)!write(fd_, &one, sizeof one);
        uint64_t received = 0;
        while ((received = received_tsc_.load(std::memory_order_acquire)) == 0)
            std::this_thread::sleep_for(20us);
        return received > start ? received - start : 0;
    }

    uint16_t rx_burst(uint16_t, rte_mbuf** packets, uint16_t) noexcept override {
        if (!waiting_.load(std::memory_order_acquire))
            return 0;
        const uint64_t now = rte_rdtsc();
        packets[0] = rte_pktmbuf_alloc(pool);
        if (packets[0] == nullptr)
            return 0;
        rte_pktmbuf_append(packets[0], 60);
        waiting_.store(false, std::memory_order_relaxed);
        received_tsc_.store(now, std::memory_order_release);
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
    std::string_view driver() const override { return "probe"; }
    MacAddr mac() const override { return {{2, 0, 0, 0, 0, 1}}; }
    bool link_up() const override { return true; }
    dataplane::DeviceLosses losses() const override { return {}; }
    void stop() override {}

  private:
    int fd_;
    std::atomic<bool> waiting_{false};
    std::atomic<uint64_t> received_tsc_{0};
};

double seconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Of all threads but this one, in percent of a core.
double share_of_others(std::chrono::milliseconds time) {
    const auto used = [] {
        return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
    };
    const double start = seconds(CLOCK_MONOTONIC), before = used();
    std::this_thread::sleep_for(time);
    return 100 * (used() - before) / (seconds(CLOCK_MONOTONIC) - start);
}

struct Quantiles {
    double p50 = 0, p99 = 0, most = 0; // us
};

// Packets with pauses of `least` to twice that between them.
Quantiles wake_up(ProbePort& port, std::chrono::microseconds least, int packets) {
    std::mt19937 random(7);
    std::uniform_int_distribution<long> pause(least.count(), 2 * least.count());
    std::vector<double> us;
    for (int n = 0; n < packets; ++n) {
        std::this_thread::sleep_for(std::chrono::microseconds(pause(random)));
        us.push_back(static_cast<double>(port.send()) * 1e6 /
                     static_cast<double>(rte_get_tsc_hz()));
    }
    std::ranges::sort(us);
    return {us[us.size() / 2], us[us.size() * 99 / 100], us.back()};
}

// Prints the row of whoever polls the port now.
void report(const char* name, ProbePort& port) {
    std::this_thread::sleep_for(200ms);
    const double idle = share_of_others(3s);
    const Quantiles often = wake_up(port, 1ms, 2000);
    const Quantiles seldom = wake_up(port, 100ms, 60);
    fmt::print("| {} | {:.1f} % | {:.0f} / {:.0f} / {:.0f} | {:.0f} / {:.0f} / {:.0f} |\n", name,
               idle, often.p50, often.p99, often.most, seldom.p50, seldom.p99, seldom.most);
}

void measure_machine(unsigned core) {
    ProbePort port(true);
    std::atomic<bool> stop{false};
    std::thread waiter([&] {
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(core, &own);
        sched_setaffinity(0, sizeof own, &own);
        pollfd told{port.wait_fd(0), POLLIN, 0};
        rte_mbuf* packet = nullptr;
        while (!stop.load(std::memory_order_relaxed)) {
            if (port.rx_burst(0, &packet, 1) != 0)
                rte_pktmbuf_free(packet);
            else if (poll(&told, 1, 1000) == 1)
                port.disarm(0);
        }
    });
    report("a thread that only waits for a descriptor", port);
    stop.store(true, std::memory_order_relaxed);
    waiter.join();
}

void measure(const char* name, control::PollMode mode, bool tells, unsigned core) {
    control::Config config;
    config.worker_cores = {core};
    config.poll = mode;
    config.max_attachments = 1;
    config.edges = {{"edge", "edge"}};
    config.ports = {{"vpc", EdgeId(0), "probe", std::nullopt, 1500, true, 0}};
    auto owned = std::make_unique<ProbePort>(tells);
    ProbePort& port = *owned;
    dataplane::DataplaneSetup setup;
    setup.config = &config;
    setup.ports.push_back(std::move(owned));
    setup.aead = must(macsec::make_aead("openssl"));
    setup.pools.assign(config.ports.size(), pool);
    const auto plane = must(dataplane::Dataplane::create(std::move(setup)));
    plane->start();
    control::ControlPlane control(config, *plane, control::ControlOptions{});
    report(name, port);
    plane->stop();
}

int run(const char* program) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    std::vector<unsigned> cores;
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &allowed))
            cores.push_back(core);
    dataplane::EalRequest request;
    request.program = program;
    request.memory_mb = 64;
    request.worker_cores = {cores.back()};
    request.main_core = cores.front();
    must(dataplane::start_eal(request));
    pool = must(dataplane::make_packet_pool(4096, dataplane::packet_room(1500)));
    fmt::print("Wake-up: p50 / p99 / most, us from a packet being there to rx_burst returning it\n"
               "| poll | idle worker | a packet every 1 to 2 ms | every 100 to 200 ms |\n"
               "| --- | --- | --- | --- |\n");
    measure_machine(cores.back());
    measure("`busy`", control::PollMode::busy, false, cores.back());
    measure("`adaptive`, port with a descriptor", control::PollMode::adaptive, true, cores.back());
    measure("`adaptive`, port without", control::PollMode::adaptive, false, cores.back());
    return 0;
}

} // namespace
} // namespace isthmus

int main(int, char** argv) {
    return isthmus::run(argv[0]);
}
