#pragma once
// Routes that the FIB's benches fill tables with, and addresses to look up in them.

#include "bench_fib_peers.hpp"

#include <cstddef>
#include <random>

namespace isthmus::bench {

// As scripts/fib-routes prints them; the build has run it. Ends the program if there are none.
template <class Prefix> std::vector<FibRoute<Prefix>> read_routes(const char* file);

// Subnets of a customer's network: private space, mostly /24 and /64.
Routes4 vrf_routes4(std::mt19937_64& rng, std::size_t count);
Routes6 vrf_routes6(std::mt19937_64& rng, std::size_t count);

Ipv4Addr random_in(const Ipv4Prefix& prefix, std::mt19937_64& rng);
Ipv6Addr random_in(const Ipv6Prefix& prefix, std::mt19937_64& rng);

} // namespace isthmus::bench
