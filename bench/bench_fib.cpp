// The FIB against DPDK's tables: bursts of 64 random addresses that hit a route.
//
// All tables of a kind are filled first and then measured in turn, round by round; names report the
// median over the rounds, `speedup` is the median of what isthmus does against this table within
// one round. rte_fib and rte_fib6 take the fastest look-up that this CPU has, and as `_scalar` the
// fastest one for CPUs without AVX-512. DPDK's tables are on ordinary pages, as --no-huge gives
// them, and with `_huge` in a heap of transparent huge pages; ours asks for those by itself, and
// with `_4k` does without.

#include "bench_fib_peers.hpp"
#include "bench_fib_routes.hpp"

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include <time.h>

namespace isthmus::bench {
namespace {

using dataplane::Fib4;
using dataplane::Fib6;
using dataplane::FibArena;
using dataplane::FibPages;

constexpr std::size_t kAddresses = std::size_t{1} << 20;
constexpr unsigned kRounds = 21;
constexpr unsigned kDpdkMemoryMb = 4096;
constexpr std::size_t kVrfs = 4000;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
}

template <class Table, class Call>
void burst_of(const std::vector<Ipv4Addr>& addresses, std::size_t first, FibValue* values,
              Call&& call) {
    alignas(64) FibValue found[kBurst];
    call(&addresses[first], found);
    benchmark::DoNotOptimize(found);
    if (values != nullptr)
        std::copy_n(found, kBurst, values);
}
template <class Table, class Call>
void burst_of(const std::vector<WireAddr6>& addresses, std::size_t first, FibValue* values,
              Call&& call) {
    alignas(64) FibValue found[kBurst];
    Ipv6Addr host[kBurst];
    for (unsigned i = 0; i < kBurst; ++i)
        host[i] = from_wire(addresses[first + i]);
    call(host, found);
    benchmark::DoNotOptimize(found);
    if (values != nullptr)
        std::copy_n(found, kBurst, values);
}

template <class Table, class Routes, class Addresses>
Contender make_isthmus(const Routes& routes, const Addresses& addresses, FibPages pages) {
    Contender made;
    made.name = pages == FibPages::huge ? "isthmus" : "isthmus_4k";
    const auto arena = std::make_shared<FibArena>(pages);
    const auto start = Clock::now();
    const std::shared_ptr<Table> table(new Table(routes, *arena),
                                       [arena](Table* gone) { delete gone; });
    made.load_seconds = seconds_since(start);
    made.memory_bytes = table->memory_bytes();
    made.burst = [table, &addresses](std::size_t first, FibValue* values) {
        burst_of<Table>(addresses, first, values, [&](const auto* from, FibValue* found) {
            table->lookup_bulk(from, found, kBurst);
        });
    };
    return made;
}

// One kind of table, and what it was measured to do.
struct Result {
    Contender contender;
    std::vector<double> ns; // by round, per look-up
};
using Group = std::vector<Result>;

void check_agreement(const Group& group) {
    std::vector<FibValue> expected(kAddresses), values(kAddresses);
    for (std::size_t c = 0; c < group.size(); ++c) {
        if (group[c].contender.prepare)
            group[c].contender.prepare();
        auto& into = c == 0 ? expected : values;
        for (std::size_t first = 0; first < kAddresses; first += kBurst)
            group[c].contender.burst(first, &into[first]);
        if (c != 0 && values != expected) {
            std::fprintf(stderr, "bench_fib: %s and %s differ\n", group[c].contender.name.c_str(),
                         group[0].contender.name.c_str());
            std::exit(1);
        }
    }
    if (std::count(expected.begin(), expected.end(), 0u) != 0) {
        std::fprintf(stderr, "bench_fib: an address hits no route\n");
        std::exit(1);
    }
}

// Processor time of this thread: on a shared machine other programs take their turns in between.
double thread_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// All addresses once, to have the caches as they are when one table is at work, and once more
// against the clock.
double pass_ns(const Contender& contender) {
    if (contender.prepare)
        contender.prepare();
    for (std::size_t i = 0; i < kAddresses; i += kBurst)
        contender.burst(i, nullptr);
    const double start = thread_ns();
    for (std::size_t i = 0; i < kAddresses; i += kBurst)
        contender.burst(i, nullptr);
    return (thread_ns() - start) / kAddresses;
}

void measure(Group& group) {
    std::erase_if(group, [](const Result& result) {
        if (!result.contender.burst)
            std::fprintf(stderr, "bench_fib: %s is left out: %s\n", result.contender.name.c_str(),
                         result.contender.note.c_str());
        return !result.contender.burst;
    });
    check_agreement(group);
    for (unsigned round = 0; round < kRounds; ++round)
        for (Result& result : group)
            result.ns.push_back(pass_ns(result.contender));
}

// Of the time stamp counter, for cycles_per_packet.
double tsc_ghz() {
    const auto start = Clock::now();
    const uint64_t tsc = __rdtsc();
    while (seconds_since(start) < 0.02) {
    }
    return static_cast<double>(__rdtsc() - tsc) / (seconds_since(start) * 1e9);
}

Group group_of(std::vector<Contender> contenders) {
    Group group;
    for (auto& contender : contenders)
        group.push_back({std::move(contender), {}});
    measure(group);
    return group;
}

Group ipv4_group(const Routes4& routes, bool with_lpm) {
    std::mt19937_64 rng(1);
    // Kept for good: the look-ups of the group read it.
    auto* addresses = new std::vector<Ipv4Addr>(kAddresses);
    for (auto& addr : *addresses)
        addr = random_in(routes[rng() % routes.size()].prefix, rng);
    std::vector<Contender> all{make_isthmus<Fib4>(routes, *addresses, FibPages::huge),
                               make_isthmus<Fib4>(routes, *addresses, FibPages::ordinary)};
    for (const PeerPages pages : {PeerPages::ordinary, PeerPages::huge})
        for (Contender& peer : make_rte_fib(routes, *addresses, pages))
            all.push_back(std::move(peer));
    if (with_lpm)
        all.push_back(make_rte_lpm(routes, *addresses));
    return group_of(std::move(all));
}

Group ipv6_group(const Routes6& routes, bool with_lpm) {
    std::mt19937_64 rng(1);
    auto* addresses = new std::vector<WireAddr6>(kAddresses);
    for (auto& addr : *addresses)
        addr = to_wire(random_in(routes[rng() % routes.size()].prefix, rng));
    std::vector<Contender> all{make_isthmus<Fib6>(routes, *addresses, FibPages::huge),
                               make_isthmus<Fib6>(routes, *addresses, FibPages::ordinary)};
    for (const PeerPages pages : {PeerPages::ordinary, PeerPages::huge})
        for (Contender& peer : make_rte_fib6(routes, *addresses, pages))
            all.push_back(std::move(peer));
    if (with_lpm)
        all.push_back(make_rte_lpm6(routes, *addresses));
    return group_of(std::move(all));
}

// Thousands of tables in one arena, each look-up in any of them.
template <class Table, class Addresses, class Routes>
Contender make_vrfs(Routes (*draw)(std::mt19937_64&, std::size_t), std::size_t routes_each,
                    Addresses& addresses) {
    struct All {
        FibArena arena;
        std::vector<std::unique_ptr<Table>> tables;
        std::vector<const typename Table::Root*> of; // by address
    };
    auto all = std::make_shared<All>();
    std::mt19937_64 rng(1);
    Contender made;
    made.name = "isthmus";
    addresses.resize(kAddresses);
    std::vector<Routes> routes;
    for (std::size_t v = 0; v < kVrfs; ++v)
        routes.push_back(draw(rng, routes_each));
    const auto start = Clock::now();
    for (const Routes& own : routes)
        all->tables.push_back(std::make_unique<Table>(own, all->arena));
    made.load_seconds = seconds_since(start);
    for (auto& addr : addresses) {
        const std::size_t v = rng() % kVrfs;
        all->of.push_back(&all->tables[v]->root());
        const auto in = random_in(routes[v][1 + rng() % (routes_each - 1)].prefix, rng);
        if constexpr (sizeof in == sizeof(Ipv6Addr))
            addr = to_wire(in);
        else
            addr = in;
    }
    made.memory_bytes = all->arena.mapped_bytes() + kVrfs * sizeof(Table);
    made.burst = [all, &addresses](std::size_t first, FibValue* values) {
        burst_of<Table>(addresses, first, values, [&](const auto* from, FibValue* found) {
            Table::lookup_bulk(all->arena, &all->of[first], from, found, kBurst);
        });
    };
    return made;
}

// Not before a benchmark needs it: to touch all of its memory takes many seconds.
void need_dpdk() {
    static const bool started = start_dpdk(kDpdkMemoryMb);
    if (started)
        return;
    std::fprintf(stderr, "bench_fib: DPDK does not start with %u MiB\n", kDpdkMemoryMb);
    std::exit(1);
}

Group measured(const std::string& table) {
    need_dpdk();
    if (table == "ipv4_1m")
        return ipv4_group(read_routes<Ipv4Prefix>("ipv4_1m.routes"), false);
    if (table == "ipv4_1k")
        return ipv4_group(read_routes<Ipv4Prefix>("ipv4_1k.routes"), true);
    if (table == "ipv6_200k")
        return ipv6_group(read_routes<Ipv6Prefix>("ipv6_200k.routes"), true);
    if (table == "ipv6_1k")
        return ipv6_group(read_routes<Ipv6Prefix>("ipv6_1k.routes"), true);
    std::mt19937_64 rng(2);
    if (table == "vpc4_1k")
        return ipv4_group(vrf_routes4(rng, 1000), true);
    if (table == "vpc6_1k")
        return ipv6_group(vrf_routes6(rng, 1000), true);
    if (table == "ipv4_4000x1000") {
        auto* addresses = new std::vector<Ipv4Addr>;
        return group_of({make_vrfs<Fib4>(vrf_routes4, 1000, *addresses)});
    }
    auto* addresses = new std::vector<WireAddr6>;
    return group_of({make_vrfs<Fib6>(vrf_routes6, 100, *addresses)});
}

const Group& group(const std::string& table) {
    static std::map<std::string, Group> groups;
    const auto [place, fresh] = groups.try_emplace(table);
    if (fresh)
        place->second = measured(table);
    return place->second;
}

void report(benchmark::State& state, const std::string& table, const std::string& name) {
    static const double kTscGhz = tsc_ghz();
    const Group& all = group(table);
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Result& r) { return r.contender.name == name; });
    const double ns = found == all.end() ? 0 : median(found->ns);
    for (auto _ : state)
        state.SetIterationTime(ns * kBurst * 1e-9);
    if (found == all.end())
        return state.SetLabel("could not be filled");
    std::vector<double> speedups;
    for (unsigned round = 0; round < kRounds; ++round)
        speedups.push_back(found->ns[round] / all[0].ns[round]);
    state.counters["ns_per_packet"] = ns;
    state.counters["cycles_per_packet"] = ns * kTscGhz;
    state.counters["mlookups_per_s"] = 1e3 / ns;
    state.counters["speedup"] = median(speedups);
    state.counters["memory_mib"] = static_cast<double>(found->contender.memory_bytes) / 1048576;
    state.counters["load_s"] = found->contender.load_seconds;
    state.SetLabel(found->contender.note);
}

