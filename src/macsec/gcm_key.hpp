#pragma once
// The expanded key of engine `vaes`: what its kernels read, whatever their vector width.

#include <cstddef>
#include <cstdint>

namespace isthmus::macsec {

// GHASH of NIST SP 800-38D, 6.4, is a polynomial in H over the blocks. With the powers of H at hand
// the products of many blocks are summed first and reduced once: this many blocks at most, enough
// for AAD, text and lengths of a frame of 1,522 octets.
inline constexpr uint32_t kGcmPowers = 112;

struct GcmKey {
    alignas(64) uint8_t round_keys[15][16]; // 11 of them with AES-128
    uint32_t rounds;                        // 10 or 14
    // powers[i] is H^(kGcmPowers - i) in the form that gcm_kernel.hpp multiplies by, so that the
    // powers of n blocks in their order are the last n. Vectors are loaded at any index: past the
    // end stand zeros. halves[i] is the sum of both halves of powers[i] (Karatsuba), twice.
    alignas(64) uint8_t powers[kGcmPowers + 4][16];
    alignas(64) uint8_t halves[kGcmPowers + 4][16];
};

// The SAs of 8 channels, each with two SAs in either direction while a SAK rolls over, must leave
// most of an L2 cache of 512 KiB to packets: 8 * (2 + 2) keys of about 4 KiB are 128 KiB.
static_assert(8 * (2 + 2) * sizeof(GcmKey) <= 128 * 1024);

// `sak` has 16 or 32 octets. Needs AES-NI and PCLMULQDQ.
void expand_gcm_key(GcmKey& expanded, const uint8_t* sak, std::size_t length) noexcept;

} // namespace isthmus::macsec
