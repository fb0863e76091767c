#pragma once
// DPDK's longest-prefix-match tables behind one face, for comparison with ours.

#include "dataplane/fib.hpp"

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace isthmus::bench {

using dataplane::FibRoute;
using dataplane::FibValue;
using Routes4 = std::vector<FibRoute<Ipv4Prefix>>;
using Routes6 = std::vector<FibRoute<Ipv6Prefix>>;
inline constexpr unsigned kBurst = 64;

// As packets carry them.
struct alignas(16) WireAddr6 {
    uint8_t octets[16];
};
[[nodiscard]] inline WireAddr6 to_wire(Ipv6Addr addr) {
    WireAddr6 wire;
    const uint64_t halves[] = {__builtin_bswap64(addr.high), __builtin_bswap64(addr.low)};
    std::memcpy(wire.octets, halves, sizeof halves);
    return wire;
}
// What a stage does with the address of a packet.
[[nodiscard]] inline Ipv6Addr from_wire(const WireAddr6& wire) {
    uint64_t halves[2];
    std::memcpy(halves, wire.octets, sizeof halves);
    return {__builtin_bswap64(halves[0]), __builtin_bswap64(halves[1])};
}

// A filled table.
struct Contender {
    std::string name; // isthmus, rte_fib, ...
    std::string note; // its configuration
    std::size_t memory_bytes = 0;
    double load_seconds = 0;
    // Looks up kBurst addresses from this one of the list on. `values` may be null, if nobody wants
    // to see them.
    std::function<void(std::size_t first, FibValue* values)> burst;
    // Called before a series of bursts; may be empty.
    std::function<void()> prepare;
};

// Starts the EAL without huge pages or devices, with `memory_mb`, and beside it a heap whose memory
// is advised to be huge pages. False if there is not enough memory.
bool start_dpdk(unsigned memory_mb);

enum class PeerPages { ordinary, huge };

// Tables live until their contender's last copy goes. `addresses` must outlive them. An empty burst
// function: the table can not be filled, and `note` says why. rte_fib and rte_fib6 take the
// smallest next hops that hold the table. They come as two contenders that share it: of the ways to
// look up that this CPU can do the one that is fastest on `addresses`, and of those that do without
// vectors, which is what CPUs without AVX-512 get.
std::vector<Contender> make_rte_fib(const Routes4& routes, const std::vector<Ipv4Addr>& addresses,
                                    PeerPages pages);
std::vector<Contender> make_rte_fib6(const Routes6& routes, const std::vector<WireAddr6>& addresses,
                                     PeerPages pages);
Contender make_rte_lpm(const Routes4& routes, const std::vector<Ipv4Addr>& addresses);
Contender make_rte_lpm6(const Routes6& routes, const std::vector<WireAddr6>& addresses);

} // namespace isthmus::bench
