#include "dataplane/meter.hpp"

namespace isthmus::dataplane {
namespace {

using namespace meter_detail;

__extension__ using Wide = unsigned __int128; // ISO C++ has no 128-bit integer

constexpr uint64_t kQuantumHz = 20'000; // a quantum is 50 us at most
constexpr uint64_t kMicrosPerSecond = 1'000'000;

// Bounds that keep all products below 2^64: 64 packets of 65,535 octets at the first one, and the
// burst in _q20.
constexpr uint64_t kMaxTscPerByteQ20 = uint64_t{1} << 41; // 19 kbps at 5 GHz
constexpr uint64_t kMaxBurstQ6 = uint64_t{1} << 48;       // a quarter of an hour at 5 GHz

// A worker reads its clock once per burst and may be preempted then: its `now` may be that old. A
// word still further beyond the burst has wrapped.
constexpr uint64_t kMaxSkew = uint64_t{1} << 30 << kCoarseBits;

// A quantum is at most this part of the burst: an eighth of the part that quanta come from.
constexpr unsigned kQuantumShift = kSpareShift + 3;

BucketRate bucket_rate(uint64_t rate_bps, uint32_t burst_us, uint32_t max_packet_bytes,
                       uint64_t tsc_hz) {
    BucketRate rate;
    // 5 GHz * 8 * 2^20 is below 2^56; at 400 Gbps and 1 GHz the quotient is above 20,000.
    const uint64_t per_byte = ((tsc_hz * 8 << kFineBits) + rate_bps / 2) / rate_bps;
    rate.tsc_per_byte_q20 = std::clamp<uint64_t>(per_byte, 1, kMaxTscPerByteQ20);
    const Wide burst_q20 =
        Wide{MeterRate::burst_bytes(rate_bps, burst_us, max_packet_bytes)} * rate.tsc_per_byte_q20;
    rate.burst_q6 = static_cast<uint64_t>(
        std::min<Wide>((burst_q20 + (1u << kToFine) - 1) >> kToFine, kMaxBurstQ6));
    rate.quantum_q6 = static_cast<uint32_t>(
        std::min(rate.burst_q6 >> kQuantumShift, (tsc_hz << kCoarseBits) / kQuantumHz));
    return rate;
}

struct Fit {
    uint64_t packets = 0;
    uint64_t cost_q20 = 0;
};

// Packet by packet: each that what is left of the budget covers.
Fit first_fit(const BucketRate& rate, const MeterGroup& group, const uint16_t* bytes,
              uint64_t budget_q20) noexcept {
    Fit fit;
    for (uint64_t rest = group.packets; rest != 0; rest &= rest - 1) {
        const uint64_t cost_q20 = bytes[std::countr_zero(rest)] * rate.tsc_per_byte_q20;
        if (cost_q20 > budget_q20 - fit.cost_q20)
            continue;
        fit.cost_q20 += cost_q20;
        fit.packets |= rest & (0 - rest);
    }
    return fit;
}

// The bucket is further ahead of our clock than its burst.
void look_at_debt(BucketWords& words, const BucketRate& rate, uint64_t& earned_q6,
                  uint64_t now_q6) noexcept {
    if (words.burst_q6.load(std::memory_order_relaxed) == rate.burst_q6 &&
        earned_q6 - now_q6 <= rate.burst_q6 + kMaxSkew)
        return; // the clock of another core is a little ahead of ours
    // The debt of a limit with a longer burst: empty, but from now on it fills at the new rate.
    words.burst_q6.store(rate.burst_q6, std::memory_order_relaxed);
    const uint64_t empty_q6 = now_q6 + rate.burst_q6;
    if (words.earned_q6.compare_exchange_strong(earned_q6, empty_q6, std::memory_order_relaxed))
        earned_q6 = empty_q6;
}

// Returns the packets of the group that the bucket holds, and takes them out of it.
uint64_t charge(BucketWords& words, const BucketRate& rate, BucketCredit& credit,
                const MeterGroup& group, const uint16_t* bytes, uint64_t now_tsc) noexcept {
    const uint64_t now_q6 = now_tsc << kCoarseBits;
    const uint64_t left_q20 = valid_credit(credit, now_q6);
    if (first_fit(rate, group, bytes, hoped_budget(rate, credit, left_q20, now_q6)).packets == 0)
        return 0;
    uint64_t earned_q6 = words.earned_q6.load(std::memory_order_relaxed);
    for (;;) {
        uint64_t ahead_q6 = ahead_of(earned_q6, now_q6);
        if (ahead_q6 > rate.burst_q6) {
            look_at_debt(words, rate, earned_q6, now_q6);
            ahead_q6 = rate.burst_q6;
        }
        const Fit fit = first_fit(rate, group, bytes, budget_of(rate, left_q20, ahead_q6));
        if (fit.cost_q20 <= left_q20) {
            credit.left_q20 = left_q20 - fit.cost_q20;
            credit.seen_q6 = earned_q6;
            return fit.packets;
        }
        if (take(words, rate, credit, left_q20, fit.cost_q20, ahead_q6, earned_q6, now_q6))
            return fit.packets;
    }
}

MeterGroup part_of(const MeterGroup& group, uint64_t packets, const uint16_t* bytes) noexcept {
    MeterGroup part{packets & group.packets, 0, group.slot};
    for (uint64_t rest = part.packets; rest != 0; rest &= rest - 1)
        part.bytes += bytes[std::countr_zero(rest)];
    return part;
}

} // namespace

uint64_t MeterRate::burst_bytes(uint64_t rate_bps, uint32_t burst_us, uint32_t max_packet_bytes) {
    const auto burst = static_cast<uint64_t>(Wide{rate_bps} * burst_us / (8 * kMicrosPerSecond));
    return std::max<uint64_t>({burst, 2 * uint64_t{max_packet_bytes}, 1});
}

MeterRate MeterRate::from(uint64_t rate_bps, uint32_t burst_us, uint32_t max_packet_bytes,
                          uint64_t tsc_hz) {
    MeterRate rate;
    if (rate_bps != 0)
        rate.committed = bucket_rate(rate_bps, burst_us, max_packet_bytes, tsc_hz);
    return rate;
}

MeterRate MeterRate::two_rate(uint64_t committed_bps, uint64_t peak_bps, uint8_t excess_dscp,
                              uint32_t burst_us, uint32_t max_packet_bytes, uint64_t tsc_hz) {
    MeterRate rate = from(committed_bps, burst_us, max_packet_bytes, tsc_hz);
    if (committed_bps != 0 && peak_bps > committed_bps) {
        rate.excess = bucket_rate(peak_bps - committed_bps, burst_us, max_packet_bytes, tsc_hz);
        rate.excess_dscp = excess_dscp;
    }
    return rate;
}

void meter_group(const MeterGroup& group, const MeterPackets& packets, const MeterRate& rate,
                 MeterBucket& bucket, MeterCredit& credit, uint64_t now_tsc,
                 MeterColours& colours) noexcept {
    const uint16_t* bytes = packets.bytes;
    uint64_t green = 0;
    if (!rate.excess.limited() || (packets.yellow & group.packets) == 0) {
        green = charge(bucket.committed, rate.committed, credit.committed, group, bytes, now_tsc);
    } else if (const auto fresh = part_of(group, ~packets.yellow, bytes); fresh.packets != 0) {
        green = charge(bucket.committed, rate.committed, credit.committed, fresh, bytes, now_tsc);
    }
    if (green == group.packets)
        return;
    uint64_t yellow = 0;
    if (rate.excess.limited())
        yellow = charge(bucket.excess, rate.excess, credit.excess, part_of(group, ~green, bytes),
                        bytes, now_tsc);
    colours.yellow |= yellow;
    colours.red |= group.packets & ~green & ~yellow;
}

} // namespace isthmus::dataplane
