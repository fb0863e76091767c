// What changes cost the control thread, with one worker that polls idle ports on a core of its own:
// every figure includes the wait until that worker forwards by the change.
//
//   routes/change/<changes in a call>     in one attachment of 1,000,000 IPv4 routes
//   routes/load                           1,000,000 IPv4 routes in one call
//   switch/<drain|down>/<attachments>     a channel is taken out of use, and back, by turns

#include "control/control_plane.hpp"
#include "control/state_store.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/eal.hpp"
#include "isthmus/clock.hpp"
#include "tests/must.hpp"
#include "tests/packets.hpp"

#include <rte_mbuf.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <time.h>
#include <vector>

namespace isthmus {
namespace {

using control::AdminState;
using control::ControlPlane;
using control::Route;
using control::RouteChange;
using control::Via;
using test::must;

constexpr std::size_t kInterconnects = 4, kChannels = 4; // channels of each
constexpr std::size_t kVpcPorts = 4;
constexpr std::size_t kPorts = kVpcPorts + kInterconnects * kChannels;
constexpr std::size_t kAttachmentsPerPort = 2500;

rte_mempool* pool = nullptr;

// Nothing arrives, and whatever is sent gets lost.
class IdlePort : public dataplane::Port {
  public:
    explicit IdlePort(uint8_t number) : mac_{{2, 0, 0, 0, 0, number}} {}
    uint16_t rx_burst(uint16_t, rte_mbuf**, uint16_t) noexcept override { return 0; }
    uint16_t tx_burst(uint16_t, rte_mbuf** packets, uint16_t count) noexcept override;
    uint16_t rx_queues() const override { return 1; }
    uint16_t tx_queues() const override { return 1; }
    std::string_view driver() const override { return "idle"; }
    MacAddr mac() const override { return mac_; }
    bool link_up() const override { return true; }
    dataplane::DeviceLosses losses() const override { return {}; }
    void stop() override {}

  private:
    MacAddr mac_;
};

control::Config make_config() {
    control::Config config;
    config.worker_cores = {1};
    config.max_attachments = 10'000;
    config.allow_plaintext = true;
    config.edges = {{"edge", "edge"}};
    for (std::size_t p = 0; p < kPorts; ++p)
        config.ports.push_back({fmt::format("p{}", p), EdgeId(0), "", std::nullopt, 1500, true, 0});
    for (std::size_t i = 0; i < kInterconnects; ++i) {
        config.interconnects.push_back({fmt::format("ic{}", i), EdgeId(0), "peer"});
        for (std::size_t c = 0; c < kChannels; ++c) {
            control::ChannelConfig channel;
            channel.name = fmt::format("ch{}-{}", i, c);
            channel.edge = EdgeId(0);
            channel.interconnect = InterconnectId(i);
            channel.port = PortId(kVpcPorts + i * kChannels + c);
            channel.protect_frames = false;
            channel.validate_frames = macsec::ValidateFrames::null;
            config.channels.push_back(channel);
        }
    }
    return config;
}

// Attachment `number` with a feature on every channel of its interconnect.
control::Attachment make_attachment(std::size_t number) {
    const std::size_t group = number / kAttachmentsPerPort;
    const auto place = static_cast<uint16_t>(number % kAttachmentsPerPort);
    control::Attachment spec;
    spec.name = fmt::format("a{}", number);
    spec.edge = EdgeId(0);
    spec.interconnect = InterconnectId(group);
    spec.port = PortId(group);
    spec.vlan = static_cast<uint16_t>(1 + place);
    spec.local.ipv4 = Ipv4Prefix{test::v4("10.1.0.1"), 24};
    for (std::size_t c = 0; c < kChannels; ++c) {
        const ChannelId channel(group * kChannels + c);
        control::Feature feature;
        feature.vlan = static_cast<uint16_t>(1025 + place);
        feature.local.ipv4 = Ipv4Prefix{test::v4(fmt::format("169.254.{}.1", c)), 30};
        feature.peer_ipv4 = test::v4(fmt::format("169.254.{}.2", c));
        spec.features[channel] = feature;
        spec.static_neighbours[{channel, *feature.peer_ipv4}] = MacAddr{{2, 0xbb, 0, 0, 0, 1}};
    }
    spec.routes[must(parse_prefix("10.2.0.0/16"))] = {Via::channels, {}};
    return spec;
}

// One edge with its worker, as long as a benchmark lasts.
class Bed {
  public:
    Bed() {
        const control::Config config = make_config();
        dataplane::DataplaneSetup setup;
        setup.config = &config;
        for (std::size_t p = 0; p < kPorts; ++p)
            setup.ports.push_back(std::make_unique<IdlePort>(static_cast<uint8_t>(p)));
        setup.aead = must(macsec::make_aead("auto"));
        setup.pools.assign(kPorts, pool);
        plane_ = must(dataplane::Dataplane::create(std::move(setup)));
        control_ = std::make_unique<ControlPlane>(config, *plane_);
    }
    // Until then changes have nobody to wait for.
    void start() { plane_->start(); }
    ~Bed() {
        plane_->stop();
        control_->release_keys();
        control_.reset();
    }
    ControlPlane& control() { return *control_; }

