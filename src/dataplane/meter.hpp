#pragma once
// Token bucket of one attachment and direction. The bucket is shared by all workers; each worker
// borrows quanta of octets from it and spends them without touching shared memory. Integers only.
//
// The bucket is kept as the time at which everything granted so far has been earned ("theoretical
// arrival time", as in the GCRA of ITU-T I.371): one 64-bit word that a compare-and-swap advances.

#include "isthmus/types.hpp"

#include <atomic>
#include <cstdint>

namespace isthmus::dataplane {

// Derived from a rate by the control thread; part of the forwarding state, so a change of the limit
// keeps the bucket.
struct MeterRate {
    uint64_t tsc_per_byte_q20 = 0; // TSC cycles per octet, 20 fractional bits; 0: not limited
    uint64_t burst_tsc = 0;        // how far ahead of its time the bucket may run
    uint32_t quantum_bytes = 0;    // what a worker borrows at once

    // Any rate of 64 kbps..400 Gbps (the API checks); 0 is "not limited". The burst is never less
    // than one packet of max_packet_bytes.
    [[nodiscard]] static MeterRate from(uint64_t rate_bps, uint32_t burst_us,
                                        uint32_t max_packet_bytes, uint64_t tsc_hz);
    [[nodiscard]] bool limited() const noexcept { return tsc_per_byte_q20 != 0; }
};

// One cache line per bucket, written by all workers that meter this attachment.
struct alignas(kCacheLine) MeterBucket {
    // In 1/64 of a TSC cycle: at 400 Gbps a small packet is worth one or two cycles.
    std::atomic<uint64_t> earned_tsc_q6{0};

    // Takes `bytes` if the bucket holds them at now_tsc. Any worker; clocks may differ a little.
    [[nodiscard]] bool take(const MeterRate& rate, uint32_t bytes, uint64_t now_tsc) noexcept;
};
static_assert(sizeof(MeterBucket) == kCacheLine);

// One worker's share of a bucket: octets already taken from it, never more than a quantum.
struct MeterCredit {
    uint32_t bytes = 0;

    // True: the packet conforms and its octets are spent.
    [[nodiscard]] bool conforms(MeterBucket& bucket, const MeterRate& rate, uint32_t packet_bytes,
                                uint64_t now_tsc) noexcept {
        if (!rate.limited())
            return true;
        // After a change to a lower rate the credit may hold seconds of it.
        if (bytes > rate.quantum_bytes)
            bytes = rate.quantum_bytes;
        if (packet_bytes <= bytes) {
            bytes -= packet_bytes;
            return true;
        }
        return borrow(bucket, rate, packet_bytes, now_tsc);
    }

  private:
    [[nodiscard]] bool borrow(MeterBucket& bucket, const MeterRate& rate, uint32_t packet_bytes,
                              uint64_t now_tsc) noexcept;
};

} // namespace isthmus::dataplane