void add(const std::string& table, const std::vector<std::string>& names) {
    for (const std::string& name : names)
        benchmark::RegisterBenchmark(
            ("fib/" + name + "/" + table).c_str(),
            [table, name](benchmark::State& state) { report(state, table, name); })
            ->Iterations(1)
            ->UseManualTime();
}

// Announcements, withdrawals and other next hops in equal parts, in batches; every batch is
// published and its old nodes are reclaimed. ns_per_packet is nanoseconds per change here.
template <class Table, class Prefix> void changes(benchmark::State& state, const char* file) {
    static auto routes = read_routes<Prefix>(file);
    static FibArena* arena = new FibArena;
    static auto* table = new Table(routes, *arena);
    std::mt19937_64 rng(state.range(0));
    std::vector<FibRoute<Prefix>> withdrawn, batch;
    uint64_t count = 0;
    const double start = thread_ns();
    for (auto _ : state) {
        batch.clear();
        for (int64_t i = 0; i < state.range(0); ++i) {
            const auto& route = routes[rng() % routes.size()];
            if (rng() % 3 == 0)
                batch.push_back({route.prefix, static_cast<FibValue>(1 + rng() % 64)});
            else if (withdrawn.empty() || rng() % 2 == 0) {
                batch.push_back({route.prefix, 0});
                withdrawn.push_back(route);
            } else {
                batch.push_back(withdrawn.back());
                withdrawn.pop_back();
            }
        }
        if (!table->apply(batch))
            return state.SkipWithError("no room");
        arena->reclaim(arena->retire_epoch());
        count += batch.size();
    }
    const double seconds = (thread_ns() - start) * 1e-9;
    state.counters["ns_per_packet"] = seconds * 1e9 / static_cast<double>(count);
    state.counters["changes_per_s"] = static_cast<double>(count) / seconds;
    state.counters["memory_mib"] = static_cast<double>(table->memory_bytes()) / 1048576;
    if (!table->apply(withdrawn))
        state.SkipWithError("no room");
}

} // namespace
} // namespace isthmus::bench