  private:
    std::unique_ptr<dataplane::Dataplane> plane_;
    std::unique_ptr<ControlPlane> control_;
};

uint16_t IdlePort::tx_burst(uint16_t, rte_mbuf** packets, uint16_t count) noexcept {
    rte_pktmbuf_free_bulk(packets, count);
    return count;
}

// A shared machine may take the worker's core away for longer than a change waits for it. The
// change is made then, and its time counts.
void made(const Result<void>& result) {
    if (!result && result.error().code != ErrorCode::unavailable)
        throw std::runtime_error(result.error().message);
}

uint64_t thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Microseconds of each call, and the CPU time of all, which others on the machine move less.
class Latencies {
  public:
    template <class Call> void time(Call&& call) {
        const uint64_t begin = monotonic_ns(), cpu_begin = thread_cpu_ns();
        call();
        cpu_ns_ += thread_cpu_ns() - cpu_begin;
        us_.push_back(static_cast<double>(monotonic_ns() - begin) / 1e3);
    }
    // Figures by change, of which there were so many.
    void report_changes(benchmark::State& state, std::size_t changes) const {
        const auto count = static_cast<double>(changes);
        state.counters["changes_per_second"] = count / seconds();
        state.counters["changes_per_cpu_second"] = count * 1e9 / static_cast<double>(cpu_ns_);
    }
    void report(benchmark::State& state) {
        std::sort(us_.begin(), us_.end());
        double sum = 0;
        for (const double us : us_)
            sum += us;
        state.SetIterationTime(sum / 1e6);
        state.counters["us_median"] = us_[us_.size() / 2];
        state.counters["us_p99"] = us_[us_.size() * 99 / 100];
        state.counters["us_max"] = us_.back();
        state.counters["cpu_us"] =
            static_cast<double>(cpu_ns_) / 1e3 / static_cast<double>(us_.size());
    }
    [[nodiscard]] double seconds() const {
        double sum = 0;
        for (const double us : us_)
            sum += us;
        return sum / 1e6;
    }

