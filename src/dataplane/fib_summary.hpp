#pragma once
// What a small IPv4 table says, in one cache line. Internal to the FIB: use fib.hpp.
//
// With thousands of tables, each packet needs another one, and every node on its way is a cache
// miss that waits for the one before. So a plain table of few routes has a *summary* in front of
// its trie: a sorted list of intervals of addresses, and what each of them leads to. What does not
// fit into the line, such as many neighbours in one subnet, is left to the trie, which is complete.
//
// Only tables of IPv4 have one: of the addresses of IPv6 three would take most of the line.

#include "dataplane/fib.hpp"
#include "dataplane/fib_node.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include <smmintrin.h>

namespace isthmus::dataplane::fib {

struct alignas(64) Summary {
    static constexpr unsigned kIntervals = 12;
    static constexpr unsigned kStarts = kIntervals - 1;

    // Where each interval but the first, which begins with 0, starts. Those that are not used start
    // at the last address, and lead where that leads to.
    std::array<uint32_t, kStarts> starts;
    Entry trie; // the root block; unlike other roots it may be kLong
    // Of values, as in a page: 0 is no route, kNoCode asks the trie.
    std::array<uint8_t, kIntervals> codes;
    uint32_t unused;
};
static_assert(sizeof(Summary) == 64);
inline constexpr uint32_t kSummaryUnits = sizeof(Summary) / FibPool::kUnit;

template <class Addr> inline constexpr bool kHasSummary = sizeof(Addr) == sizeof(Ipv4Addr);
inline constexpr std::size_t kSummaryUpTo = 64; // routes

[[nodiscard]] inline const Summary* summary_at(const std::byte* base, Entry root) noexcept {
    return reinterpret_cast<const Summary*>(node_at(base, root & ~kSummary));
}

// The number of starts up to an address, which is that of its interval.
[[nodiscard]] inline unsigned interval_scalar(const Summary& summary, Ipv4Addr addr) noexcept {
    return static_cast<unsigned>(
        std::count_if(summary.starts.begin(), summary.starts.end(),
                      [addr](uint32_t start) { return start <= addr.value; }));
}
// The same, four at a time.
[[nodiscard]] inline unsigned interval(const Summary& summary, Ipv4Addr addr) noexcept {
    const __m128i all = _mm_set1_epi32(static_cast<int>(addr.value));
    const auto up_to = [&](unsigned first) { // of the last four, one is no start
        const auto* words = reinterpret_cast<const __m128i*>(&summary) + first / 4;
        return _mm_cmpeq_epi32(_mm_max_epu32(_mm_load_si128(words), all), all);
    };
    const __m128i last = up_to(8);
    const __m128i octets =
        _mm_packs_epi16(_mm_packs_epi32(up_to(0), up_to(4)), _mm_packs_epi32(last, last));
    constexpr unsigned kMask = (1u << Summary::kStarts) - 1;
    return static_cast<unsigned>(
        std::popcount(static_cast<unsigned>(_mm_movemask_epi8(octets)) & kMask));
}

// A value, 0 for no route, or the root block of the trie, which has to be asked.
[[nodiscard]] inline Entry summary_entry(const std::byte* base, const Summary& summary,
                                         Ipv4Addr addr) noexcept {
    const uint8_t code = summary.codes[interval(summary, addr)];
    // Without a branch. kNoCode decodes to 0.
    return FibArena::decoded(base)[code] | (summary.trie & -Entry{code == FibArena::kNoCode});
}

// The trie's root of any table.
[[nodiscard]] inline Entry trie_of(const std::byte* base, Entry root) noexcept {
    return form_of(root) == Form::summary ? summary_at(base, root)->trie & ~kLong : root;
}

// Of sorted routes, the default route included. None if it would leave more to the trie than it
// answers.
[[nodiscard]] std::optional<Summary> summarize(std::span<const FibRoute<Ipv4Prefix>> routes,
                                               Entry trie, FibArena& arena);

} // namespace isthmus::dataplane::fib
