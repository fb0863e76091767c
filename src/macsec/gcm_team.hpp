#pragma once
// Packets whose tag block and last steps (folding, lengths, reduction, ICV) are computed together,
// each in a lane of its own. Part of gcm_kernel.hpp.

#include "macsec/gcm_hash.hpp"
#include "macsec/vaes_kernels.hpp"

#include <cstddef>

namespace isthmus::macsec {
namespace {

inline const GcmKey& gcm_of(const AeadOp& op) {
    return static_cast<const VaesKey*>(op.sak)->gcm;
}

template <class V> inline typename V::Vec round_key(const GcmKey& gcm, int round) {
    return V::broadcast(load_block(gcm.round_keys[round]));
}

// The IV and a counter of 0, in the octet order of AES. The load ends inside of the operation.
inline Block counter_zero(const AeadOp& op) {
    static_assert(offsetof(AeadOp, iv) + 16 <= sizeof(AeadOp));
    return _mm_and_si128(load_block(&op.iv), _mm_set_epi32(0, -1, -1, -1));
}

template <class V> struct Team {
    // Of the first of these packets, as many as there are lanes.
    Team(AeadOp* const* packets, uint32_t packet_count)
        : count(packet_count < V::kLanes ? packet_count : V::kLanes) {
        for (uint32_t i = 0; i < V::kLanes; ++i)
            ops[i] = packets[i < count ? i : 0];
    }
    [[nodiscard]] AeadOp& op(int lane) const { return *ops[lane]; }

    AeadOp* ops[V::kLanes];
    uint32_t count; // the other lanes repeat the first packet and are not stored
};

// Pre-counter blocks (J0 of SP 800-38D, 7.1), encrypted: round by round, so that short packets can
// mix these rounds with their own.
template <class V, bool kOneKey> class TagBlocks {
  public:
    explicit TagBlocks(const Team<V>& team) : team_(team) {
        typename V::Vec blocks[V::kLanes];
        for (int i = 0; i < V::kLanes; ++i)
            blocks[i] = V::broadcast(counter_zero(team.op(i)));
        state_ = V::sum(V::pick_lanes(blocks), V::broadcast(_mm_set_epi32(0x01000000, 0, 0, 0)));
        state_ = V::sum(state_, key_of(0));
    }
    void round(int index) { state_ = V::aes(state_, key_of(index)); }
    typename V::Vec last_round(int index) { return V::aes_last(state_, key_of(index)); }

  private:
    typename V::Vec key_of(int index) const {
        if constexpr (kOneKey)
            return round_key<V>(gcm_of(team_.op(0)), index);
        typename V::Vec keys[V::kLanes];
        for (int i = 0; i < V::kLanes; ++i)
            keys[i] = round_key<V>(gcm_of(team_.op(i)), index);
        return V::pick_lanes(keys);
    }
    const Team<V>& team_;
    typename V::Vec state_;
};

template <class V> inline bool has_one_key(const Team<V>& team) {
    bool one = true;
    for (int i = 1; i < V::kLanes; ++i)
        one &= team.op(i).sak == team.op(0).sak;
    return one;
}

template <class V, int kRounds, bool kOneKey>
inline typename V::Vec tag_blocks(const Team<V>& team) {
    TagBlocks<V, kOneKey> blocks(team);
    for (int round = 1; round < kRounds; ++round)
        blocks.round(round);
    return blocks.last_round(kRounds);
}

// As received, before anything is stored: a full-width store into the slack may cover it.
template <class V> inline typename V::Vec received_icvs(const Team<V>& team) {
    typename V::Vec icvs[V::kLanes];
    for (int i = 0; i < V::kLanes; ++i)
        icvs[i] = V::broadcast(load_block(team.op(i).icv));
    return V::pick_lanes(icvs);
}

// The blocks of lengths times H, packet by packet in its lane.
template <class V>
inline Product<V> lengths_product(const Team<V>& team, const typename V::Vec* carries) {
    typename V::Vec lengths[V::kLanes], subkeys[V::kLanes];
    for (int i = 0; i < V::kLanes; ++i) {
        const AeadOp& op = team.op(i);
        lengths[i] = V::broadcast(_mm_set_epi64x(8 * static_cast<long long>(op.aad_length),
                                                 8 * static_cast<long long>(op.text_length)));
        subkeys[i] = V::broadcast(load_block(gcm_of(op).powers[kGcmPowers - 1]));
    }
    auto blocks = V::pick_lanes(lengths);
    if (carries != nullptr)
        blocks = V::sum(blocks, V::pick_first_lanes(carries));
    return multiply_all_halves<V>(blocks, V::pick_lanes(subkeys));
}

// `carries` may be null. `icvs` is only for open.
template <class V, bool kSeal>
inline void finish(const Team<V>& team, const Product<V>* sums, const typename V::Vec* carries,
                   typename V::Vec tag_blocks, typename V::Vec icvs) {
    Product<V> total = V::sums_in_lanes(sums);
    complete<V>(total);
    const Product<V> lengths = lengths_product<V>(team, carries);
    total = {V::sum(total.low, lengths.low), V::sum(total.middle, lengths.middle),
             V::sum(total.high, lengths.high)};
    const auto computed = V::sum(V::swap_octets(reduce<V>(total)), tag_blocks);
    if constexpr (kSeal) {
        Block blocks[V::kLanes];
        V::to_blocks(computed, blocks);
        for (uint32_t i = 0; i < team.count; ++i)
            store_block(team.op(i).icv, blocks[i]);
    } else {
        const uint32_t equal = V::equal_halves(computed, icvs);
        for (uint32_t i = 0; i < team.count; ++i)
            team.op(i).authentic = (equal >> (2 * i) & 3) == 3;
    }
}

} // namespace
} // namespace isthmus::macsec
