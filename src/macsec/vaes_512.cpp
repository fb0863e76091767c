// The kernel of engine `vaes` with vectors of four blocks: AVX-512, VAES and VPCLMULQDQ.
#include "macsec/gcm_kernel.hpp"

namespace isthmus::macsec {
namespace {

struct Vector512 {
    using Vec = __m512i;
    static constexpr int kLanes = 4;
    static constexpr uint32_t kOctets = 64;
    static constexpr int kGroup = 8;
    static constexpr int kShort = 2;
    static constexpr bool kKaratsuba = false;

    static Vec zero() { return _mm512_setzero_si512(); }
    static Vec load(const uint8_t* from) { return _mm512_loadu_si512(from); }
    static void store(uint8_t* to, Vec a) { _mm512_storeu_si512(to, a); }
    // 1 to kOctets octets, and zeros. Nothing else is loaded or stored.
    static __mmask64 head_mask(uint32_t octets) { return ~uint64_t{0} >> (kOctets - octets); }
    static Vec head(Vec a, uint32_t octets) { return _mm512_maskz_mov_epi8(head_mask(octets), a); }
    static Vec load_head(const uint8_t* from, uint32_t octets) {
        return _mm512_maskz_loadu_epi8(head_mask(octets), from);
    }
    static void store_head(uint8_t* to, Vec a, uint32_t octets) {
        _mm512_mask_storeu_epi8(to, head_mask(octets), a);
    }

    static Vec sum(Vec a, Vec b) { return _mm512_xor_si512(a, b); }
    static Vec sum(Vec a, Vec b, Vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
    static Vec add(Vec a, Vec b) { return _mm512_add_epi32(a, b); }
    static Vec aes(Vec state, Vec key) { return _mm512_aesenc_epi128(state, key); }
    static Vec aes_last(Vec state, Vec key) { return _mm512_aesenclast_epi128(state, key); }
    template <int kHalves> static Vec multiply(Vec a, Vec b) {
        return _mm512_clmulepi64_epi128(a, b, kHalves);
    }
    static Vec swap_halves(Vec a) { return _mm512_shuffle_epi32(a, _MM_PERM_BADC); }
    static Vec swap_octets(Vec a) { return _mm512_shuffle_epi8(a, broadcast(octet_swap())); }

    static Vec broadcast(Block a) { return _mm512_broadcast_i32x4(a); }
    static Vec first_lane(Block a) { return _mm512_zextsi128_si512(a); }
    static Block sum_lanes(Vec a) {
        const __m256i two =
            _mm256_xor_si256(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
        return _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    }
    // Lane i of vector i.
    static Vec pick_lanes(const Vec* a) {
        const Vec two = _mm512_mask_mov_epi64(a[0], 0x0c, a[1]);
        return _mm512_mask_mov_epi64(two, 0xf0, _mm512_mask_mov_epi64(a[2], 0xc0, a[3]));
    }
    static Vec pick_first_lanes(const Vec* a) {
        return _mm512_shuffle_i64x2(_mm512_shuffle_i64x2(a[0], a[1], 0x00),
                                    _mm512_shuffle_i64x2(a[2], a[3], 0x00), 0x88);
    }
    // Lane i: the sum of the lanes of vector i.
    static Vec sums_in_lanes(Vec a, Vec b, Vec c, Vec d) {
        const Vec ab = sum(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xee));
        const Vec cd = sum(_mm512_shuffle_i64x2(c, d, 0x44), _mm512_shuffle_i64x2(c, d, 0xee));
        return sum(_mm512_shuffle_i64x2(ab, cd, 0x88), _mm512_shuffle_i64x2(ab, cd, 0xdd));
    }
    static Product<Vector512> sums_in_lanes(const Product<Vector512>* a) {
        return {sums_in_lanes(a[0].low, a[1].low, a[2].low, a[3].low),
                sums_in_lanes(a[0].middle, a[1].middle, a[2].middle, a[3].middle),
                sums_in_lanes(a[0].high, a[1].high, a[2].high, a[3].high)};
    }
    static void to_blocks(Vec a, Block* blocks) { _mm512_storeu_si512(blocks, a); }
    // A bit for each 64 bits that are equal.
    static uint32_t equal_halves(Vec a, Vec b) { return _mm512_cmpeq_epi64_mask(a, b); }

    static Vec lane_count() { return broadcast(_mm_set_epi32(0, 0, 0, kLanes)); }
    static Vec lane_numbers_from_2() {
        return _mm512_set_epi32(0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2);
    }
    // The counters of vector `v` in the octet order of AES.
    static Vec short_counters(int v) {
        const int first = 2 + v * kLanes;
        return _mm512_set_epi32((first + 3) << 24, 0, 0, 0, (first + 2) << 24, 0, 0, 0,
                                (first + 1) << 24, 0, 0, 0, first << 24, 0, 0, 0);
    }
};

} // namespace

void vaes512_seal(AeadOp* ops, std::size_t count) noexcept {
    run_batches<Vector512, true>(ops, count);
}

void vaes512_open(AeadOp* ops, std::size_t count) noexcept {
    run_batches<Vector512, false>(ops, count);
}

} // namespace isthmus::macsec
