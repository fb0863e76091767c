// Cost per packet of the table look-ups of the pipeline, in bursts of 64.

#include "dataplane/channel_choice.hpp"
#include "dataplane/fib.hpp"
#include "dataplane/meter.hpp"

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <chrono>
#include <random>

namespace isthmus::dataplane {
namespace {

// Enough different packets that neither branch predictor nor cache learns them by heart.
constexpr std::size_t kPackets = 8192;
constexpr std::size_t kBurst = 64;

template <class Body> void run_bursts(benchmark::State& state, Body&& body) {
    const auto started = std::chrono::steady_clock::now();
    const uint64_t start_tsc = __rdtsc();
    uint64_t packets = 0;
    for (auto _ : state) {
        body(packets % kPackets);
        packets += kBurst;
    }
    const auto cycles = static_cast<double>(__rdtsc() - start_tsc);
    const std::chrono::duration<double, std::nano> ns = std::chrono::steady_clock::now() - started;
    state.counters["ns_per_packet"] = ns.count() / static_cast<double>(packets);
    state.counters["cycles_per_packet"] = cycles / static_cast<double>(packets);
}

// A VPC with 1000 subnets and a default route; one packet in 16 takes the default.
void fib4(benchmark::State& state) {
    std::mt19937_64 rng(1);
    std::vector<FibRoute<Ipv4Prefix>> routes{{{}, 1}};
    while (routes.size() <= 1000)
        routes.push_back({{{10u << 24 | static_cast<uint32_t>(rng() % 65536) << 8}, 24},
                          static_cast<FibValue>(1 + routes.size() % 8)});
    const Fib4 fib(routes);
    std::vector<Ipv4Addr> addresses(kPackets);
    for (auto& addr : addresses)
        addr = rng() % 16 == 0
                   ? Ipv4Addr{static_cast<uint32_t>(rng())}
                   : Ipv4Addr{routes[1 + rng() % 1000].prefix.addr.value | uint32_t(rng() % 256)};
    run_bursts(state, [&](std::size_t first) {
        FibValue values[kBurst];
        for (std::size_t i = 0; i < kBurst; ++i)
            values[i] = fib.lookup(addresses[first + i]);
        benchmark::DoNotOptimize(values);
    });
}

void fib6(benchmark::State& state) {
    std::mt19937_64 rng(1);
    std::vector<FibRoute<Ipv6Prefix>> routes{{{}, 1}};
    while (routes.size() <= 1000)
        routes.push_back({{{uint64_t{0xfd00} << 48 | rng() % 65536 << 16, 0}, 48},
                          static_cast<FibValue>(1 + routes.size() % 8)});
    const Fib6 fib(routes);
    std::vector<Ipv6Addr> addresses(kPackets);
    for (auto& addr : addresses)
        addr = rng() % 16 == 0
                   ? Ipv6Addr{rng(), rng()}
                   : Ipv6Addr{routes[1 + rng() % 1000].prefix.addr.high | rng() % 65536, rng()};
    run_bursts(state, [&](std::size_t first) {
        FibValue values[kBurst];
        for (std::size_t i = 0; i < kBurst; ++i)
            values[i] = fib.lookup(addresses[first + i]);
        benchmark::DoNotOptimize(values);
    });
}

// One customer at 100 Gbps who offers less; one clock reading per burst.
void meter(benchmark::State& state) {
    constexpr uint64_t kTscHz = 2'500'000'000;
    MeterBucket bucket;
    MeterCredit credit;
    const auto rate = MeterRate::from(100'000'000'000, 1000, 9000, kTscHz);
    const auto bytes = static_cast<uint32_t>(state.range(0));
    uint64_t now = kTscHz;
    run_bursts(state, [&](std::size_t) {
        now += kBurst * bytes * 8 * kTscHz / 90'000'000'000;
        uint32_t passed = 0;
        for (std::size_t i = 0; i < kBurst; ++i)
            passed += credit.conforms(bucket, rate, bytes, now);
        benchmark::DoNotOptimize(passed);
    });
}

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
        uint8_t members[kBurst];
        for (std::size_t i = 0; i < kBurst; ++i) {
            const Addr source = addresses[first + i];
            const Addr destination = addresses[first + (i ^ 1)];
            const auto ports = static_cast<uint32_t>(first + i);
            members[i] = choose_member(table, flow_hash(7, source, destination, 17, ports));
        }
        benchmark::DoNotOptimize(members);
    });
}

BENCHMARK(fib4)->Name("table/fib4/1000");
BENCHMARK(fib6)->Name("table/fib6/1000");
BENCHMARK(meter)->Name("table/meter")->Arg(64)->Arg(512)->Arg(1400);
BENCHMARK(channel<Ipv4Addr>)->Name("table/channel4");
BENCHMARK(channel<Ipv6Addr>)->Name("table/channel6");

} // namespace
} // namespace isthmus::dataplane

BENCHMARK_MAIN();
