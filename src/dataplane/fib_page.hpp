#pragma once
// Pages of large IPv4 tables: what each prefix of 24 bits leads to. Internal to the FIB: use
// fib.hpp. Those of IPv6 are in fib_page6.hpp.
//
// A page stands below a slot of the wide node and has 4096 slots, in 64 lines of 64. Each slot
// leads to an octet: the code of a value (see FibArena::code_of), 0 if the wide node has to be
// asked, or kNoCode if one value is not enough or has no code; the slot's block or value is then
// among the page's extras. Like a block, a line holds an octet per run of equal ones and a bitmap
// of where runs start. That makes a full table a third of what plain octets would be, and how much
// of it the caches hold decides how fast it is.
//
// All of that repeats what the page's blocks say. They are for route changes, and for the few
// look-ups that the page does not answer.

#include "dataplane/fib_node.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace isthmus::dataplane::fib {

struct Page {
    static constexpr unsigned kDepth = 12, kWidth = 12, kSlots = 1u << kWidth;
    static constexpr unsigned kEnd = kDepth + kWidth;
    static constexpr unsigned kLines = 64, kLineSlots = 64;

    struct Extra {
        uint32_t slot;
        Entry entry; // a block at depth kEnd or deeper, or a value
    };

    std::array<uint16_t, kLines> line_of; // by the slot's upper half: its line, in units from here
    Entry blocks;                         // a block, never 0
    uint32_t extras_at;                   // in units from here
    uint32_t extra_count;                 // sorted by slot
    uint32_t unused;
    // Then the lines, then the extras.

    [[nodiscard]] const Extra* extras() const noexcept {
        return reinterpret_cast<const Extra*>(line_at(extras_at));
    }
    [[nodiscard]] const std::byte* line_at(unsigned units) const noexcept {
        return reinterpret_cast<const std::byte*>(this) + units * FibPool::kUnit;
    }
    // Where the line of an address is.
    [[nodiscard]] const std::byte* line(Ipv4Addr addr) const noexcept {
        return line_at(line_of[addr.value >> (32 - kEnd + 6) & (kLines - 1)]);
    }
};
static_assert(sizeof(Page) == 144);

// A line: bit i of the bitmap says that a run starts at slot i; bit 0 is set.
[[nodiscard]] inline uint64_t line_starts(const std::byte* line) noexcept {
    uint64_t starts;
    std::memcpy(&starts, line, sizeof starts);
    return starts;
}
[[nodiscard]] inline const uint8_t* line_codes(const std::byte* line) noexcept {
    return reinterpret_cast<const uint8_t*>(line + sizeof(uint64_t));
}
[[nodiscard]] inline uint8_t line_code(const std::byte* line, Ipv4Addr addr) noexcept {
    const unsigned above_slot = ~(addr.value >> (32 - Page::kEnd)) & (Page::kLineSlots - 1);
    // Slot 0 starts a run, so that at least one is counted; but for a bitmap of zeros, which gives
    // one of its own octets.
    return line_codes(line)[std::popcount(line_starts(line) << above_slot) - 1];
}
[[nodiscard]] constexpr unsigned line_units(unsigned runs) noexcept {
    return 1 + (runs + unsigned{FibPool::kUnit} - 1) / unsigned{FibPool::kUnit};
}
// Pages begin with a cache line, so that lines can keep within one.
inline constexpr unsigned kUnitsPerCacheLine = 64 / FibPool::kUnit;
[[nodiscard]] constexpr uint32_t page_units(unsigned extras_at, unsigned extras) {
    return (extras_at + extras * static_cast<uint32_t>(sizeof(Page::Extra) / FibPool::kUnit) +
            kUnitsPerCacheLine - 1) /
           kUnitsPerCacheLine * kUnitsPerCacheLine;
}
static_assert(page_units(sizeof(Page) / FibPool::kUnit +
                             Page::kLines * 2 * kUnitsPerCacheLine, // each with what it skips
                         Page::kSlots) <= FibPool::kMaxUnits);

// A page that knows nothing, for slots of the wide node that have none: in the reserved octets, so
// that it is its own line of zeros.
inline constexpr Entry kEmptyPage = FibArena::kCodes * sizeof(uint32_t) / FibPool::kUnit;
static_assert(kEmptyPage * FibPool::kUnit + sizeof(Page) <= FibPool::kReserved);

template <> struct PageOf<Ipv4Addr> { using Type = Page; };
[[nodiscard]] inline uint32_t units_of(const Page& page) noexcept {
    return page_units(page.extras_at, page.extra_count);
}

[[nodiscard]] inline unsigned page_slot(Ipv4Addr addr) noexcept {
    return addr.value >> (32 - Page::kEnd) & (Page::kSlots - 1);
}

} // namespace isthmus::dataplane::fib
