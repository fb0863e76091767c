#pragma once
// Token buckets of one attachment and direction, shared by all workers. Integers only, no lock.
//
// A bucket is one 64-bit word: the time up to which what it has granted is earned ("theoretical
// arrival time" of the GCRA, ITU-T I.371). Granting moves the word forward by the time that the
// octets take at the rate; it may run ahead of the clock by the burst, and when it lies behind the
// clock the bucket is full. So every grant is an interval of time, and no two overlap.
//
// A worker that finds the bucket nearly full takes a quantum more than it needs and spends that
// without touching the shared word. This credit keeps the interval it came from: what lies in the
// past has lapsed, because a full bucket would not have kept it either. Hence the bound, for any
// number of workers and any window of T: at most rate * T + burst passes. A bucket that is not
// nearly full gives exactly what is asked for, so no worker sits on what another one lacks.
//
// All of it is measured in time, so after a change of the rate the same words go on as they are.

#include "isthmus/types.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <span>

namespace isthmus::dataplane {

// Burst that a limit has unless it says otherwise. A second that begins with a full bucket passes
// rate + burst: this keeps it within half of the one percent that a limit may be wrong.
inline constexpr uint32_t kDefaultBurstUs = 5000;

// _q6 and _q20: TSC cycles with 6 and 20 fractional bits.

struct BucketRate {
    uint64_t tsc_per_byte_q20 = 0; // 0: not limited
    uint64_t burst_q6 = 0;         // how far ahead of the clock the bucket may run
    uint32_t quantum_q6 = 0;       // what a worker takes beyond its need

    [[nodiscard]] bool limited() const noexcept { return tsc_per_byte_q20 != 0; }
};

// Made from a limit by the control thread; part of the forwarding state, so that a change of the
// limit keeps the buckets. With an excess rate this is the two-rate three-colour marker of RFC
// 4115: what the committed bucket holds is green, what only the excess bucket holds is yellow (it
// passes with another DSCP), the rest is red and dropped. Without one, the rest is red.
struct MeterRate {
    BucketRate committed;
    BucketRate excess;
    uint8_t excess_dscp = 0;

    // Any rate of 64 kbps..400 Gbps (the API checks); 0 is "not limited". Burst: see burst_bytes.
    [[nodiscard]] static MeterRate from(uint64_t rate_bps, uint32_t burst_us,
                                        uint32_t max_packet_bytes, uint64_t tsc_hz);
    // CIR is committed_bps and EIR is peak_bps - committed_bps, so that green and yellow together
    // stay below the peak. Each bucket is as deep as burst_us of its own rate.
    [[nodiscard]] static MeterRate two_rate(uint64_t committed_bps, uint64_t peak_bps,
                                            uint8_t excess_dscp, uint32_t burst_us,
                                            uint32_t max_packet_bytes, uint64_t tsc_hz);
    // Depth of a bucket: the burst, but two of the largest packets at least, since a bucket of one
    // is full, and loses what it earns, while it waits for that one. At most 2^42 cycles of time.
    [[nodiscard]] static uint64_t burst_bytes(uint64_t rate_bps, uint32_t burst_us,
                                              uint32_t max_packet_bytes);
    [[nodiscard]] bool limited() const noexcept { return committed.limited(); }
};

struct BucketWords {
    std::atomic<uint64_t> earned_q6{0};
    // The burst of whoever advanced earned_q6 last: tells the debt of a limit with a longer burst
    // from the clock of another core.
    std::atomic<uint64_t> burst_q6{0};
};

// One cache line, written by all workers that meter this attachment.
struct alignas(kCacheLine) MeterBucket {
    BucketWords committed, excess;
};
static_assert(sizeof(MeterBucket) == kCacheLine);

// What a worker has left of its last grant from a bucket.
struct BucketCredit {
    uint64_t end_q6 = 0;   // where the interval of that grant ends
    uint64_t left_q20 = 0; // how much of its end is not spent
    uint64_t seen_q6 = 0;  // earned_q6 when last looked at; it only grows
};

// One worker's side of a MeterBucket, written by that worker. What a packet within the committed
// rate needs comes first, so that it can share a cache line with other such things.
struct MeterCredit {
    BucketCredit committed;
    uint8_t group = 0; // scratch of meter_burst
    BucketCredit excess;
};

// Bit i: packet i of the burst. Packets in neither are green, or not limited.
struct MeterColours {
    uint64_t yellow = 0;
    uint64_t red = 0;
};
static_assert(kBurstMax <= 64);

// A burst as arrays by packet index; the indices in `live` ascend.
struct MeterPackets {
    std::span<const uint8_t> live;
    const uint16_t* slot = nullptr;  // attachment, index of buckets and credits
    const uint16_t* bytes = nullptr; // of the IP packet
    uint64_t yellow = 0;             // came yellow: never green again (RFC 4115, colour-aware)
};

// Packets of a burst that share a meter. Left uninitialised until used: there is room for a burst.
struct MeterGroup {
    uint64_t packets; // bits
    uint32_t bytes;   // sum
    uint16_t slot;

