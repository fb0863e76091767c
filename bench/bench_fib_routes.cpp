#include "bench_fib_routes.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

namespace isthmus::bench {

template <class Prefix> std::vector<FibRoute<Prefix>> read_routes(const char* file) {
    std::ifstream in(std::string(ISTHMUS_ROUTES_DIR) + "/" + file);
    std::vector<FibRoute<Prefix>> routes;
    std::string prefix;
    for (FibValue value = 0; in >> prefix >> value;)
        routes.push_back({std::get<Prefix>(*parse_prefix(prefix)), value});
    if (routes.empty()) {
        std::fprintf(stderr, "bench_fib: no routes in %s/%s\n", ISTHMUS_ROUTES_DIR, file);
        std::exit(1);
    }
    return routes;
}

Ipv4Addr random_in(const Ipv4Prefix& prefix, std::mt19937_64& rng) {
    return {prefix.addr.value | (static_cast<uint32_t>(rng()) & ~ipv4_mask(prefix.length))};
}
Ipv6Addr random_in(const Ipv6Prefix& prefix, std::mt19937_64& rng) {
    const Ipv6Addr any{rng(), rng()};
    const Ipv6Addr head = masked(any, prefix.length);
    return {prefix.addr.high | (any.high ^ head.high), prefix.addr.low | (any.low ^ head.low)};
}

template Routes4 read_routes<Ipv4Prefix>(const char*);
template Routes6 read_routes<Ipv6Prefix>(const char*);

Routes4 vrf_routes4(std::mt19937_64& rng, std::size_t count) {
    Routes4 routes{{{}, 1}};
    std::set<Ipv4Prefix> seen;
    while (routes.size() < count) {
        const auto length = static_cast<uint8_t>(rng() % 4 == 0 ? 16 + rng() % 13 : 24);
        const Ipv4Addr net{10u << 24 | (static_cast<uint32_t>(rng()) & 0x00ff'ffff)};
        if (seen.insert({masked(net, length), length}).second)
            routes.push_back({{masked(net, length), length}, static_cast<FibValue>(1 + rng() % 8)});
    }
    return routes;
}
Routes6 vrf_routes6(std::mt19937_64& rng, std::size_t count) {
    Routes6 routes{{{}, 1}};
    std::set<Ipv6Prefix> seen;
    const uint64_t site = uint64_t{0xfd00} << 48 | (rng() & 0xff'ffff) << 24;
    while (routes.size() < count) {
        const auto length = static_cast<uint8_t>(rng() % 4 == 0 ? 48 + rng() % 17 : 64);
        const Ipv6Addr net{site | (rng() & 0xff'ffff), 0};
        if (seen.insert({masked(net, length), length}).second)
            routes.push_back({{masked(net, length), length}, static_cast<FibValue>(1 + rng() % 8)});
    }
    return routes;
}

} // namespace isthmus::bench
