#pragma once
// GHASH with many products to one reduction. Part of gcm_kernel.hpp, and local to the file that
// includes it for the same reason.

#include "macsec/aead_op.hpp"
#include "macsec/gcm_key.hpp"
#include "macsec/gcm_vector.hpp"

#include <cstddef>

namespace isthmus::macsec {
namespace {

constexpr uint32_t kBlock = 16;

inline uint32_t blocks_of(uint32_t octets) {
    return (octets + kBlock - 1) / kBlock;
}

template <class V> inline Product<V> no_product() {
    return {V::zero(), V::zero(), V::zero()};
}

// Adds the products of `blocks` with the powers of H from `powers` on, a place in GcmKey::powers.
// With Karatsuba's method `middle` is short of `low` and `high` until complete().
template <class V>
inline void absorb(Product<V>& total, typename V::Vec blocks, const uint8_t* powers) {
    const auto power = V::load(powers);
    total.low = V::sum(total.low, V::template multiply<0x00>(blocks, power));
    total.high = V::sum(total.high, V::template multiply<0x11>(blocks, power));
    if constexpr (V::kKaratsuba) {
        constexpr std::size_t kHalves = offsetof(GcmKey, halves) - offsetof(GcmKey, powers);
        const auto folded = V::sum(blocks, V::swap_halves(blocks));
        total.middle =
            V::sum(total.middle, V::template multiply<0x00>(folded, V::load(powers + kHalves)));
    } else {
        total.middle = V::sum(total.middle, V::template multiply<0x01>(blocks, power),
                              V::template multiply<0x10>(blocks, power));
    }
}

template <class V> inline void complete(Product<V>& total) {
    if constexpr (V::kKaratsuba)
        total.middle = V::sum(total.middle, total.low, total.high);
}

// The hash of one packet while its blocks come in order. Without a reduction as long as the powers
// reach, else with one in each segment of whole groups.
template <class V> class Hash {
  public:
    Hash() = default;
    // `to_come`: all blocks, with that of the lengths, which finish() leaves to the caller.
    Hash(const GcmKey& gcm, uint32_t to_come, typename V::Vec carry)
        : gcm_(&gcm), total_(no_product<V>()), carry_(carry), to_come_(to_come) {
        start_segment();
    }

    // Before the vectors of a group, which is V::kGroup vectors or, at the end, fewer.
    [[gnu::always_inline]] void begin_group() {
        if (power_ == end_of_powers()) {
            carry_ = reduced();
            total_ = no_product<V>();
            start_segment();
        }
    }
    // `blocks` of them count; those after them are zero.
    [[gnu::always_inline]] void add(typename V::Vec octets, uint32_t blocks = V::kLanes) {
        absorb<V>(total_, V::sum(V::swap_octets(octets), carry_), power_);
        carry_ = V::zero();
        power_ += blocks * kBlock;
    }
    // What has to be added to the block of lengths. product() is what has to be added after it.
    typename V::Vec finish() {
        if (power_ == end_of_powers()) {
            carry_ = reduced();
            total_ = no_product<V>();
        }
        return carry_;
    }
    [[nodiscard]] const Product<V>& product() const { return total_; }

  private:
    static constexpr uint32_t kGroupBlocks = V::kGroup * V::kLanes;
    static constexpr uint32_t kSegment = kGcmPowers / kGroupBlocks * kGroupBlocks;

    [[nodiscard]] const uint8_t* end_of_powers() const { return gcm_->powers[kGcmPowers]; }
    void start_segment() {
        const uint32_t segment = to_come_ <= kGcmPowers ? to_come_ : kSegment;
        power_ = end_of_powers() - segment * kBlock;
        to_come_ -= segment;
    }
    [[gnu::always_inline]] typename V::Vec reduced() {
        Product<V> total = total_;
        complete<V>(total);
        return V::first_lane(reduce<Vector128>(
            {V::sum_lanes(total.low), V::sum_lanes(total.middle), V::sum_lanes(total.high)}));
    }

    const GcmKey* gcm_;
    const uint8_t* power_; // of the next block
    Product<V> total_;
    typename V::Vec carry_;
    uint32_t to_come_; // after this segment
};

// AAD of any length: the hash is reduced, to be carried into what follows.
template <class V>
[[gnu::noinline]] typename V::Vec hash_long_aad(const GcmKey& gcm, const uint8_t* aad,
                                                uint32_t length) {
    Hash<V> hash(gcm, blocks_of(length), V::zero());
    constexpr uint32_t kGroupOctets = V::kGroup * V::kOctets;
    for (; length >= kGroupOctets; length -= kGroupOctets, aad += kGroupOctets) {
        hash.begin_group();
        for (int i = 0; i < V::kGroup; ++i)
            hash.add(V::load(aad + i * V::kOctets));
    }
    if (length != 0)
        hash.begin_group();
    for (; length >= V::kOctets; length -= V::kOctets, aad += V::kOctets)
        hash.add(V::load(aad));
    if (length != 0)
        hash.add(V::load_head(aad, length), blocks_of(length));
    return hash.finish();
}

// The AAD has gone in; what is left to come are the blocks of the text and of the lengths.
template <class V>
[[gnu::always_inline]] inline Hash<V> hash_aad(const GcmKey& gcm, const AeadOp& op) {
    const uint32_t aad_blocks = blocks_of(op.aad_length);
    const uint32_t other_blocks = blocks_of(op.text_length) + 1;
    if (aad_blocks > V::kLanes || aad_blocks + other_blocks > kGcmPowers)
        return {gcm, other_blocks, hash_long_aad<V>(gcm, op.aad, op.aad_length)};
    Hash<V> hash(gcm, aad_blocks + other_blocks, V::zero());
    if (aad_blocks != 0)
        hash.add(V::load_head(op.aad, op.aad_length), aad_blocks);
    return hash;
}

} // namespace
} // namespace isthmus::macsec
