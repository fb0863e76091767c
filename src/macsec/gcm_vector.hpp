#pragma once
// Vectors of 128-bit blocks for AES-GCM, and the arithmetic of GHASH on them. Only for files that
// are built with AES-NI and PCLMULQDQ at least; everything is local to the file that includes it,
// since the same function is different code there.
//
// A block is held with its octets swapped: then a polynomial's coefficients stand in reverse, from
// bit 127 for x^0 to bit 0 for x^127 (SP 800-38D, 6.3), and a carry-less product of two such blocks
// is the product of the polynomials short of one shift. One factor is stored times x to make up.

#include <immintrin.h>

#include <cstdint>

namespace isthmus::macsec {
namespace {

using Block = __m128i;

inline Block load_block(const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

inline void store_block(void* to, Block block) {
    _mm_storeu_si128(static_cast<__m128i*>(to), block);
}

inline Block octet_swap() {
    return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

inline Block swap_octets(Block block) {
    return _mm_shuffle_epi8(block, octet_swap());
}

inline Block swap_halves(Block block) {
    return _mm_shuffle_epi32(block, 0x4e);
}

// The low half of the field's polynomial, x^7 + x^2 + x + 1, reversed and shifted as blocks are.
inline Block reduction_polynomial() {
    return _mm_set_epi64x(static_cast<long long>(0xc200000000000000), 1);
}

struct Vector128 {
    using Vec = __m128i;
    static Vec broadcast(Block block) { return block; }
    static Vec sum(Vec a, Vec b) { return _mm_xor_si128(a, b); }
    static Vec sum(Vec a, Vec b, Vec c) { return sum(sum(a, b), c); }
    static Vec swap_halves(Vec a) { return _mm_shuffle_epi32(a, 0x4e); }
    template <int kHalves> static Vec multiply(Vec a, Vec b) {
        return _mm_clmulepi64_si128(a, b, kHalves);
    }
};

// The unreduced product, or a sum of such: low + middle * x^64 + high * x^128.
template <class V> struct Product {
    typename V::Vec low;
    typename V::Vec middle;
    typename V::Vec high;
};

// Montgomery's way: twice the lowest 64 bits are cancelled by a multiple of the polynomial, which
// carries them 128 bits up in all.
template <class V> inline typename V::Vec reduce(const Product<V>& product) {
    const auto polynomial = V::broadcast(reduction_polynomial());
    const auto middle = V::sum(product.middle, V::swap_halves(product.low),
                               V::template multiply<0x01>(polynomial, product.low));
    return V::sum(product.high, V::swap_halves(middle),
                  V::template multiply<0x01>(polynomial, middle));
}

// `power` is stored times x.
template <class V> inline Product<V> multiply_all_halves(typename V::Vec a, typename V::Vec power) {
    return {V::template multiply<0x00>(a, power),
            V::sum(V::template multiply<0x01>(a, power), V::template multiply<0x10>(a, power)),
            V::template multiply<0x11>(a, power)};
}

inline Block multiply(Block a, Block power) {
    return reduce<Vector128>(multiply_all_halves<Vector128>(a, power));
}

} // namespace
} // namespace isthmus::macsec
