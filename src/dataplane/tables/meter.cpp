#include "dataplane/meter.hpp"

#include <algorithm>

namespace isthmus::dataplane {
namespace {

constexpr unsigned kRateFraction = 20; // of tsc_per_byte_q20
constexpr unsigned kClockFraction = 6; // of earned_tsc_q6
constexpr uint64_t kQuantumUs = 50;    // what a worker holds back at most, in time
constexpr uint64_t kMicrosPerSecond = 1'000'000;

// The clock wraps after 2^58 cycles (years). A bucket ahead of now by more than four hours at
// 5 GHz, longer than any burst that MeterRate can hold, is one that lies behind.
constexpr uint64_t kMaxAhead = uint64_t{1} << 52;
// A worker reads its clock once per burst and may be preempted then: its `now` may be that old.
// Anything further beyond the burst comes from a limit that was changed.
constexpr uint64_t kMaxSkew = uint64_t{1} << 30 << kClockFraction;

uint64_t cost_q6(const MeterRate& rate, uint32_t bytes) noexcept {
    constexpr unsigned shift = kRateFraction - kClockFraction;
    return (bytes * rate.tsc_per_byte_q20 + (uint64_t{1} << (shift - 1))) >> shift;
}

// per_second * micros / 10^6, without overflow for any 32-bit time and up to 10^13 per second.
uint64_t over_micros(uint64_t per_second, uint32_t micros) {
    return per_second * (micros / kMicrosPerSecond) +
           per_second * (micros % kMicrosPerSecond) / kMicrosPerSecond;
}

} // namespace

MeterRate MeterRate::from(uint64_t rate_bps, uint32_t burst_us, uint32_t max_packet_bytes,
                          uint64_t tsc_hz) {
    MeterRate rate;
    if (rate_bps == 0)
        return rate;
    // 5 GHz * 8 * 2^20 is below 2^56; at 400 Gbps and 1 GHz the quotient is above 20,000.
    rate.tsc_per_byte_q20 = ((tsc_hz * 8 << kRateFraction) + rate_bps / 2) / rate_bps;
    const uint64_t packet_tsc = (cost_q6(rate, max_packet_bytes) >> kClockFraction) + 1;
    rate.burst_tsc = std::max(over_micros(tsc_hz, burst_us), packet_tsc);

    const uint64_t packet = std::max<uint64_t>(max_packet_bytes, 1);
    const uint64_t burst = std::max(over_micros(rate_bps, burst_us) / 8, packet);
    uint64_t quantum = std::max(over_micros(rate_bps, kQuantumUs) / 8, packet);
    // One worker must not hold the bucket's contents while another one drops.
    if (burst > packet)
        quantum = std::max<uint64_t>(std::min(quantum, burst / 4), 1);
    else
        quantum = packet;
    rate.quantum_bytes = static_cast<uint32_t>(quantum);
    return rate;
}

bool MeterBucket::take(const MeterRate& rate, uint32_t bytes, uint64_t now_tsc) noexcept {
    const uint64_t now = now_tsc << kClockFraction;
    const uint64_t burst = rate.burst_tsc << kClockFraction;
    const uint64_t cost = cost_q6(rate, bytes);
    uint64_t earned = earned_tsc_q6.load(std::memory_order_relaxed);
    for (;;) {
        uint64_t ahead = earned - now; // modulo 2^64, so the wrap of the clock does no harm
        if (ahead > kMaxAhead) {
            ahead = 0; // an idle bucket is full, not more
        } else if (ahead > burst + kMaxSkew) {
            // The debt of a slower or burstier past: empty, but it fills at the new rate from now.
            if (earned_tsc_q6.compare_exchange_weak(earned, now + burst, std::memory_order_relaxed))
                return false;
            continue;
        }
        if (ahead + cost > burst)
            return false;
        if (earned_tsc_q6.compare_exchange_weak(earned, now + ahead + cost,
                                                std::memory_order_relaxed))
            return true;
    }
}

bool MeterCredit::borrow(MeterBucket& bucket, const MeterRate& rate, uint32_t packet_bytes,
                         uint64_t now_tsc) noexcept {
    const uint32_t missing = packet_bytes - bytes;
    if (missing < rate.quantum_bytes && bucket.take(rate, rate.quantum_bytes, now_tsc)) {
        bytes = rate.quantum_bytes - missing;
        return true;
    }
    // Near its limit the bucket never holds a whole quantum; the credit is spent to the last octet.
    if (!bucket.take(rate, missing, now_tsc))
        return false;
    bytes = 0;
    return true;
}

} // namespace isthmus::dataplane
