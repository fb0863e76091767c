#pragma once
// Many look-ups at once through the wide nodes and pages of large tables, one step of all of them
// after the other, so that their cache misses overlap. Internal to the FIB: use fib.hpp.
//
// `top(i)` is the first wide node of the table of look-up i. values[i] becomes a value, a block to
// go on from, or 0 if the pages do not know. Returned is how many may have to go on; `left` lists
// them.

#include "dataplane/fib_page.hpp"
#include "dataplane/fib_page6.hpp"

#include <cstdint>

#include <emmintrin.h>

namespace isthmus::dataplane::fib {

inline constexpr uint32_t kMaxBulk = 64;

// Bit i: values[i] is 0.
[[nodiscard]] inline uint64_t missing_scalar(const Entry* values, uint32_t count) noexcept {
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; ++i)
        found |= uint64_t{values[i] == 0} << i;
    return found;
}
// The same, 16 at a time.
[[nodiscard]] inline uint64_t missing(const Entry* values, uint32_t count) noexcept {
    const auto zeros = [values](uint32_t i) {
        const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + i));
        return _mm_cmpeq_epi32(four, _mm_setzero_si128());
    };
    uint64_t found = 0;
    uint32_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const __m128i all = _mm_packs_epi16(_mm_packs_epi32(zeros(i), zeros(i + 4)),
                                            _mm_packs_epi32(zeros(i + 8), zeros(i + 12)));
        found |= uint64_t{static_cast<uint16_t>(_mm_movemask_epi8(all))} << i;
    }
    return i == count ? found : found | missing_scalar(values + i, count - i) << i;
}

// Look-ups `number(0)`, `number(1)`, ... are made, `count` in all.
template <class Search, class Number, class Top>
uint32_t pass_pages(const std::byte* base, const Ipv4Addr* addresses, Entry* values, uint32_t count,
                    uint8_t*, Number&& number, Top&& top) noexcept {
    std::size_t places[kMaxBulk]; // of codes, from the base
#pragma GCC unroll 4
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t i = number(k);
        const Entry page = top(i)[wide_slot(addresses[i], 0, Page::kDepth)];
        places[k] = std::size_t{page & kIndexMask} * FibPool::kUnit + offsetof(Page, codes) +
                    page_slot(addresses[i]);
        __builtin_prefetch(base + places[k]);
    }
    const uint32_t* decoded = FibArena::decoded(base);
#pragma GCC unroll 4
    for (uint32_t k = 0; k < count; ++k)
        values[number(k)] = decoded[static_cast<uint8_t>(base[places[k]])];
    return 0;
}

// Through the wide nodes: pages[k] is where look-up number(k) comes to.
template <class Number, class Top>
void find_pages(const std::byte* base, const Ipv6Addr* addresses, uint32_t count,
                const Page6** pages, Number&& number, Top&& top) noexcept {
    constexpr auto kLevels = kWideLevels<Ipv6Addr>;
    static_assert(kLevels.size() == 3 && kLevels[0] + kLevels[1] + kLevels[2] == Page6::kDepth);
    // Code 0 serves as an entry without child.
    const Entry* none = FibArena::decoded(base);
    const Entry* places[kMaxBulk];
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t i = number(k);
        // The upper nodes are few, and in the L1 cache.
        Entry entry = top(i)[wide_slot(addresses[i], 0, kLevels[0])];
        const Entry* place = wide_at(base, entry) + wide_slot(addresses[i], kLevels[0], kLevels[1]);
        entry = *(is_child(entry) ? place : none);
        place = wide_at(base, entry) + wide_slot(addresses[i], kLevels[0] + kLevels[1], kLevels[2]);
        places[k] = is_child(entry) ? place : none;
        __builtin_prefetch(places[k]);
    }
    for (uint32_t k = 0; k < count; ++k) {
        const Entry entry = *places[k];
        pages[k] = page_at<Ipv6Addr>(base, is_child(entry) ? entry : kEmptyPage6);
        __builtin_prefetch(pages[k]);
        __builtin_prefetch(pages[k]->octets() + List6::kLine);
    }
}

