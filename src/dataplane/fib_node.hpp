#pragma once
// Layout of FIB nodes and the steps of a look-up. Internal to the FIB: use fib.hpp.
//
// A *block* decides on six address bits (after Poptrie: Asai and Ohara, SIGCOMM 2015), but holds
// its results itself: a bitmap says at which of its 64 slots a run of equal results starts, and one
// entry per run follows at once, mostly in the same cache line. An entry is a value, 0 (no route of
// this block: the inherited value counts), or a child. Blocks stand at depths that are multiples of
// six; those that would have no choice to make are left out, so a block says which addresses are
// its own.
//
// Other tables begin with *wide* nodes, plain arrays indexed by several bits, in one of two forms:
// - A *paged* table, which is large, has few of them. *Pages* follow, which are no part of the trie
//   but know the way through most of it: see fib_page.hpp.
// - A *direct* table, which is small, has wide nodes all the way down to where only long routes go
//   on, in blocks. That takes some KiB for each route, and most look-ups are two or three loads.
// Small tables of IPv4 that are neither have a *summary* in front of the trie: see fib_summary.hpp.
//
// Values are not pushed down to the leaves, or a new default route would rewrite everything. A
// block holds the value that its parent's routes give to all of it, a wide node those of its slots.
// That is enough for almost every look-up; the rest walk again and remember the best value on the
// way. Only the wide nodes of direct tables have them pushed down, since those are few.

#include "dataplane/fib_arena.hpp"
#include "isthmus/address.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace isthmus::dataplane::fib {

// A value, or a child. The root of a table is an entry as well.
using Entry = uint32_t;
inline constexpr Entry kChild = Entry{1} << 31;
inline constexpr Entry kWide = Entry{1} << 30; // of a root only: the child is a wide node
// Of a wide root, whose index is that of a cache line and so has low bits to spare:
inline constexpr Entry kDirect = 1;   // the table is direct
inline constexpr Entry kSummary = 2;  // the child is not a wide node but a summary
inline constexpr Entry kLong = kWide; // of all others: the child is a block of several cache lines
inline constexpr FibIndex kIndexMask = kWide - 1;

[[nodiscard]] inline constexpr bool is_child(Entry entry) noexcept {
    return entry >> 31 != 0;
}

// A table with a summary is plain to all but look-ups.
enum class Form : uint8_t { plain, paged, direct, summary };
[[nodiscard]] inline constexpr bool is_plain(Entry root) noexcept {
    return root >> 30 != 3;
}
[[nodiscard]] inline constexpr Form form_of(Entry root) noexcept {
    if (is_plain(root))
        return Form::plain;
    if ((root & kSummary) != 0)
        return Form::summary;
    return (root & kDirect) != 0 ? Form::direct : Form::paged;
}

inline constexpr unsigned kStride = 6;
inline constexpr unsigned kSlots = 64;

template <class Addr> struct Block;

template <> struct alignas(8) Block<Ipv4Addr> {
    static constexpr std::size_t kHeader = 24;
    static constexpr unsigned kMaxDepth = 30;

    uint64_t starts;    // bit i: a run starts at slot i; bit 0 is set
    uint32_t path;      // the first `depth` bits of all addresses here
    uint32_t inherited; // what the parent's routes say for all of this block
    FibIndex routes;    // see BlockRoutes; 0: every slot with a value is a route of full length
    uint32_t depth;     // in bits

    [[nodiscard]] bool matches(Ipv4Addr addr) const noexcept {
        return uint64_t{addr.value ^ path} >> (32 - depth) == 0;
    }
    // 63 minus the slot: the shift that leaves the bits up to the slot.
    [[nodiscard]] unsigned above_slot(Ipv4Addr addr) const noexcept {
        return static_cast<unsigned>(~(uint64_t{addr.value} << 32 << depth) >> 58);
    }
};
static_assert(sizeof(Block<Ipv4Addr>) == 24);

