#pragma once
// Pages of large IPv4 tables: what each prefix of 24 bits leads to. Internal to the FIB: use
// fib.hpp.
//
// A page stands below a slot of the wide node and has 4096 slots, for each an octet: the code of a
// value (see FibArena::code_of), 0 if the wide node has to be asked, or kNoCode if one value is not
// enough or has no code; the slot's block or value is then among the page's extras. Slots come in
// 64 lines of 64; of lines whose slots all lead to the same, one is stored for all. What is left of
// a full table mostly stays in the caches, which is what decides how fast it is.
//
// All of that repeats what the page's blocks say. They are for route changes, and for the few
// look-ups that the page does not answer.

#include "dataplane/fib_node.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace isthmus::dataplane::fib {

template <class Addr> inline constexpr bool kHasPages = sizeof(Addr) == sizeof(Ipv4Addr);

struct Page {
    static constexpr unsigned kDepth = 12, kWidth = 12, kSlots = 1u << kWidth;
    static constexpr unsigned kEnd = kDepth + kWidth;
    static constexpr unsigned kLines = 64, kLineSlots = 64;

    struct Extra {
        uint32_t slot;
        Entry entry; // a block at depth kEnd or deeper, or a value
    };

    std::array<uint8_t, kLines> line_of; // by the slot's upper half: where its line is stored
    Entry blocks;                        // a block, never 0
    uint32_t line_count;
    uint32_t extra_count; // sorted by slot
    uint32_t unused;
    // Then the lines, then the extras.

    [[nodiscard]] const uint8_t* lines() const noexcept {
        return reinterpret_cast<const uint8_t*>(this + 1);
    }
    [[nodiscard]] const Extra* extras() const noexcept {
        return reinterpret_cast<const Extra*>(lines() + line_count * kLineSlots);
    }
    // Where the code of an address is.
    [[nodiscard]] const uint8_t* place(Ipv4Addr addr) const noexcept {
        const std::size_t line = line_of[addr.value >> (32 - kEnd + 6) & (kLines - 1)];
        return lines() + line * kLineSlots + (addr.value >> (32 - kEnd) & (kLineSlots - 1));
    }
};
static_assert(sizeof(Page) == 80);

[[nodiscard]] constexpr uint32_t page_units(unsigned lines, unsigned extras) {
    return static_cast<uint32_t>(
        (sizeof(Page) + lines * Page::kLineSlots + extras * sizeof(Page::Extra)) / FibPool::kUnit);
}
static_assert(page_units(Page::kLines, Page::kSlots) <= FibPool::kMaxUnits);

// A page that knows nothing, for slots of the wide node that have none: in the reserved octets.
inline constexpr Entry kEmptyPage = FibArena::kCodes * sizeof(uint32_t) / FibPool::kUnit;
static_assert(kEmptyPage * FibPool::kUnit + sizeof(Page) + Page::kLineSlots <= FibPool::kReserved);

[[nodiscard]] inline unsigned page_slot(Ipv4Addr addr) noexcept {
    return addr.value >> (32 - Page::kEnd) & (Page::kSlots - 1);
}
[[nodiscard]] inline const Page* page_at(const std::byte* base, Entry child) noexcept {
    return reinterpret_cast<const Page*>(node_at(base, child));
}

// What the page knows of a slot with kNoCode.
[[nodiscard]] inline Entry extra_entry(const Page& page, unsigned slot) noexcept {
    const Page::Extra* low = page.extras();
    for (uint32_t count = page.extra_count; count > 1;) {
        const uint32_t half = count / 2;
        low = low[half].slot <= slot ? low + half : low;
        count -= half;
    }
    return low->entry;
}

} // namespace isthmus::dataplane::fib