int main(int argc, char** argv) {
    using namespace isthmus;
    using namespace isthmus::bench;
    benchmark::Initialize(&argc, argv);
    const std::vector<std::string> v4{"isthmus",    "rte_fib",      "rte_fib_scalar",
                                      "isthmus_4k", "rte_fib_huge", "rte_fib_huge_scalar"};
    std::vector<std::string> v4_lpm = v4;
    v4_lpm.push_back("rte_lpm");
    const std::vector<std::string> v6{"isthmus",    "rte_fib6",      "rte_fib6_scalar",
                                      "isthmus_4k", "rte_fib6_huge", "rte_fib6_huge_scalar",
                                      "rte_lpm6"};
    add("ipv4_1m", v4);
    add("ipv4_1k", v4_lpm);
    add("ipv6_200k", v6);
    add("ipv6_1k", v6);
    add("vpc4_1k", v4_lpm);
    add("vpc6_1k", v6);
    add("ipv4_4000x1000", {"isthmus"});
    add("ipv6_4000x100", {"isthmus"});
    benchmark::RegisterBenchmark("fib/isthmus/ipv4_1m/changes",
                                 [](benchmark::State& state) {
                                     changes<dataplane::Fib4, Ipv4Prefix>(state, "ipv4_1m.routes");
                                 })
        ->Arg(1)
        ->Arg(64)
        ->Arg(1000);
    benchmark::RegisterBenchmark("fib/isthmus/ipv6_200k/changes",
                                 [](benchmark::State& state) {
                                     changes<dataplane::Fib6, Ipv6Prefix>(state,
                                                                          "ipv6_200k.routes");
                                 })
        ->Arg(1)
        ->Arg(64)
        ->Arg(1000);
    benchmark::AddCustomContext(
        "left_out", "rte_lpm on ipv4_1m: adding takes time proportional to the routes of a length, "
                    "hours in all. rte_fib, rte_fib6, rte_lpm, rte_lpm6 on 4000 VRFs: 32 MiB and "
                    "more for the first 24 bits of each, 125 GiB per family at the least.");
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