// The path is of the address's upper half up to depth 60, and of its lower half beyond. Every way
// to a deeper block passes one of depth 60, so that one half is always enough.
template <> struct alignas(8) Block<Ipv6Addr> {
    static constexpr std::size_t kHeader = 28; // entries begin before the structure's padding
    static constexpr unsigned kMaxDepth = 126;

    uint64_t starts;
    uint64_t path;
    uint32_t inherited;
    FibIndex routes;
    uint32_t depth;

    [[nodiscard]] bool matches(Ipv6Addr addr) const noexcept {
        if (depth <= 60) [[likely]]
            return (addr.high ^ path) >> 1 >> (63 - depth) == 0;
        return (addr.low ^ path) >> (128 - depth) == 0;
    }
    [[nodiscard]] unsigned above_slot(Ipv6Addr addr) const noexcept {
        if (depth < 60) [[likely]]
            return static_cast<unsigned>(~(addr.high << depth) >> 58);
        if (depth == 60)
            return static_cast<unsigned>(~(addr.high << 60 | addr.low >> 4) >> 58);
        return static_cast<unsigned>(~(addr.low << (depth - 64)) >> 58);
    }
};

template <class Addr> [[nodiscard]] const Entry* entries(const Block<Addr>* block) noexcept {
    return reinterpret_cast<const Entry*>(reinterpret_cast<const std::byte*>(block) +
                                          Block<Addr>::kHeader);
}
template <class Addr> [[nodiscard]] Entry* entries(Block<Addr>* block) noexcept {
    return reinterpret_cast<Entry*>(reinterpret_cast<std::byte*>(block) + Block<Addr>::kHeader);
}
template <class Addr> [[nodiscard]] constexpr uint32_t block_units(unsigned entry_count) {
    return static_cast<uint32_t>(
        (Block<Addr>::kHeader + entry_count * sizeof(Entry) + FibPool::kUnit - 1) / FibPool::kUnit);
}

// Whether a block with so many entries takes several cache lines.
template <class Addr> [[nodiscard]] constexpr Entry long_if(unsigned entry_count) {
    return block_units<Addr>(entry_count) * FibPool::kUnit > 64 ? kLong : 0;
}

// Bits that each level of wide nodes decides on. The first 24 bits of IPv6 addresses hold little
// choice (2000::/3, and the registries' few blocks of it), so wide nodes reach further there.
template <class Addr> inline constexpr std::array<uint8_t, 0> kWideLevels{};
template <> inline constexpr std::array<uint8_t, 1> kWideLevels<Ipv4Addr>{12};
template <> inline constexpr std::array<uint8_t, 3> kWideLevels<Ipv6Addr>{6, 9, 9};

// Of direct tables. Blocks follow, which stand at multiples of kStride. Most look-ups end within
// the first kDirectFirst.
template <class Addr> inline constexpr std::array<uint8_t, 0> kDirectLevels{};
template <> inline constexpr std::array<uint8_t, 3> kDirectLevels<Ipv4Addr>{13, 11, 8};
template <>
inline constexpr std::array<uint8_t, 8> kDirectLevels<Ipv6Addr>{12, 12, 8, 8, 8, 8, 8, 2};
template <class Addr>
inline constexpr std::size_t kDirectFirst = sizeof(Addr) == sizeof(Ipv4Addr) ? 2 : 5;

template <class Addr>
[[nodiscard]] constexpr std::span<const uint8_t> wide_levels(Form form) noexcept {
    if (form == Form::direct)
        return kDirectLevels<Addr>;
    return kWideLevels<Addr>;
}

// A wide node: entries by slot; in paged tables only children, then by slot what the routes that
// end in this node say (of the first one: the default route included); then where its routes are,
// in a cache line of its own.
[[nodiscard]] constexpr std::size_t wide_entries(Form form, unsigned width) noexcept {
    return std::size_t{form == Form::paged ? 2u : 1u} << width;
}
[[nodiscard]] constexpr uint32_t wide_units(Form form, unsigned width) {
    return static_cast<uint32_t>((wide_entries(form, width) * sizeof(Entry) + 64 + 63) / 64 * 64 /
                                 FibPool::kUnit);
}

