#pragma once
// Longest prefix match of one VRF: immutable, compact, read by any number of threads. A multi-bit
// trie with popcount-indexed nodes (Asai and Ohara, "Poptrie", SIGCOMM 2015): six address bits a
// step, children and leaves of a node contiguous, so memory follows the number of prefixes.

#include "isthmus/address.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::dataplane {

// What a prefix leads to; opaque to the FIB. 0 is "no route".
using FibValue = uint32_t;
inline constexpr FibValue kNoRoute = 0;

template <class Prefix> struct FibRoute {
    Prefix prefix; // host bits zero
    FibValue value = kNoRoute;
};

// Addr is Ipv4Addr or Ipv6Addr, Prefix the matching prefix type.
template <class Addr, class Prefix> class Fib {
  public:
    // Routes in any order; of two with one prefix the later one counts.
    explicit Fib(std::span<const FibRoute<Prefix>> routes);

    // kNoRoute if nothing matches.
    [[nodiscard]] FibValue lookup(Addr addr) const noexcept;

    [[nodiscard]] std::size_t memory_bytes() const noexcept;

  private:
    struct Node {
        uint64_t children = 0; // bit i: slot i leads to a child node
        uint64_t leaves = 0;   // bit i: slot i starts a new run of equal leaves
        uint32_t child_base = 0;
        uint32_t leaf_base = 0;
    };
    std::vector<Node> nodes_;
    std::vector<FibValue> leaves_;
};

using Fib4 = Fib<Ipv4Addr, Ipv4Prefix>;
using Fib6 = Fib<Ipv6Addr, Ipv6Prefix>;
extern template class Fib<Ipv4Addr, Ipv4Prefix>;
extern template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
