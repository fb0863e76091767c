// Cost per packet of metering and of the choice of a channel, in bursts of 64, and how well a limit
// is kept in real time.

#include "dataplane/channel_choice.hpp"
#include "dataplane/flow_hash.hpp"
#include "dataplane/meter.hpp"

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace isthmus::dataplane {
namespace {

// Enough different packets that neither branch predictor nor cache learns them by heart.
constexpr std::size_t kPackets = 65'536;
constexpr uint64_t kTscHz = 2'500'000'000;
constexpr uint16_t kBytes = 700;

// As the meter finds them: the rates of an attachment and a worker's credit among other things.
struct alignas(kCacheLine) Attachment {
    std::array<std::byte, 40> others;
    MeterRate rate;
    std::array<std::byte, 160> more;
};
struct alignas(kCacheLine) Account {
    std::array<std::byte, 32> others;
    MeterCredit credit;
};

uint64_t measured_tsc_hz() {
    const auto started = std::chrono::steady_clock::now();
    const uint64_t start_tsc = __rdtsc();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
    return static_cast<uint64_t>(static_cast<double>(__rdtsc() - start_tsc) / spent.count());
}

// What this thread has used, so that others on the same cores are not counted.
double thread_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Body> void run_bursts(benchmark::State& state, Body&& body) {
    static const double cycles_per_ns = static_cast<double>(measured_tsc_hz()) / 1e9;
    const double started = thread_ns();
    uint64_t packets = 0;
    for (auto _ : state) {
        body(packets % kPackets);
        packets += kBurstMax;
    }
    const double ns = (thread_ns() - started) / static_cast<double>(packets);
    const auto mean = benchmark::Counter::kAvgThreads;
    state.counters["ns_per_packet"] = {ns, mean};
    state.counters["cycles_per_packet"] = {ns * cycles_per_ns, mean};
}

// Attachments with equal shares of 100 Gbps that are offered `load` percent of it, in random order.
struct Scene {
    std::vector<Attachment> attachments;
    std::vector<MeterBucket> buckets;
    std::vector<uint16_t> slots, bytes;
    uint64_t burst_tsc = 0; // time between two bursts
    std::array<uint8_t, kBurstMax> live;

    Scene(std::size_t count, uint64_t load, bool two_rates)
        : attachments(count), buckets(count), slots(kPackets), bytes(kPackets, kBytes) {
        const uint64_t bps = 100'000'000'000 / count;
        const uint64_t committed = two_rates ? bps / 2 : bps;
        for (auto& attachment : attachments)
            attachment.rate =
                MeterRate::two_rate(committed, bps, 10, kDefaultBurstUs, 9000, kTscHz);
        std::mt19937_64 rng(1);
        for (auto& slot : slots)
            slot = static_cast<uint16_t>(rng() % count);
        burst_tsc = uint64_t{kBurstMax} * kBytes * 8 * kTscHz / (1'000'000'000 * load);
        std::iota(live.begin(), live.end(), uint8_t{0});
    }
    MeterColours burst(std::span<Account> credits, std::size_t first, uint64_t now) {
        const auto rate_of = [this](uint16_t slot) -> const MeterRate& {
            return attachments[slot].rate;
        };
        const auto credit_of = [&](uint16_t slot) -> MeterCredit& { return credits[slot].credit; };
        for (std::size_t i = first; i < first + kBurstMax; ++i) { // as stage parse does
            __builtin_prefetch(&attachments[slots[i]].rate);
            __builtin_prefetch(&credits[slots[i]], 1);
            __builtin_prefetch(&buckets[slots[i]], 1);
        }
        return meter_burst({live, &slots[first], &bytes[first]}, buckets, credit_of, rate_of, now);
    }
};

void meter(benchmark::State& state, uint64_t load, bool two_rates) {
    Scene scene(static_cast<std::size_t>(state.range(0)), load, two_rates);
    std::vector<Account> credits(scene.buckets.size());
    uint64_t now = kTscHz, red = 0;
    run_bursts(state, [&](std::size_t first) {
        now += scene.burst_tsc;
        red += static_cast<uint64_t>(std::popcount(scene.burst(credits, first, now).red));
    });
    state.counters["red_percent"] =
        100.0 * static_cast<double>(red) / static_cast<double>(state.iterations() * kBurstMax);
}

// The same, one packet at a time.
void one_by_one(benchmark::State& state) {
    Scene scene(static_cast<std::size_t>(state.range(0)), 50, false);
    std::vector<Account> credits(scene.buckets.size());
    uint64_t now = kTscHz;
    run_bursts(state, [&](std::size_t first) {
        now += scene.burst_tsc;
        uint32_t passed = 0;
        for (std::size_t i = first; i < first + kBurstMax; ++i) {
            const uint16_t slot = scene.slots[i];
            passed += meter_whole({1, scene.bytes[i], slot}, 0, scene.attachments[slot].rate,
                                  scene.buckets[slot], credits[slot].credit, now);
        }
        benchmark::DoNotOptimize(passed);
    });
}

// Workers that meter the same attachments by the real clock, as fast as they can.
std::unique_ptr<Scene> shared_scene;

void contended(benchmark::State& state) {
    std::vector<Account> credits(static_cast<std::size_t>(state.range(0)));
    run_bursts(state, [&](std::size_t first) {
        benchmark::DoNotOptimize(shared_scene->burst(credits, first, __rdtsc()));
    });
}

// Threads that offer one limit as much as they can by the real clock, for one second after the
// burst is gone.
class RealSecond {
  public:
    RealSecond(uint64_t bps, std::size_t threads)
        : size_(bps > 10'000'000'000 ? 9000 : 1500),
          rate_(MeterRate::from(bps, kDefaultBurstUs, size_, kHz)), sizes_(kBurstMax, size_),
          passed_(threads) {
        std::iota(live_.begin(), live_.end(), uint8_t{0});
    }
    void run() {
        start_ = last_ = __rdtsc() + kHz / 20;
        std::vector<std::thread> threads;
        for (auto& sum : passed_)
            threads.emplace_back([this, &sum] { work(sum); });
        for (auto& thread : threads)
            thread.join();
    }
    double passed() const {
        return static_cast<double>(std::accumulate(passed_.begin(), passed_.end(), uint64_t{0}));
    }
    // Part of the second in which the bucket stood full, because all threads were preempted.
    double idle() const { return static_cast<double>(idle_) / static_cast<double>(kHz); }

  private:
    static inline const uint64_t kHz = measured_tsc_hz();

    void work(uint64_t& sum) {
        MeterCredit credit;
        const auto credit_of = [&credit](uint16_t) -> MeterCredit& { return credit; };
        const auto rate_of = [this](uint16_t) -> const MeterRate& { return rate_; };
        for (uint64_t now = __rdtsc(); now < start_ + kHz; now = __rdtsc()) {
            const auto colours = meter_burst({live_, slots_.data(), sizes_.data()}, bucket_,
                                             credit_of, rate_of, now);
            if (now < start_)
                continue;
            sum += static_cast<uint64_t>(std::popcount(~colours.red)) * size_;
            uint64_t last = last_.load();
            while (now > last && !last_.compare_exchange_weak(last, now)) {
            }
            const uint64_t full = last + (rate_.committed.burst_q6 >> 6);
            if (now > full)
                idle_ += now - full;
        }
    }

    uint16_t size_;
    MeterRate rate_;
    std::vector<MeterBucket> bucket_{1};
    std::vector<uint16_t> sizes_;
    std::array<uint16_t, kBurstMax> slots_{};
    std::array<uint8_t, kBurstMax> live_;
    std::vector<uint64_t> passed_;
    uint64_t start_ = 0;
    std::atomic<uint64_t> last_{0}, idle_{0};
};

void accuracy(benchmark::State& state) {
    const auto bps = static_cast<uint64_t>(state.range(0)) * 1'000'000;
    for (auto _ : state) {
        RealSecond second(bps, static_cast<std::size_t>(state.range(1)));
        second.run();
        const double bought = static_cast<double>(bps) / 8;
        state.counters["error_percent"] = 100 * (second.passed() - bought) / bought;
        state.counters["idle_percent"] = 100 * second.idle();
    }
}

void attachments(benchmark::internal::Benchmark* bench) {
    for (const int count : {1, 10, 1000, 10'000})
        bench->Arg(count);
}

BENCHMARK_CAPTURE(meter, one_rate, 50, false)->Name("meter/one_rate")->Apply(attachments);
BENCHMARK_CAPTURE(meter, two_rates, 50, true)->Name("meter/two_rates")->Apply(attachments);
BENCHMARK_CAPTURE(meter, one_over, 300, false)->Name("meter/one_rate_over")->Apply(attachments);
BENCHMARK_CAPTURE(meter, two_over, 300, true)->Name("meter/two_rates_over")->Apply(attachments);
BENCHMARK(one_by_one)->Name("meter/one_by_one")->Apply(attachments);
BENCHMARK(contended)
    ->Name("meter/contended")
    ->Apply(attachments)
    ->ThreadRange(1, 2)
    ->UseRealTime()
    ->Setup([](const benchmark::State& state) {
        shared_scene = std::make_unique<Scene>(static_cast<std::size_t>(state.range(0)), 50, false);
    })
    ->Teardown([](const benchmark::State&) { shared_scene.reset(); });
BENCHMARK(accuracy)
    ->Name("meter/accuracy")
    ->ArgNames({"mbps", "threads"})
    ->ArgsProduct({{1, 10, 100, 1000, 10'000, 100'000}, {1, 2}})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

template <class Addr> void channel(benchmark::State& state) {
    constexpr std::array<bool, 4> live{true, true, true, true};
    const BucketTable table = build_buckets(live);
    std::mt19937_64 rng(1);
    std::vector<Addr> addresses(kPackets);
    for (auto& addr : addresses) {
        if constexpr (sizeof(Addr) == 4)
            addr = {static_cast<uint32_t>(rng())};
        else
            addr = {rng(), rng()};
    }
    run_bursts(state, [&](std::size_t first) {
        uint8_t members[kBurstMax];
        for (std::size_t i = 0; i < kBurstMax; ++i) {
            const Addr source = addresses[first + i];
            const Addr destination = addresses[first + (i ^ 1)];
            const auto ports = static_cast<uint32_t>(first + i);
            members[i] = choose_member(table, flow_hash(7, source, destination, 17, ports));
        }
        benchmark::DoNotOptimize(members);
    });
}

// One switch of an interconnect, however many attachments it has: `lost` of 4 or 16 channels.
void build(benchmark::State& state) {
    std::vector<Member> members(static_cast<std::size_t>(state.range(0)));
    for (std::size_t m = 0; m < members.size(); ++m)
        members[m] = {m >= static_cast<std::size_t>(state.range(1)), m % 2 == 0 ? 100u : 400u};
    for (auto _ : state)
        benchmark::DoNotOptimize(build_buckets(members));
}

BENCHMARK(build)
    ->Name("channel/build")
    ->ArgNames({"members", "lost"})
    ->ArgsProduct({{4, 16}, {0, 1, 2, 3, 12}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(channel<Ipv4Addr>)->Name("channel/ipv4");
BENCHMARK(channel<Ipv6Addr>)->Name("channel/ipv6");

} // namespace
} // namespace isthmus::dataplane

BENCHMARK_MAIN();