  private:
    std::vector<double> us_;
    uint64_t cpu_ns_ = 0;
};

using Routes = std::vector<std::pair<IpPrefix, Route>>;

const Routes& million() {
    static const Routes routes = [] {
        Routes read;
        std::ifstream file(ISTHMUS_ROUTES_DIR "/ipv4_1m.routes");
        std::string prefix, rest;
        while (file >> prefix && std::getline(file, rest))
            read.emplace_back(must(parse_prefix(prefix)), Route{Via::channels, {}});
        if (read.size() != 1'000'000)
            throw std::runtime_error("ipv4_1m.routes does not hold a million routes");
        return read;
    }();
    return routes;
}

void load(benchmark::State& state) {
    for ([[maybe_unused]] auto _ : state) {
        Bed bed;
        const AttachmentId id = must(bed.control().add_attachment(make_attachment(0)));
        bed.start();
        const RouteChange change{million(), {}};
        Latencies latencies;
        latencies.time([&] { must(bed.control().change_routes(id, change)); });
        latencies.report(state);
        latencies.report_changes(state, million().size());
    }
}

// Routes go and come back, or change to a next hop in the VPC and back.
void change(benchmark::State& state, std::size_t batch) {
    constexpr std::size_t kChanges = 400'000;
    for ([[maybe_unused]] auto _ : state) {
        Bed bed;
        const AttachmentId id = must(bed.control().add_attachment(make_attachment(0)));
        must(bed.control().change_routes(id, {million(), {}}));
        bed.start();
        std::mt19937_64 random(1);
        Latencies latencies;
        std::size_t done = 0;
        for (std::size_t turn = 0; done < kChanges; ++turn) {
            RouteChange there, back;
            for (std::size_t n = 0; n < batch; ++n) {
                const auto& route = million()[random() % million().size()];
                back.add.push_back(route);
                if (n % 2 == turn % 2)
                    there.add.emplace_back(
                        route.first, Route{Via::vpc, Ipv4Addr{test::v4("10.1.0.16").value +
                                                              static_cast<uint32_t>(n % 16)}});
                else
                    there.remove.push_back(route.first);
            }
            latencies.time([&] { made(bed.control().change_routes(id, there)); });
            latencies.time([&] { made(bed.control().change_routes(id, back)); });
            done += 2 * batch;
        }
        latencies.report(state);
        latencies.report_changes(state, done);
        state.counters["arena_mib"] =
            static_cast<double>(dataplane::process_fib_arena().mapped_bytes()) / (1 << 20);
    }
}

void switch_channel(benchmark::State& state, AdminState away, std::size_t attachments) {
    constexpr int kSwitches = 50;
    for ([[maybe_unused]] auto _ : state) {
        Bed bed;
        Latencies adding, latencies;
        for (std::size_t n = 0; n < attachments; ++n)
            adding.time([&] {
                const auto added = bed.control().add_attachment(make_attachment(n));
                made(added ? Result<void>{} : Result<void>{added.error()});
            });
        bed.start();
        uint64_t now_ns = monotonic_ns();
        for (int n = 0; n < 100; ++n)
            bed.control().poll(now_ns += 1'000'000);
        for (int n = 0; n < kSwitches; ++n)
            for (const AdminState to : {away, AdminState::up}) {
                latencies.time([&] { made(bed.control().set_channel_admin(ChannelId(0), to)); });
                bed.control().poll(now_ns += 1'000'000);
            }
        latencies.report(state);
        state.counters["add_seconds"] = adding.seconds();
    }
}

template <class Function> void add(const std::string& name, Function&& function) {
    benchmark::RegisterBenchmark(name.c_str(), std::forward<Function>(function))
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    dataplane::EalRequest request;
    request.program = "bench_routes";
    request.worker_cores = {1};
    request.main_core = 0;
    must(dataplane::start_eal(request));
    pool = must(dataplane::make_packet_pool(16384, dataplane::packet_room(1500)));
    add("routes/load", load);
    for (const std::size_t batch : {1, 16, 256, 4096})
        add(fmt::format("routes/change/{}", batch),
            [batch](benchmark::State& state) { change(state, batch); });
    for (const std::size_t attachments : {10, 10'000})
        for (const auto& [name, away] :
             {std::pair{"drain", AdminState::drain}, std::pair{"down", AdminState::down}})
            add(fmt::format("switch/{}/{}", name, attachments),
                [away = away, attachments](benchmark::State& state) {
                    switch_channel(state, away, attachments);
                });
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

} // namespace
} // namespace isthmus

int main(int argc, char** argv) {
    return isthmus::run(argc, argv);
}
