#pragma once
// Pages of large IPv6 tables: what each prefix of 48 bits leads to. Internal to the FIB: use
// fib.hpp.
//
// A page stands below a slot of the last wide node, for 24 bits of address, and says the same as
// the IPv4 ones (see fib_page.hpp): for each of its 2^24 slots of 48 bits a code, 0, or kNoCode if
// the extras have to be asked. Slots are few steps apart in practice, so it is lists of where
// another code begins: one for each different string of eight bits that comes first, found by a
// bitmap, and of the other sixteen bits the list says at which value a run starts. Up to 16 starts
// are searched at once; a longer list is a list of such lists. That takes the place of three or
// four blocks, which are a cache miss each.
//
// What would make a page too large is left to its blocks: kNoCode, and the blocks as extra.

#include "dataplane/fib_node.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <emmintrin.h>

namespace isthmus::dataplane::fib {

// How many of `count` ascending numbers at `starts`, at most 16, are up to `key`. Reads 32 octets.
[[nodiscard]] inline unsigned count_up_to(const uint8_t* starts, unsigned count,
                                          uint16_t key) noexcept {
    const __m128i limit = _mm_set1_epi16(static_cast<short>(key));
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(starts));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(starts) + 1);
    // Saturated differences are 0 where a start is not above the key.
    const __m128i zero = _mm_setzero_si128();
    const __m128i up_to = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_subs_epu16(low, limit), zero),
                                          _mm_cmpeq_epi16(_mm_subs_epu16(high, limit), zero));
    const unsigned all = static_cast<unsigned>(_mm_movemask_epi8(up_to));
    return static_cast<unsigned>(std::popcount(all & ((1u << count) - 1)));
}
// The same without vectors.
[[nodiscard]] inline unsigned count_up_to_scalar(const uint8_t* starts, unsigned count,
                                                 uint16_t key) noexcept {
    unsigned found = 0;
    for (unsigned i = 0; i < count; ++i) {
        uint16_t start;
        std::memcpy(&start, starts + i * sizeof start, sizeof start);
        found += start <= key;
    }
    return found;
}

// How lists are searched. At most 63 starts are searched in steps of 16.
struct SseSearch {
    static unsigned up_to_16(const uint8_t* starts, unsigned count, uint16_t key) noexcept {
        return count_up_to(starts, count, key);
    }
    static unsigned up_to_63(const uint8_t* starts, unsigned count, uint16_t key) noexcept {
        unsigned found = 0;
        for (unsigned i = 0; i < count; i += 16)
            found += count_up_to(starts + i * sizeof key, count - i < 16 ? count - i : 16, key);
        return found;
    }
};

struct Page6 {
    static constexpr unsigned kDepth = 24, kEnd = 48;
    static constexpr unsigned kSlotBits = kEnd - kDepth, kKeyBits = 16;
    static constexpr unsigned kLists = 256;
    static constexpr uint32_t kMaxUnits = 5144; // so that two octets say where a list is

    struct Extra {
        uint32_t slot;
        Entry entry; // counts up to the next one's slot
    };

    // Bit i: the list of the strings from i on differs from that of i - 1; bit 0 is set.
    std::array<uint64_t, kLists / 64> starts;
    std::array<uint8_t, kLists / 64> before; // bits set in the words before
    Entry blocks;                            // a block, never 0
    uint32_t extras_at;                      // in octets from here
    uint32_t extra_count;                    // sorted by slot
    // Then where the lists are, two octets each, in octets from here; then lists, then extras.

    [[nodiscard]] const uint8_t* octets() const noexcept {
        return reinterpret_cast<const uint8_t*>(this);
    }
    [[nodiscard]] const uint8_t* list(int number) const noexcept {
        uint16_t offset;
        std::memcpy(&offset, octets() + int{sizeof *this} + number * int{sizeof offset},
                    sizeof offset);
        return octets() + offset;
    }
    [[nodiscard]] const uint8_t* list(Ipv6Addr addr) const noexcept {
        const auto index = static_cast<unsigned>(addr.high >> (64 - kDepth - 8)) & (kLists - 1);
        const unsigned word = index / 64;
        const int rank = std::popcount(starts[word] << (~index & 63));
        // In a page of zeros, -1: the octets before are zeros as well.
        return list(before[word] + rank - 1);
    }
    [[nodiscard]] const Extra* extras() const noexcept {
        return reinterpret_cast<const Extra*>(octets() + extras_at);
    }
};
static_assert(sizeof(Page6) == 48);
static_assert(Page6::kMaxUnits * FibPool::kUnit <= 65536);

// A short list: how many starts, one code more than that, the starts, two octets each. A long one:
// kLongList, how many starts, the starts; then, from the next cache line on and one in each, a
// short list for what precedes the first start, what follows it, and so on.
struct List6 {
    static constexpr unsigned kShortStarts = 16;
    static constexpr uint8_t kLong = 255;
    static constexpr unsigned kLongStarts = 63;
    static constexpr unsigned kLine = 64;
    static constexpr unsigned kHead = 2;
    // A search may read so far beyond a list's beginning.
    static constexpr unsigned kReach = kHead + kShortStarts * 3;

    [[nodiscard]] static constexpr unsigned short_octets(unsigned starts) noexcept {
        return kHead + starts * 3;
    }
    [[nodiscard]] static const uint8_t* first_of_long(const uint8_t* list) noexcept {
        const auto end = reinterpret_cast<uintptr_t>(list + kHead + list[1] * sizeof(uint16_t));
        return reinterpret_cast<const uint8_t*>((end + kLine - 1) / kLine * kLine);
    }
    // The short list within a long one.
    template <class Search = SseSearch>
    [[nodiscard]] static const uint8_t* part_of_long(const uint8_t* list, uint16_t key) noexcept {
        return first_of_long(list) + Search::up_to_63(list + kHead, list[1], key) * kLine;
    }
    template <class Search = SseSearch>
    [[nodiscard]] static uint8_t code(const uint8_t* list, uint16_t key) noexcept {
        return list[1 + Search::up_to_16(list + kHead + list[0], list[0], key)];
    }
};
static_assert(List6::kReach <= List6::kLine);

// As of IPv4: zeros, so that every address finds code 0.
inline constexpr Entry kEmptyPage6 = FibArena::kCodes * sizeof(uint32_t) / FibPool::kUnit;
static_assert(kEmptyPage6 * FibPool::kUnit + sizeof(Page6) + List6::kReach <= FibPool::kReserved);

template <> struct PageOf<Ipv6Addr> { using Type = Page6; };
[[nodiscard]] constexpr uint32_t page6_units(unsigned extras_at, unsigned extras) noexcept {
    const auto end = extras_at + extras * static_cast<unsigned>(sizeof(Page6::Extra));
    return (end + List6::kLine - 1) / List6::kLine *
           static_cast<uint32_t>(List6::kLine / FibPool::kUnit);
}
[[nodiscard]] inline uint32_t units_of(const Page6& page) noexcept {
    return page6_units(page.extras_at, page.extra_count);
}

[[nodiscard]] inline uint32_t page_slot(Ipv6Addr addr) noexcept {
    return static_cast<uint32_t>(addr.high >> (64 - Page6::kEnd)) &
           ((uint32_t{1} << Page6::kSlotBits) - 1);
}
[[nodiscard]] inline uint16_t list_key(Ipv6Addr addr) noexcept {
    return static_cast<uint16_t>(addr.high >> (64 - Page6::kEnd));
}

} // namespace isthmus::dataplane::fib
