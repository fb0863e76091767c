// The kernel of engine `vaes` with vectors of two blocks: AVX2, VAES and VPCLMULQDQ.
#include "macsec/gcm_kernel.hpp"

namespace isthmus::macsec {
namespace {

// Ones for as many octets as the load begins before the middle.
alignas(64) constexpr uint8_t kHeadMasks[64] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

struct Vector256 {
    using Vec = __m256i;
    static constexpr int kLanes = 2;
    static constexpr uint32_t kOctets = 32;
    static constexpr int kGroup = 4; // states, sums and a key in 16 registers
    static constexpr int kShort = 4;
    static constexpr bool kKaratsuba = true;

    static Vec zero() { return _mm256_setzero_si256(); }
    static Vec load(const uint8_t* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
    static void store(uint8_t* to, Vec a) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a);
    }
    // 1 to kOctets octets, and zeros. Loads and stores go on into the slack.
    static Vec head(Vec a, uint32_t octets) {
        return _mm256_and_si256(a, load(kHeadMasks + kOctets - octets));
    }
    static Vec load_head(const uint8_t* from, uint32_t octets) { return head(load(from), octets); }
    static void store_head(uint8_t* to, Vec a, uint32_t) { store(to, a); }

    static Vec sum(Vec a, Vec b) { return _mm256_xor_si256(a, b); }
    static Vec sum(Vec a, Vec b, Vec c) { return sum(sum(a, b), c); }
    static Vec add(Vec a, Vec b) { return _mm256_add_epi32(a, b); }
    static Vec aes(Vec state, Vec key) { return _mm256_aesenc_epi128(state, key); }
    static Vec aes_last(Vec state, Vec key) { return _mm256_aesenclast_epi128(state, key); }
    template <int kHalves> static Vec multiply(Vec a, Vec b) {
        return _mm256_clmulepi64_epi128(a, b, kHalves);
    }
    static Vec swap_halves(Vec a) { return _mm256_shuffle_epi32(a, 0x4e); }
    static Vec swap_octets(Vec a) { return _mm256_shuffle_epi8(a, broadcast(octet_swap())); }

    static Vec broadcast(Block a) { return _mm256_broadcastsi128_si256(a); }
    static Vec first_lane(Block a) { return _mm256_zextsi128_si256(a); }
    static Block sum_lanes(Vec a) {
        return _mm_xor_si128(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    }
    // Lane i of vector i.
    static Vec pick_lanes(const Vec* a) { return _mm256_blend_epi32(a[0], a[1], 0xf0); }
    static Vec pick_first_lanes(const Vec* a) {
        return _mm256_permute2x128_si256(a[0], a[1], 0x20);
    }
    // Lane i: the sum of the lanes of vector i.
    static Vec sums_in_lanes(Vec a, Vec b) {
        return sum(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
    }
    static Product<Vector256> sums_in_lanes(const Product<Vector256>* a) {
        return {sums_in_lanes(a[0].low, a[1].low), sums_in_lanes(a[0].middle, a[1].middle),
                sums_in_lanes(a[0].high, a[1].high)};
    }
    static void to_blocks(Vec a, Block* blocks) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(blocks), a);
    }
    // A bit for each 64 bits that are equal.
    static uint32_t equal_halves(Vec a, Vec b) {
        return static_cast<uint32_t>(
            _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(a, b))));
    }

    static Vec lane_count() { return broadcast(_mm_set_epi32(0, 0, 0, kLanes)); }
    static Vec lane_numbers_from_2() { return _mm256_set_epi32(0, 0, 0, 3, 0, 0, 0, 2); }
    // The counters of vector `v` in the octet order of AES.
    static Vec short_counters(int v) {
        const int first = 2 + v * kLanes;
        return _mm256_set_epi32((first + 1) << 24, 0, 0, 0, first << 24, 0, 0, 0);
    }
};

} // namespace

void vaes256_seal(AeadOp* ops, std::size_t count) noexcept {
    run_batches<Vector256, true>(ops, count);
}

void vaes256_open(AeadOp* ops, std::size_t count) noexcept {
    run_batches<Vector256, false>(ops, count);
}

} // namespace isthmus::macsec