    [[nodiscard]] unsigned count() const noexcept {
        return static_cast<unsigned>(std::popcount(packets));
    }
};

// Charges the packets of one group in their order: what does not fit in whole.
void meter_group(const MeterGroup& group, const MeterPackets& packets, const MeterRate& rate,
                 MeterBucket& bucket, MeterCredit& credit, uint64_t now_tsc,
                 MeterColours& colours) noexcept;

namespace meter_detail {

inline constexpr unsigned kFineBits = 20;  // of _q20
inline constexpr unsigned kCoarseBits = 6; // of _q6
inline constexpr unsigned kToFine = kFineBits - kCoarseBits;
// The words wrap after 2^58 cycles (years). One that is ahead of the clock by more than this, which
// is beyond any burst, lies behind it.
inline constexpr uint64_t kMaxAhead = uint64_t{1} << 49;
// Workers take more than they need only from the top eighth of a bucket.
inline constexpr unsigned kSpareShift = 3;

// Conditions are masks in these functions, not branches: with many attachments it is a toss of a
// coin whether a bucket is idle.

// How far a time is ahead of the clock (all times are modulo 2^64); 0 if it lies behind.
[[nodiscard]] inline uint64_t ahead_of(uint64_t time_q6, uint64_t now_q6) noexcept {
    const uint64_t ahead_q6 = time_q6 - now_q6;
    return ahead_q6 & (0 - uint64_t{ahead_q6 <= kMaxAhead});
}
// What of the credit lies in the past has lapsed.
[[nodiscard]] inline uint64_t valid_credit(const BucketCredit& credit, uint64_t now_q6) noexcept {
    return std::min(credit.left_q20, ahead_of(credit.end_q6, now_q6) << kToFine);
}
// Credit and what the bucket holds; ahead_q6 is at most the burst.
[[nodiscard]] inline uint64_t budget_of(const BucketRate& rate, uint64_t left_q20,
                                        uint64_t ahead_q6) noexcept {
    return left_q20 + ((rate.burst_q6 - ahead_q6) << kToFine);
}
// The budget that is hoped for by what was last seen, without a look at the shared line: others may
// have taken more since, not given back. After a change of the limit it may be too low for as long
// as the new burst, no longer.
[[nodiscard]] inline uint64_t hoped_budget(const BucketRate& rate, const BucketCredit& credit,
                                           uint64_t left_q20, uint64_t now_q6) noexcept {
    const uint64_t ahead_q6 = credit.seen_q6 - now_q6;
    return budget_of(rate, left_q20, ahead_q6 & (0 - uint64_t{ahead_q6 <= rate.burst_q6}));
}

// Takes cost_q20, of which the credit covers left_q20 and the bucket has the rest; earned_q6 is
// what the word was when that was found out. False: it has changed, nothing is taken.
[[nodiscard]] inline bool take(BucketWords& words, const BucketRate& rate, BucketCredit& credit,
                               uint64_t left_q20, uint64_t cost_q20, uint64_t ahead_q6,
                               uint64_t& earned_q6, uint64_t now_q6) noexcept {
    // What rounding up leaves over is the next credit, so that no fraction is lost however small
    // the packets are.
    const uint64_t missing_q6 = (cost_q20 - left_q20 + (uint64_t{1} << kToFine) - 1) >> kToFine;
    const uint64_t used_q6 = ahead_q6 + missing_q6;
    const bool spare = used_q6 + rate.quantum_q6 <= rate.burst_q6 >> kSpareShift;
    const uint64_t extra_q6 = rate.quantum_q6 & (0 - uint64_t{spare});
    const uint64_t next_q6 = now_q6 + used_q6 + extra_q6;
    if (!words.earned_q6.compare_exchange_strong(earned_q6, next_q6, std::memory_order_relaxed))
        return false;
    if (words.burst_q6.load(std::memory_order_relaxed) != rate.burst_q6)
        words.burst_q6.store(rate.burst_q6, std::memory_order_relaxed);
    credit.left_q20 = left_q20 + ((missing_q6 + extra_q6) << kToFine) - cost_q20;
    credit.end_q6 = next_q6;
    credit.seen_q6 = next_q6;
    return true;
}

// Takes all of `bytes`, or nothing.
[[nodiscard]] inline bool take_all(BucketWords& words, const BucketRate& rate, BucketCredit& credit,
                                   uint32_t bytes, uint64_t now_tsc) noexcept {
    const uint64_t now_q6 = now_tsc << kCoarseBits;
    const uint64_t need_q20 = bytes * rate.tsc_per_byte_q20;
    const uint64_t left_q20 = valid_credit(credit, now_q6);
    if (need_q20 <= left_q20) {
        credit.left_q20 = left_q20 - need_q20;
        return true;
    }
    if (need_q20 > hoped_budget(rate, credit, left_q20, now_q6))
        return false;
    uint64_t earned_q6 = words.earned_q6.load(std::memory_order_relaxed);
    const uint64_t ahead_q6 = ahead_of(earned_q6, now_q6);
    return ahead_q6 <= rate.burst_q6 && need_q20 <= budget_of(rate, left_q20, ahead_q6) &&
           take(words, rate, credit, left_q20, need_q20, ahead_q6, earned_q6, now_q6);
}

} // namespace meter_detail

// Whether the committed rate, if there is one, allows all packets of the group; then they are paid.
[[nodiscard]] inline bool meter_whole(const MeterGroup& group, uint64_t yellow,
                                      const MeterRate& rate, MeterBucket& bucket,
                                      MeterCredit& credit, uint64_t now_tsc) noexcept {
    return !rate.limited() || ((group.packets & yellow) == 0 &&
                               meter_detail::take_all(bucket.committed, rate.committed,
                                                      credit.committed, group.bytes, now_tsc));
}

struct NobodyLooks {
    void operator()(const MeterGroup&) const noexcept {}
};
// Charges a burst, grouped by slot; the same colours as packet by packet. rate_of(slot) returns
// const MeterRate&, credit_of(slot) MeterCredit&; each group goes to `seen` first, limited or not.
// Workers only; credits are the worker's own, `buckets` are shared. The caller prefetches them.
template <class RateOf, class CreditOf, class Seen = NobodyLooks>
[[nodiscard]] MeterColours meter_burst(const MeterPackets& packets, std::span<MeterBucket> buckets,
                                       CreditOf credit_of, RateOf rate_of, uint64_t now_tsc,
                                       Seen seen = {}) noexcept {
    // A credit's `group` is valid if that group exists and names the same slot: nothing to clear.
    // The slot is compared first. Of many attachments it differs almost always, while the numbers
    // of groups, left from earlier bursts, are anything.
    std::array<MeterGroup, kBurstMax> groups;
    std::array<uint16_t, kBurstMax> slot_of_group{};
    uint32_t count = 0;
    const uint16_t* const slots = packets.slot;
    const uint16_t* const bytes = packets.bytes;
    for (const uint8_t i : packets.live) {
        const uint16_t slot = slots[i];
        const uint64_t packet = uint64_t{1} << i;
        uint8_t& known = credit_of(slot).group;
        if (slot_of_group[known % kBurstMax] == slot && known < count) {
            groups[known].packets |= packet;
            groups[known].bytes += bytes[i];
        } else {
            slot_of_group[count] = slot;
            groups[count] = {packet, bytes[i], slot};
            known = static_cast<uint8_t>(count++);
        }
    }
    MeterColours colours;
    for (uint32_t g = 0; g < count; ++g) {
        const MeterGroup group = groups[g];
        seen(group);
        const MeterRate& rate = rate_of(group.slot);
        MeterCredit& credit = credit_of(group.slot);
        if (!meter_whole(group, packets.yellow, rate, buckets[group.slot], credit, now_tsc))
            [[unlikely]]
            meter_group(groups[g], packets, rate, buckets[group.slot], credit, now_tsc, colours);
    }
    return colours;
}

} // namespace isthmus::dataplane
