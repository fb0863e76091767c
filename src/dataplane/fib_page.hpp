#pragma once
// Pages of large IPv4 tables: what each prefix of 24 bits leads to. Internal to the FIB: use
// fib.hpp. Those of IPv6 are in fib_page6.hpp.
//
// A page stands below a slot of the wide node and has 4096 slots, of one octet each: the code of a
// value (see FibArena::code_of), 0 if the wide node has to be asked, or kNoCode if one value is not
// enough or has no code; the slot's block or value is then among the page's extras. Runs of equal
// codes are not folded: that would save cache misses, but cost more than those in instructions.
//
// All of that repeats what the page's blocks say. They are for route changes, and for the few
// look-ups that the page does not answer.

#include "dataplane/fib_node.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace isthmus::dataplane::fib {

struct alignas(64) Page {
    static constexpr unsigned kDepth = 12, kWidth = 12, kSlots = 1u << kWidth;
    static constexpr unsigned kEnd = kDepth + kWidth;

    struct Extra {
        uint16_t slot;
        uint8_t above; // code of what counts where the block has nothing; kNoCode: ask `blocks`
        uint8_t unused;
        Entry entry; // a block at depth kEnd or deeper, or a value
    };

    static constexpr uint32_t kFew = 6;

    Entry blocks;         // a block, never 0
    uint32_t extra_count; // sorted by slot
    int32_t extras_at;    // in units from here
    uint32_t unused;
    std::array<Extra, kFew> few; // the extras, if not more
    alignas(64) std::array<uint8_t, kSlots> codes;

    [[nodiscard]] const Extra* extras() const noexcept {
        const auto* here = reinterpret_cast<const std::byte*>(this);
        return reinterpret_cast<const Extra*>(here + std::ptrdiff_t{extras_at} *
                                                         std::ptrdiff_t{FibPool::kUnit});
    }
};
static_assert(sizeof(Page) == 64 + Page::kSlots &&
              sizeof(Page) == FibPool::kPageUnits * FibPool::kUnit);
static_assert(sizeof(Page::Extra) == FibPool::kUnit && Page::kSlots <= FibPool::kMaxUnits);

// A page that knows nothing, for slots of the wide node that have none: in the reserved octets.
inline constexpr Entry kEmptyPage = FibArena::kCodes * sizeof(uint32_t) / FibPool::kUnit;
static_assert(kEmptyPage * FibPool::kUnit + sizeof(Page) <= FibPool::kReserved);
// Not marked as a child, but found like one without a test.
template <> inline constexpr Entry kNothingBelow<Ipv4Addr> = kEmptyPage;

template <> struct PageOf<Ipv4Addr> { using Type = Page; };
[[nodiscard]] inline unsigned page_slot(Ipv4Addr addr) noexcept {
    return addr.value >> (32 - Page::kEnd) & (Page::kSlots - 1);
}

} // namespace isthmus::dataplane::fib