// Behind the first node of a direct IPv4 table: by slot where its look-ups go on, without a test of
// whether that is a child or a value. They read the word that is `mask` and the address's octets
// before the last one behind word `word`, all from the base of nodes: an entry of the child, or
// FibArena::decoded(), which gives 0 to what has no code.
struct Jump {
    uint32_t word;
    uint32_t mask; // in octets

    static constexpr unsigned kShift = 6; // from address to octets of the child's entries
};
template <class Addr> [[nodiscard]] constexpr bool has_jumps(Form form, std::size_t level) {
    return form == Form::direct && level == 0 && sizeof(Addr) == sizeof(Ipv4Addr);
}
[[nodiscard]] inline const Jump* jumps_of(const Entry* top) noexcept {
    return reinterpret_cast<const Jump*>(
        top + wide_units(Form::direct, kDirectLevels<Ipv4Addr>[0]) * FibPool::kUnit / sizeof *top);
}
[[nodiscard]] inline constexpr Jump jump_to_child(Entry child) noexcept {
    constexpr uint32_t kEntries = uint32_t{1} << kDirectLevels<Ipv4Addr>[1];
    return {(child & kIndexMask) * uint32_t{FibPool::kUnit / sizeof(Entry)},
            (kEntries - 1) * uint32_t{sizeof(Entry)}};
}

[[nodiscard]] inline unsigned wide_slot(Ipv4Addr addr, unsigned from, unsigned width) noexcept {
    return addr.value << from >> (32 - width);
}
[[nodiscard]] inline unsigned wide_slot(Ipv6Addr addr, unsigned from, unsigned width) noexcept {
    const uint64_t rest = from >= 64           ? addr.low << (from - 64)
                          : from + width <= 64 ? addr.high << from
                                               : addr.high << from | addr.low >> (64 - from);
    return static_cast<unsigned>(rest >> (64 - width));
}

[[nodiscard]] inline const std::byte* node_at(const std::byte* base, Entry child) noexcept {
    return base + std::size_t{child & kIndexMask} * FibPool::kUnit;
}
template <class Addr>
[[nodiscard]] const Block<Addr>* block_at(const std::byte* base, Entry child) noexcept {
    return reinterpret_cast<const Block<Addr>*>(node_at(base, child));
}
// What a wide node of a paged table has for a slot without a child.
template <class Addr> inline constexpr Entry kNothingBelow = 0;
// What stands below the last wide node, see fib_page.hpp and fib_page6.hpp.
template <class Addr> struct PageOf;
template <class Addr>
[[nodiscard]] const typename PageOf<Addr>::Type* page_at(const std::byte* base,
                                                         Entry child) noexcept {
    return reinterpret_cast<const typename PageOf<Addr>::Type*>(node_at(base, child));
}
// Of extras sorted by slot, the last one up to `slot`.
template <class Page>
[[nodiscard]] const typename Page::Extra& extra_of(const Page& page, uint32_t slot) noexcept {
    const auto* low = page.extras();
    for (uint32_t count = page.extra_count; count > 1;) {
        const uint32_t half = count / 2;
        low = low[half].slot <= slot ? low + half : low;
        count -= half;
    }
    return *low;
}
[[nodiscard]] inline const Entry* wide_at(const std::byte* base, Entry child) noexcept {
    return reinterpret_cast<const Entry*>(node_at(base, child));
}
// The same of an entry that is known to be a child but has no other bits.
[[nodiscard]] inline const Entry* child_at(const std::byte* base, Entry child) noexcept {
    const auto all = reinterpret_cast<uintptr_t>(base) - uintptr_t{kChild} * FibPool::kUnit;
    return reinterpret_cast<const Entry*>(all + uintptr_t{child} * FibPool::kUnit);
}
[[nodiscard]] inline const Entry* wide_top(const std::byte* base, Entry root) noexcept {
    return wide_at(base, root & ~kDirect);
}

// What the block itself says: a child, a value or 0.
template <class Addr> [[nodiscard]] Entry own_entry(const Block<Addr>& block, Addr addr) noexcept {
    const int rank = std::popcount(block.starts << block.above_slot(addr));
    return block.matches(addr) ? entries(&block)[rank - 1] : 0;
}

} // namespace isthmus::dataplane::fib
