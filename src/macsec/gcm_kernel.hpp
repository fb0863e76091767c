#pragma once
// AES-GCM for a burst of packets, by vectors of whatever width V has. A file for one kind of CPU
// includes this, defines V and instantiates run_batch(). Everything here is local to that file:
// code for a newer CPU under a name that other files share could be chosen by the linker for all.
//
// Packets of a few vectors are worked on V::kLanes at a time, so that the latency of one is filled
// with the others; longer ones one after the other, by groups of V::kGroup vectors. The last steps
// are always taken for V::kLanes packets at once.

#include "macsec/gcm_text.hpp"

namespace isthmus::macsec {
namespace {

// V::kLanes packets of `kVectors` vectors of text (the last one may be partial) and one of AAD.
template <class V, int kRounds, bool kSeal, int kVectors, bool kOneKey> class ShortTeam {
  public:
    explicit ShortTeam(const Team<V>& team) : team_(team) {}

    void run() {
        Vec icvs{};
        if (!kSeal)
            icvs = received_icvs<V>(team_);
        TagBlocks<V, kOneKey> tags(team_);
        begin();
#pragma GCC unroll 16
        for (int round = 1; round < kRounds; ++round) {
            tags.round(round);
            each_state(round, [](Vec state, Vec key) { return V::aes(state, key); });
        }
        const Vec tag_blocks = tags.last_round(kRounds);
#pragma GCC unroll 4
        for (int i = 0; i < V::kLanes; ++i)
            text(i);
        finish<V, kSeal>(team_, sums_, nullptr, tag_blocks, icvs);
    }

  private:
    using Vec = typename V::Vec;

    // Counters stay below 256, so that the last octet alone tells them apart.
    void begin() {
#pragma GCC unroll 4
        for (int i = 0; i < V::kLanes; ++i) {
            const AeadOp& op = team_.op(i);
            const Vec first = V::sum(V::broadcast(counter_zero(op)), round_key<V>(gcm_of(op), 0));
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                state_[i][v] = V::sum(first, V::short_counters(v));
        }
    }

    template <class Step> void each_state(int round, Step step) {
        Vec key = round_key<V>(gcm_of(team_.op(0)), round);
#pragma GCC unroll 4
        for (int i = 0; i < V::kLanes; ++i) {
            if (!kOneKey)
                key = round_key<V>(gcm_of(team_.op(i)), round);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                state_[i][v] = step(state_[i][v], key);
        }
    }

    void text(int packet) {
        const AeadOp& op = team_.op(packet);
        const GcmKey& gcm = gcm_of(op);
        const uint32_t aad_blocks = blocks_of(op.aad_length);
        const uint8_t* power =
            gcm.powers[kGcmPowers - (aad_blocks + blocks_of(op.text_length) + 1)];
        Product<V> total = no_product<V>();
        absorb<V>(total, V::swap_octets(V::load_head(op.aad, op.aad_length)), power);
        power += aad_blocks * kBlock;
        const Vec key = round_key<V>(gcm, kRounds);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            uint8_t* at = op.text + v * V::kOctets;
            const uint32_t length = op.text_length - v * V::kOctets;
            const bool partial = v == kVectors - 1;
            const Vec in = partial ? V::load_head(at, length) : V::load(at);
            Vec out = V::aes_last(state_[packet][v], V::sum(key, in));
            if (partial)
                V::store_head(at, out, length);
            else
                V::store(at, out);
            if (kSeal && partial)
                out = V::head(out, length);
            absorb<V>(total, V::swap_octets(kSeal ? out : in), power + v * V::kOctets);
        }
        sums_[packet] = total;
    }

    const Team<V>& team_;
    Vec state_[V::kLanes][kVectors];
    Product<V> sums_[V::kLanes];
};

template <class V, int kRounds, bool kSeal, int kVectors> void run_short(const Team<V>& team) {
    if (has_one_key<V>(team))
        ShortTeam<V, kRounds, kSeal, kVectors, true>(team).run();
    else
        ShortTeam<V, kRounds, kSeal, kVectors, false>(team).run();
}

// Operations sorted by what they need, so that teams are alike whatever the order of the burst.
template <class V, bool kSeal> class Batch {
  public:
    static constexpr std::size_t kOps = 64;

    // At most kOps of them.
    void run(AeadOp* ops, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            List& list = lists_[list_of(ops[i])];
            list.ops[list.count++] = ops + i;
        }
        run_lists<0>();
    }

  private:
    struct List {
        uint32_t count = 0;
        AeadOp* ops[kOps];
    };

    // Twice the number of vectors of a short text (0 for any other packet), plus 1 with 256 bits.
    static uint32_t list_of(const AeadOp& op) {
        const uint32_t vectors = (op.text_length + V::kOctets - 1) / V::kOctets;
        const bool is_short = vectors <= V::kShort && op.aad_length - 1 < V::kOctets;
        return 2 * (is_short ? vectors : 0) + (gcm_of(op).rounds == 14 ? 1 : 0);
    }

    template <int kVectors> void run_lists() {
        if constexpr (kVectors <= V::kShort) {
            run_list<kVectors, 10>();
            run_list<kVectors, 14>();
            run_lists<kVectors + 1>();
        }
    }

    template <int kVectors, int kRounds> void run_list() {
        List& list = lists_[2 * kVectors + (kRounds == 14 ? 1 : 0)];
        uint32_t done = 0;
        if constexpr (kVectors != 0)
            for (; done + V::kLanes <= list.count; done += V::kLanes)
                run_short<V, kRounds, kSeal, kVectors>(Team<V>(list.ops + done, V::kLanes));
        for (; done < list.count; done += V::kLanes)
            run_long<V, kRounds, kSeal>(Team<V>(list.ops + done, list.count - done));
        list.count = 0;
    }

    List lists_[2 * (V::kShort + 1)];
};

template <class V, bool kSeal> void run_batches(AeadOp* ops, std::size_t count) {
    Batch<V, kSeal> batch;
    while (count > 0) {
        const std::size_t part = count < batch.kOps ? count : batch.kOps;
        batch.run(ops, part);
        ops += part;
        count -= part;
    }
}

} // namespace
} // namespace isthmus::macsec
