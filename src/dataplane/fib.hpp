#pragma once
// Longest prefix match of one VRF: immutable, compact, read by any number of threads. A multi-bit
// trie with popcount-indexed nodes (Asai and Ohara, "Poptrie", SIGCOMM 2015): six address bits a
// step, children and leaves of a node contiguous, so memory follows the number of prefixes.

#include "isthmus/address.hpp"

#include <bit>
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

// An address left-aligned in 128 bits and read six bits at a time. Behind the last bit stand zeros:
// the last step of an IPv4 or IPv6 address, which has two bits, needs no special case, its routes
// just cover sixteen slots each.
struct FibBits {
    uint64_t high = 0;
    uint64_t low = 0;

    FibBits() = default;
    explicit FibBits(Ipv4Addr addr) : high(uint64_t{addr.value} << 32) {}
    explicit FibBits(Ipv6Addr addr) : high(addr.high), low(addr.low) {}
    [[nodiscard]] unsigned slot() const noexcept { return static_cast<unsigned>(high >> 58); }
    // count <= 63; shifting by 64 - count in two parts keeps count 0 defined.
    void skip(unsigned count) noexcept {
        high = high << count | low >> 1 >> (63 - count);
        low <<= count;
    }
};

// One node of the trie, made by build_fib.
struct FibNode {
    uint64_t children = 0; // bit i: slot i leads to a child node
    uint64_t leaves = 0;   // bit i: slot i starts a new run of equal leaves
    uint32_t child_base = 0;
    uint32_t leaf_base = 0;
};

struct FibTrie {
    std::vector<FibNode> nodes; // [0] is the root; there is always one
    std::vector<FibValue> leaves;
    // The way to the first node that has a choice to make (the routes of a VRF often share their
    // first bits): addresses that begin with entry_bits start there, all others at the root.
    uint64_t entry_bits = 0;
    uint64_t entry_mask = 0;
    uint32_t entry_node = 0;
    uint32_t entry_skip = 0;
};

// Addr is Ipv4Addr or Ipv6Addr, Prefix the matching prefix type.
template <class Addr, class Prefix> class Fib {
  public:
    // Routes in any order; of two with one prefix the later one counts.
    explicit Fib(std::span<const FibRoute<Prefix>> routes);

    // kNoRoute if nothing matches.
    [[nodiscard]] FibValue lookup(Addr addr) const noexcept {
        FibBits bits(addr);
        uint32_t index = 0;
        if ((bits.high & trie_.entry_mask) == trie_.entry_bits) {
            bits.skip(trie_.entry_skip);
            index = trie_.entry_node;
        }
        for (;;) {
            const FibNode& node = trie_.nodes[index];
            const unsigned slot = bits.slot();
            const uint64_t up_to_slot = (uint64_t{2} << slot) - 1; // 2 << 63 is 0: all slots
            if ((node.children >> slot & 1) == 0)
                return trie_.leaves[node.leaf_base + rank(node.leaves & up_to_slot)];
            index = node.child_base + rank(node.children & up_to_slot);
            bits.skip(6);
        }
    }

    [[nodiscard]] std::size_t memory_bytes() const noexcept;

  private:
    // Position of the highest of `set` bits among them; there is at least one.
    static uint32_t rank(uint64_t set) noexcept {
        return static_cast<uint32_t>(std::popcount(set)) - 1;
    }

    FibTrie trie_;
};

using Fib4 = Fib<Ipv4Addr, Ipv4Prefix>;
using Fib6 = Fib<Ipv6Addr, Ipv6Prefix>;
extern template class Fib<Ipv4Addr, Ipv4Prefix>;
extern template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
