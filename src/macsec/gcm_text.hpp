#pragma once
// Packets of any length, one after the other, by groups of V::kGroup vectors, with the hash of
// cipher text between the rounds of AES. Part of gcm_kernel.hpp.

#include "macsec/gcm_team.hpp"

namespace isthmus::macsec {
namespace {

// Counter blocks from 2 on (SP 800-38D, 7.1) with the first round key added.
template <class V> class Counters {
  public:
    explicit Counters(const AeadOp& op) : zero_(counter_zero(op)) {}

    template <int kVectors>
    [[gnu::always_inline]] void take(typename V::Vec* state, typename V::Vec key) {
        const Block base = _mm_insert_epi32(zero_, static_cast<int>(__builtin_bswap32(taken_)), 3);
        if ((taken_ & 0xff) + 2 + kVectors * V::kLanes <= 256) {
            // Nothing is carried out of the last octet, so that an addition there counts.
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i)
                state[i] = V::sum(V::add(V::broadcast(base), V::short_counters(i)), key);
        } else {
            auto next = V::add(V::broadcast(swap_octets(base)), V::lane_numbers_from_2());
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i) {
                state[i] = V::sum(V::swap_octets(next), key);
                next = V::add(next, V::lane_count());
            }
        }
        taken_ += kVectors * V::kLanes;
    }

  private:
    Block zero_;
    uint32_t taken_ = 0;
};

// One packet.
template <class V, int kRounds, bool kSeal> class TextCipher {
  public:
    TextCipher(const GcmKey& gcm, const AeadOp& op)
        : gcm_(gcm), counters_(op), hash_(hash_aad<V>(gcm, op)), text_(op.text),
          left_(op.text_length) {}

    // What is hashed is the cipher text: to open, that of the same group; to seal, that of the
    // group before. The last vectors are hashed after their rounds.
    void run() {
        Vec before[V::kGroup];
        if (left_ > kGroupOctets) {
            group<!kSeal>(before);
            while (left_ > kGroupOctets)
                group<true>(before);
            if (kSeal) {
                hash_.begin_group();
#pragma GCC unroll 16
                for (int i = 0; i < V::kGroup; ++i)
                    hash_.add(before[i]);
            }
        }
        tail<V::kGroup>();
    }

    Hash<V>& hash() {
        return hash_;
    }

  private:
    using Vec = typename V::Vec;
    static constexpr uint32_t kGroupOctets = V::kGroup * V::kOctets;

    template <bool kHash> [[gnu::always_inline]] void group(Vec* before) {
        Vec state[V::kGroup];
        counters_.template take<V::kGroup>(state, round_key<V>(gcm_, 0));
        if (kHash)
            hash_.begin_group();
#pragma GCC unroll 16
        for (int round = 1; round < kRounds; ++round) {
            const Vec key = round_key<V>(gcm_, round);
#pragma GCC unroll 16
            for (int i = 0; i < V::kGroup; ++i)
                state[i] = V::aes(state[i], key);
            if (kHash)
                for (int i = (round - 1) * V::kGroup / (kRounds - 1);
                     i < round * V::kGroup / (kRounds - 1); ++i)
                    hash_.add(kSeal ? before[i] : V::load(text_ + i * V::kOctets));
        }
        const Vec key = round_key<V>(gcm_, kRounds);
#pragma GCC unroll 16
        for (int i = 0; i < V::kGroup; ++i) {
            uint8_t* at = text_ + i * V::kOctets;
            before[i] = V::aes_last(state[i], V::sum(key, V::load(at)));
            V::store(at, before[i]);
        }
        text_ += kGroupOctets;
        left_ -= kGroupOctets;
    }

    // The last vectors, kVectors or fewer.
    template <int kVectors> [[gnu::always_inline]] void tail() {
        if constexpr (kVectors > 0) {
            if (left_ > (kVectors - 1) * V::kOctets)
                exact_tail<kVectors>();
            else
                tail<kVectors - 1>();
        }
    }

    template <int kVectors> [[gnu::always_inline]] void exact_tail() {
        Vec state[kVectors];
        counters_.template take<kVectors>(state, round_key<V>(gcm_, 0));
        hash_.begin_group();
#pragma GCC unroll 16
        for (int round = 1; round < kRounds; ++round) {
            const Vec key = round_key<V>(gcm_, round);
#pragma GCC unroll 16
            for (int i = 0; i < kVectors; ++i)
                state[i] = V::aes(state[i], key);
        }
        const Vec key = round_key<V>(gcm_, kRounds);
#pragma GCC unroll 16
        for (int i = 0; i < kVectors - 1; ++i) {
            uint8_t* at = text_ + i * V::kOctets;
            const Vec in = V::load(at);
            const Vec out = V::aes_last(state[i], V::sum(key, in));
            V::store(at, out);
            hash_.add(kSeal ? out : in);
        }
        const uint32_t last = left_ - (kVectors - 1) * V::kOctets;
        uint8_t* at = text_ + (kVectors - 1) * V::kOctets;
        const Vec in = V::load_head(at, last);
        const Vec out = V::aes_last(state[kVectors - 1], V::sum(key, in));
        V::store_head(at, out, last);
        hash_.add(kSeal ? V::head(out, last) : in, blocks_of(last));
    }

    const GcmKey& gcm_;
    Counters<V> counters_;
    Hash<V> hash_;
    uint8_t* text_;
    uint32_t left_;
};

template <class V, int kRounds, bool kSeal> void run_long(const Team<V>& team) {
    typename V::Vec icvs{};
    if (!kSeal)
        icvs = received_icvs<V>(team);
    const auto tags = has_one_key<V>(team) ? tag_blocks<V, kRounds, true>(team)
                                           : tag_blocks<V, kRounds, false>(team);
    Product<V> sums[V::kLanes];
    typename V::Vec carries[V::kLanes];
    for (int i = 0; i < V::kLanes; ++i) {
        sums[i] = no_product<V>();
        carries[i] = V::zero();
    }
    for (uint32_t i = 0; i < team.count; ++i) {
        TextCipher<V, kRounds, kSeal> cipher(gcm_of(team.op(i)), team.op(i));
        cipher.run();
        carries[i] = cipher.hash().finish();
        sums[i] = cipher.hash().product();
    }
    finish<V, kSeal>(team, sums, carries, tags, icvs);
}

} // namespace
} // namespace isthmus::macsec
