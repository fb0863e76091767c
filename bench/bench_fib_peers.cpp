#include "bench_fib_peers.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>
#include <rte_malloc.h>
#include <rte_vect.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <sys/mman.h>

namespace isthmus::bench {
namespace {

constexpr char kHugeHeap[] = "huge";
constexpr std::size_t kPage = 4096;
int huge_socket = 0;

std::string unique_name() {
    static int next = 0;
    std::string name("table");
    name += std::to_string(next++);
    return name;
}

int socket_of(PeerPages pages) {
    return pages == PeerPages::huge ? huge_socket : 0;
}

std::size_t allocated(int socket) {
    rte_malloc_socket_stats stats{};
    rte_malloc_get_socket_stats(socket, &stats);
    return stats.heap_allocsz_bytes;
}

// Groups of 256 entries that routes need beyond the first 24 bits: one for each distinct string of
// octets that a longer route goes on from.
uint32_t groups_for(const Routes4& routes) {
    std::set<uint32_t> groups;
    for (const auto& route : routes)
        if (route.prefix.length > 24)
            groups.insert(route.prefix.addr.value >> 8);
    return static_cast<uint32_t>(groups.size());
}
uint32_t groups_for(const Routes6& routes) {
    std::set<std::pair<unsigned, std::pair<uint64_t, uint64_t>>> groups;
    for (const auto& route : routes)
        for (unsigned bits = 24; bits < route.prefix.length; bits += 8) {
            const Ipv6Addr head = masked(route.prefix.addr, static_cast<uint8_t>(bits));
            groups.insert({bits, {head.high, head.low}});
        }
    return static_cast<uint32_t>(groups.size());
}

class Stopwatch {
  public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

constexpr char kVector[] = "avx512";
struct Way {
    std::string name;
    int type;
};
std::vector<Way> fib4_lookups() {
    std::vector<Way> ways{{"scalar_macro", RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO},
                          {"scalar_inline", RTE_FIB_LOOKUP_DIR24_8_SCALAR_INLINE},
                          {"scalar_uni", RTE_FIB_LOOKUP_DIR24_8_SCALAR_UNI}};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        ways.push_back({kVector, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512});
    return ways;
}

std::vector<Way> fib6_lookups() {
    std::vector<Way> ways{{"scalar", RTE_FIB6_LOOKUP_TRIE_SCALAR}};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        ways.push_back({kVector, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512});
    return ways;
}

// Selects the fastest way and returns it; null if none can be.
const Way* pick_way(const std::vector<Way>& ways, const std::function<bool(int)>& select,
                    const std::function<void(std::size_t)>& burst, std::size_t addresses) {
    std::map<std::string, double> best;
    for (int round = 0; round < 5; ++round) {
        for (const Way& way : ways) {
            if (!select(way.type))
                continue;
            const Stopwatch watch;
            for (std::size_t first = 0; first < addresses; first += kBurst)
                burst(first);
            const auto place = best.try_emplace(way.name, watch.seconds()).first;
            place->second = std::min(place->second, watch.seconds());
        }
    }
    const Way* fastest = nullptr;
    for (const Way& way : ways)
        if (best.contains(way.name) && (!fastest || best[way.name] < best[fastest->name]))
            fastest = &way;
    return fastest;
}

// `made` with the fastest way of all, and with the fastest one without vectors.
std::vector<Contender> with_ways(Contender made, const std::vector<Way>& ways,
                                 const std::function<bool(int)>& select, std::size_t addresses) {
    std::vector<Way> scalar;
    std::copy_if(ways.begin(), ways.end(), std::back_inserter(scalar),
                 [](const Way& way) { return way.name != kVector; });
    std::vector<Contender> both;
    for (const auto& [some, suffix] :
         {std::pair(&ways, ""), std::pair(&std::as_const(scalar), "_scalar")}) {
        const Way* way = pick_way(
            *some, select, [&](std::size_t first) { made.burst(first, nullptr); }, addresses);
        if (way == nullptr)
            continue;
        Contender& each = both.emplace_back(made);
        each.name += suffix;
        each.note += way->name;
        each.prepare = [select, type = way->type] { select(type); };
    }
    return both;
}

Contender failed(Contender contender, const std::string& what, int error = rte_errno) {
    contender.note = what + ": " + rte_strerror(std::abs(error));
    contender.burst = nullptr;
    return contender;
}

} // namespace

bool start_dpdk(unsigned memory_mb) {
    const std::string memory = std::to_string(memory_mb);
    std::vector<std::string> args{"bench_fib",
                                  "--no-huge",
                                  "--no-pci",
                                  "--no-shconf",
                                  "--no-telemetry",
                                  "--log-level=*:error",
                                  "--iova-mode=va",
                                  "--lcores=0@(0-1)",
                                  "-m",
                                  memory,
                                  "--force-max-simd-bitwidth=512"};
    std::vector<char*> argv;
    for (auto& arg : args)
        argv.push_back(arg.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
        return false;
    const std::size_t bytes = std::size_t{memory_mb} << 20;
    void* memory_of_heap = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_of_heap == MAP_FAILED)
        return false;
    madvise(memory_of_heap, bytes, MADV_HUGEPAGE);
    if (rte_malloc_heap_create(kHugeHeap) != 0 ||
        rte_malloc_heap_memory_add(kHugeHeap, memory_of_heap, bytes, nullptr,
                                   static_cast<unsigned>(bytes / kPage), kPage) != 0)
        return false;
    huge_socket = rte_malloc_heap_get_socket(kHugeHeap);
    return huge_socket > 0;
}

std::vector<Contender> make_rte_fib(const Routes4& routes, const std::vector<Ipv4Addr>& addresses,
                                    PeerPages pages) {
    Contender made;
    made.name = pages == PeerPages::huge ? "rte_fib_huge" : "rte_fib";
    const uint32_t groups = groups_for(routes) + 2;
    // Two octets have one bit for "extended", and as many groups as the other 15 can number.
    const bool narrow = groups < 32767;
    rte_fib_conf conf{};
    conf.type = RTE_FIB_DIR24_8;
    conf.max_routes = static_cast<int>(routes.size() + 1);
    conf.dir24_8.nh_sz = narrow ? RTE_FIB_DIR24_8_2B : RTE_FIB_DIR24_8_4B;
    conf.dir24_8.num_tbl8 = groups;
    const int socket = socket_of(pages);
    const std::size_t before = allocated(socket);
    rte_fib* created = rte_fib_create(unique_name().c_str(), socket, &conf);
    if (created == nullptr)
        return {failed(made, "rte_fib_create")};
    const std::shared_ptr<rte_fib> fib(created, rte_fib_free);
    const Stopwatch watch;
    for (const auto& [prefix, value] : routes)
        if (const int error = rte_fib_add(fib.get(), prefix.addr.value, prefix.length, value);
            error != 0)
            return {failed(made, "rte_fib_add", error)};
    made.load_seconds = watch.seconds();
    made.memory_bytes = allocated(socket) - before;
    made.burst = [fib, &addresses](std::size_t first, FibValue* values) {
        alignas(64) uint64_t hops[kBurst];
        static_assert(sizeof(Ipv4Addr) == sizeof(uint32_t));
        auto* ips = const_cast<uint32_t*>(&addresses[first].value); // it only reads
        rte_fib_lookup_bulk(fib.get(), ips, hops, kBurst);
        asm volatile("" : : "r"(hops) : "memory");
        for (unsigned i = 0; values != nullptr && i < kBurst; ++i)
            values[i] = static_cast<FibValue>(hops[i]);
    };
    made.note = narrow ? "2-octet next hops, " : "4-octet next hops, ";
    const auto select = [fib](int type) {
        return rte_fib_select_lookup(fib.get(), static_cast<rte_fib_lookup_type>(type)) == 0;
    };
    return with_ways(std::move(made), fib4_lookups(), select, addresses.size());
}

std::vector<Contender> make_rte_fib6(const Routes6& routes, const std::vector<WireAddr6>& addresses,
                                     PeerPages pages) {
    Contender made;
    made.name = pages == PeerPages::huge ? "rte_fib6_huge" : "rte_fib6";
    const uint32_t groups = groups_for(routes) + 2;
    const bool narrow = groups < 32767;
    rte_fib6_conf conf{};
    conf.type = RTE_FIB6_TRIE;
    conf.max_routes = static_cast<int>(routes.size() + 1);
    conf.trie.nh_sz = narrow ? RTE_FIB6_TRIE_2B : RTE_FIB6_TRIE_4B;
    const int socket = socket_of(pages);
    const std::size_t before = allocated(socket);
    std::shared_ptr<rte_fib6> fib;
    Stopwatch watch;
    // It reserves more groups than it comes to use; how many depends on the order of routes.
    int error = -ENOSPC;
    for (conf.trie.num_tbl8 = groups; error == -ENOSPC; conf.trie.num_tbl8 += groups / 8) {
        fib.reset();
        rte_fib6* created = rte_fib6_create(unique_name().c_str(), socket, &conf);
        if (created == nullptr)
            return {failed(made, "rte_fib6_create")};
        fib.reset(created, rte_fib6_free);
        watch = {};
        error = 0;
        for (std::size_t i = 0; i < routes.size() && error == 0; ++i)
            error = rte_fib6_add(fib.get(), to_wire(routes[i].prefix.addr).octets,
                                 routes[i].prefix.length, routes[i].value);
    }
    if (error != 0)
        return {failed(made, "rte_fib6_add", error)};
    made.load_seconds = watch.seconds();
    made.memory_bytes = allocated(socket) - before;
    made.burst = [fib, &addresses](std::size_t first, FibValue* values) {
        alignas(64) uint64_t hops[kBurst];
        auto* ips = reinterpret_cast<uint8_t(*)[16]>(
            const_cast<uint8_t*>(addresses[first].octets)); // it only reads
        rte_fib6_lookup_bulk(fib.get(), ips, hops, kBurst);
        asm volatile("" : : "r"(hops) : "memory");
        for (unsigned i = 0; values != nullptr && i < kBurst; ++i)
            values[i] = static_cast<FibValue>(hops[i]);
    };
    made.note = narrow ? "2-octet next hops, " : "4-octet next hops, ";
    const auto select = [fib](int type) {
        return rte_fib6_select_lookup(fib.get(), static_cast<rte_fib6_lookup_type>(type)) == 0;
    };
    return with_ways(std::move(made), fib6_lookups(), select, addresses.size());
}

Contender make_rte_lpm(const Routes4& routes, const std::vector<Ipv4Addr>& addresses) {
    Contender made;
    made.name = "rte_lpm";
    made.note = "rte_lpm_lookup_bulk";
    rte_lpm_config conf{};
    conf.max_rules = static_cast<uint32_t>(routes.size() + 1);
    conf.number_tbl8s = groups_for(routes) + 2;
    const std::size_t before = allocated(0);
    rte_lpm* created = rte_lpm_create(unique_name().c_str(), 0, &conf);
    if (created == nullptr)
        return failed(made, "rte_lpm_create");
    const std::shared_ptr<rte_lpm> lpm(created, rte_lpm_free);
    const Stopwatch watch;
    for (const auto& [prefix, value] : routes)
        if (const int error = rte_lpm_add(lpm.get(), prefix.addr.value, prefix.length, value);
            error != 0)
            return failed(
                made, prefix.length == 0 ? "rte_lpm_add of a default route" : "rte_lpm_add", error);
    made.load_seconds = watch.seconds();
    made.memory_bytes = allocated(0) - before;
    made.burst = [lpm, &addresses](std::size_t first, FibValue* values) {
        alignas(64) uint32_t hops[kBurst];
        const auto* ips = &addresses[first].value;
        rte_lpm_lookup_bulk(lpm.get(), ips, hops, kBurst);
        asm volatile("" : : "r"(hops) : "memory");
        for (unsigned i = 0; values != nullptr && i < kBurst; ++i)
            values[i] = (hops[i] & RTE_LPM_LOOKUP_SUCCESS) != 0 ? hops[i] & 0x00ff'ffff : 0;
    };
    return made;
}

Contender make_rte_lpm6(const Routes6& routes, const std::vector<WireAddr6>& addresses) {
    Contender made;
    made.name = "rte_lpm6";
    made.note = "rte_lpm6_lookup_bulk_func";
    rte_lpm6_config conf{};
    conf.max_rules = static_cast<uint32_t>(routes.size() + 1);
    conf.number_tbl8s = groups_for(routes) + 2;
    const std::size_t before = allocated(0);
    rte_lpm6* created = rte_lpm6_create(unique_name().c_str(), 0, &conf);
    if (created == nullptr)
        return failed(made, "rte_lpm6_create");
    const std::shared_ptr<rte_lpm6> lpm(created, rte_lpm6_free);
    const Stopwatch watch;
    for (const auto& [prefix, value] : routes)
        if (const int error =
                rte_lpm6_add(lpm.get(), to_wire(prefix.addr).octets, prefix.length, value);
            error != 0)
            return failed(made,
                          prefix.length == 0 ? "rte_lpm6_add of a default route" : "rte_lpm6_add",
                          error);
    made.load_seconds = watch.seconds();
    made.memory_bytes = allocated(0) - before;
    made.burst = [lpm, &addresses](std::size_t first, FibValue* values) {
        alignas(64) int32_t hops[kBurst];
        auto* ips = reinterpret_cast<uint8_t(*)[16]>(
            const_cast<uint8_t*>(addresses[first].octets)); // it only reads
        rte_lpm6_lookup_bulk_func(lpm.get(), ips, hops, kBurst);
        asm volatile("" : : "r"(hops) : "memory");
        for (unsigned i = 0; values != nullptr && i < kBurst; ++i)
            values[i] = hops[i] < 0 ? 0 : static_cast<FibValue>(hops[i]);
    };
    return made;
}

} // namespace isthmus::bench
