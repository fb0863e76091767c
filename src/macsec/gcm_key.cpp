// Built with AES-NI and PCLMULQDQ, which the baseline of the build lacks: nothing but plain types
// here, or a linker might choose code of this file for callers on older CPUs.
#include "macsec/gcm_key.hpp"

#include "macsec/gcm_vector.hpp"

namespace isthmus::macsec {
namespace {

uint8_t* round_key(GcmKey& expanded, uint32_t index) {
    return expanded.round_keys[index];
}

// The word that the key schedule mixes into the next round key (FIPS 197, 5.2), in all four places.
// AESKEYGENASSIST has it rotated and with Rcon in element 3, and only substituted in element 2.
// `kRcon` 0 stands for the latter, the step between the halves of a 256-bit key.
template <int kRcon> Block schedule_word(Block previous) {
    const Block assisted = _mm_aeskeygenassist_si128(previous, kRcon);
    return kRcon == 0 ? _mm_shuffle_epi32(assisted, 0xaa) : _mm_shuffle_epi32(assisted, 0xff);
}

// Each word is the sum of all words before it in `last` and of `word`.
Block next_round_key(Block last, Block word) {
    last = _mm_xor_si128(last, _mm_slli_si128(last, 4));
    last = _mm_xor_si128(last, _mm_slli_si128(last, 8));
    return _mm_xor_si128(last, word);
}

template <int kRcon> void extend_128(GcmKey& expanded, uint32_t index) {
    const Block last = load_block(round_key(expanded, index - 1));
    store_block(round_key(expanded, index), next_round_key(last, schedule_word<kRcon>(last)));
}

template <int kRcon> void extend_256(GcmKey& expanded, uint32_t index) {
    const Block last = load_block(round_key(expanded, index - 1));
    const Block before = load_block(round_key(expanded, index - 2));
    store_block(round_key(expanded, index), next_round_key(before, schedule_word<kRcon>(last)));
}

void expand_128(GcmKey& expanded) {
    extend_128<0x01>(expanded, 1);
    extend_128<0x02>(expanded, 2);
    extend_128<0x04>(expanded, 3);
    extend_128<0x08>(expanded, 4);
    extend_128<0x10>(expanded, 5);
    extend_128<0x20>(expanded, 6);
    extend_128<0x40>(expanded, 7);
    extend_128<0x80>(expanded, 8);
    extend_128<0x1b>(expanded, 9);
    extend_128<0x36>(expanded, 10);
}

template <int kRcon> void extend_256_twice(GcmKey& expanded, uint32_t index) {
    extend_256<kRcon>(expanded, index);
    extend_256<0>(expanded, index + 1);
}

void expand_256(GcmKey& expanded) {
    extend_256_twice<0x01>(expanded, 2);
    extend_256_twice<0x02>(expanded, 4);
    extend_256_twice<0x04>(expanded, 6);
    extend_256_twice<0x08>(expanded, 8);
    extend_256_twice<0x10>(expanded, 10);
    extend_256_twice<0x20>(expanded, 12);
    extend_256<0x40>(expanded, 14);
}

Block encrypt_zeros(const GcmKey& expanded) {
    Block state = load_block(expanded.round_keys[0]);
    for (uint32_t i = 1; i < expanded.rounds; ++i)
        state = _mm_aesenc_si128(state, load_block(expanded.round_keys[i]));
    return _mm_aesenclast_si128(state, load_block(expanded.round_keys[expanded.rounds]));
}

// Times x modulo the field's polynomial, without a branch on the secret: the form of a factor that
// makes up for the bit that reduce() is short of.
Block times_x(Block value) {
    const Block top = _mm_srai_epi32(_mm_shuffle_epi32(value, 0xff), 31);
    const Block carry = _mm_slli_si128(_mm_srli_epi64(value, 63), 8);
    const Block doubled = _mm_or_si128(_mm_slli_epi64(value, 1), carry);
    const Block polynomial = _mm_set_epi64x(static_cast<long long>(0xc200000000000000), 1);
    return _mm_xor_si128(doubled, _mm_and_si128(top, polynomial));
}

void store_powers(GcmKey& expanded, Block hash_subkey) {
    const Block first = times_x(hash_subkey);
    Block power = first;
    for (uint32_t i = kGcmPowers; i-- > 0;) {
        store_block(expanded.powers[i], power);
        store_block(expanded.halves[i], _mm_xor_si128(power, swap_halves(power)));
        power = multiply(power, first);
    }
    for (uint32_t i = kGcmPowers; i < kGcmPowers + 4; ++i) {
        store_block(expanded.powers[i], _mm_setzero_si128());
        store_block(expanded.halves[i], _mm_setzero_si128());
    }
}

} // namespace

void expand_gcm_key(GcmKey& expanded, const uint8_t* sak, std::size_t length) noexcept {
    store_block(round_key(expanded, 0), load_block(sak));
    if (length == 16) {
        expanded.rounds = 10;
        expand_128(expanded);
    } else {
        store_block(round_key(expanded, 1), load_block(sak + 16));
        expanded.rounds = 14;
        expand_256(expanded);
    }
    store_powers(expanded, swap_octets(encrypt_zeros(expanded)));
}

} // namespace isthmus::macsec