template <class Search, class Number, class Top>
uint32_t pass_pages(const std::byte* base, const Ipv6Addr* addresses, Entry* values, uint32_t count,
                    uint8_t* left, Number&& number, Top&& top) noexcept {
    const Page6* pages[kMaxBulk];
    find_pages(base, addresses, count, pages, number, top);
    const uint8_t* lists[kMaxBulk];
    for (uint32_t k = 0; k < count; ++k) {
        lists[k] = pages[k]->list(addresses[number(k)]);
        __builtin_prefetch(lists[k]);
    }
    uint8_t some[kMaxBulk];
    uint32_t longer = 0;
    for (uint32_t k = 0; k < count; ++k) {
        some[longer] = static_cast<uint8_t>(k);
        longer += lists[k][0] == List6::kLong;
    }
    for (uint32_t s = 0; s < longer; ++s) {
        const uint8_t k = some[s];
        lists[k] = List6::part_of_long<Search>(lists[k], list_key(addresses[number(k)]));
        __builtin_prefetch(lists[k]);
    }
    const uint32_t* decoded = FibArena::decoded(base);
    uint32_t deeper = 0;
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t i = number(k);
        const uint8_t code = List6::code<Search>(lists[k], list_key(addresses[i]));
        values[i] = decoded[code];
        some[deeper] = static_cast<uint8_t>(k);
        deeper += code == FibArena::kNoCode;
    }
    for (uint32_t s = 0; s < deeper; ++s) {
        const uint32_t i = number(some[s]);
        values[i] = extra_of(*pages[some[s]], page_slot(addresses[i])).entry;
        left[s] = static_cast<uint8_t>(i);
    }
    return deeper;
}

// `below` if the entry is a child, else `place`. At which level a look-up ends can not be
// predicted: it goes on to the last one without moving. In assembly because compilers make a branch
// of anything else; it doubles the time of IPv6.
[[gnu::always_inline]] inline const Entry* below_if_child(Entry entry, const Entry* below,
                                                          const Entry* place) noexcept {
    asm("test %1, %1\n\tcmovs %2, %0" : "+r"(place) : "r"(entry), "r"(below) : "cc");
    return place;
}
// The first levels of a direct table, from the one that begins with bit kFrom on, which `place` is
// of.
template <std::size_t kLevel, unsigned kFrom, class Addr>
[[gnu::always_inline]] inline Entry direct_entry(const std::byte* base, const Entry* place,
                                                 Addr addr) noexcept {
    const Entry entry = *place;
    if constexpr (kLevel == kDirectFirst<Addr>) {
        return entry;
    } else {
        constexpr unsigned kWidth = kDirectLevels<Addr>[kLevel];
        const Entry* below = child_at(base, entry) + wide_slot(addr, kFrom, kWidth);
        return direct_entry<kLevel + 1, kFrom + kWidth>(base, below_if_child(entry, below, place),
                                                        addr);
    }
}
// The others, of `count` look-ups that `left` lists.
template <std::size_t kLevel, unsigned kFrom, class Addr>
uint32_t pass_level(const std::byte* base, const Addr* addresses, Entry* values, uint32_t count,
                    uint8_t* left) noexcept {
    if constexpr (kLevel == kDirectLevels<Addr>.size()) {
        return count;
    } else {
        constexpr unsigned kWidth = kDirectLevels<Addr>[kLevel];
        uint32_t next = 0;
        for (uint32_t k = 0; k < count; ++k) {
            const uint8_t i = left[k];
            const Entry entry = child_at(base, values[i])[wide_slot(addresses[i], kFrom, kWidth)];
            values[i] = entry;
            left[next] = i;
            next += entry >> 31;
        }
        return pass_level<kLevel + 1, kFrom + kWidth>(base, addresses, values, next, left);
    }
}
// Bits that the first `levels` levels decide on.
template <class Addr> [[nodiscard]] constexpr unsigned direct_bits(std::size_t levels) noexcept {
    unsigned bits = 0;
    for (std::size_t level = 0; level < levels; ++level)
        bits += kDirectLevels<Addr>[level];
    return bits;
}

