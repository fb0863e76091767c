// Look-ups of IPv6 with AVX-512: the searches of lists are a single comparison. Only this file is
// compiled for such CPUs, and it is always optimised: an inline function of a header must not leave
// a copy here that the linker may take for all others.

#include "dataplane/fib_bulk.hpp"

#include <immintrin.h>

namespace isthmus::dataplane::fib {
namespace {

// Of this file only, and so is all that is made from it.
struct Avx512Search {
    static unsigned up_to_16(const uint8_t* starts, unsigned count, uint16_t key) noexcept {
        const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(starts));
        const unsigned up_to =
            _mm256_cmple_epu16_mask(all, _mm256_set1_epi16(static_cast<short>(key)));
        return static_cast<unsigned>(_mm_popcnt_u32(_bzhi_u32(up_to, count)));
    }
    // Reads 128 octets, of which the list's parts are the rest.
    static unsigned up_to_63(const uint8_t* starts, unsigned count, uint16_t key) noexcept {
        const __m512i limit = _mm512_set1_epi16(static_cast<short>(key));
        const uint64_t low = _mm512_cmple_epu16_mask(_mm512_loadu_si512(starts), limit);
        const uint64_t high = _mm512_cmple_epu16_mask(_mm512_loadu_si512(starts + 64), limit);
        return static_cast<unsigned>(_mm_popcnt_u64(_bzhi_u64(low | high << 32, count)));
    }
};

} // namespace

BulkPasses<Ipv6Addr> avx512_passes() noexcept {
    return {pass_one_root<Avx512Search, Ipv6Addr>, pass_some_roots<Avx512Search, Ipv6Addr>};
}

} // namespace isthmus::dataplane::fib