// Direct tables: a look-up after the other, since the caches hold most of a small table, and the
// processor has several of them under way. Calls seen() with what each of them comes to.
template <class Addr, class Number, class Top, class Seen>
void pass_direct_first(const std::byte* base, const Addr* addresses, Entry* values, uint32_t count,
                       Number&& number, Top&& top, Seen&& seen) noexcept {
    constexpr unsigned kWidth = kDirectLevels<Addr>[0];
    // Saves a fifth of the instructions of IPv4.
#pragma GCC unroll 4
    for (uint32_t k = 0; k < count; ++k) {
        const uint32_t i = number(k);
        if constexpr (sizeof(Addr) == sizeof(Ipv4Addr)) {
            const uint32_t value = addresses[i].value;
            const Jump jump = jumps_of(top(i))[value >> (32 - kWidth)];
            const std::byte* place = base + std::size_t{jump.word} * sizeof(Entry);
            values[i] =
                *reinterpret_cast<const Entry*>(place + (value >> Jump::kShift & jump.mask));
        } else
            values[i] = direct_entry<1, kWidth>(base, top(i) + wide_slot(addresses[i], 0, kWidth),
                                                addresses[i]);
        seen(values[i]);
    }
}
// Those that are not at a value go on; what is left is in blocks.
template <class Addr, class Number>
uint32_t pass_direct_rest(const std::byte* base, const Addr* addresses, Entry* values,
                          uint32_t count, uint8_t* left, Number&& number) noexcept {
    constexpr std::size_t kFirst = kDirectFirst<Addr>;
    constexpr unsigned kFrom = direct_bits<Addr>(kFirst);
    if constexpr (kFirst + 1 == kDirectLevels<Addr>.size()) { // only the last level, for all
        for (uint32_t k = 0; k < count; ++k) {
            Entry& value = values[number(k)];
            const unsigned slot =
                wide_slot(addresses[number(k)], kFrom, kDirectLevels<Addr>[kFirst]);
            value = *below_if_child(value, child_at(base, value) + slot, &value);
        }
        return 0;
    } else {
        uint32_t rest = 0;
        for (uint32_t k = 0; k < count; ++k) {
            left[rest] = static_cast<uint8_t>(number(k));
            rest += values[number(k)] >> 31;
        }
        return pass_level<kFirst, kFrom>(base, addresses, values, rest, left);
    }
}
template <class Addr, class Number, class Top>
uint32_t pass_direct(const std::byte* base, const Addr* addresses, Entry* values, uint32_t count,
                     uint8_t* left, Number&& number, Top&& top) noexcept {
    Entry any = 0;
    pass_direct_first(base, addresses, values, count, number, top,
                      [&any](Entry entry) { any |= entry; });
    return is_child(any) ? pass_direct_rest(base, addresses, values, count, left, number) : 0;
}
// Whether all are values: neither 0 nor a child. In a loop of its own, which has vectors.
[[nodiscard]] inline bool all_values(const Entry* values, uint32_t count) noexcept {
    Entry any = 0;
    for (uint32_t i = 0; i < count; ++i)
        any |= values[i] - 1;
    return !is_child(any);
}

// Both ways to call it: one table for all, or one each for those of `numbers`.
template <class Search, class Addr>
[[gnu::noinline]] uint32_t pass_one_root(const std::byte* base, const Addr* addresses,
                                         Entry* values, uint32_t count, uint8_t* left,
                                         const Entry* top) noexcept {
    return pass_pages<Search>(
        base, addresses, values, count, left, [](uint32_t k) { return k; },
        [top](uint32_t) { return top; });
}
template <class Search, class Addr>
uint32_t pass_some_roots(const std::byte* base, const Addr* addresses, Entry* values,
                         uint32_t count, uint8_t* left, const uint8_t* numbers,
                         const Entry* const* tops) noexcept {
    return pass_pages<Search>(
        base, addresses, values, count, left, [numbers](uint32_t k) { return numbers[k]; },
        [tops](uint32_t i) { return tops[i]; });
}
template <class Addr> struct BulkPasses {
    decltype(&pass_one_root<SseSearch, Addr>) one_root = pass_one_root<SseSearch, Addr>;
    decltype(&pass_some_roots<SseSearch, Addr>) some_roots = pass_some_roots<SseSearch, Addr>;
};
// Those with AVX-512; only for CPUs that can_avx512().
[[nodiscard]] bool can_avx512() noexcept;
[[nodiscard]] BulkPasses<Ipv6Addr> avx512_passes() noexcept;

} // namespace isthmus::dataplane::fib
