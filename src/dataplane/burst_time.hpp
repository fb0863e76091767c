#pragma once
// How long a worker's rounds take in which it had packets: what a packet that arrives in the middle
// of one waits at most. A log-linear histogram of TSC cycles, like HdrHistogram's: eight buckets to
// a power of two, so that a value is known to an eighth. Written by one worker, read at any time.

#include "isthmus/counter.hpp"
#include "isthmus/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace isthmus::dataplane {

class alignas(kCacheLine) BurstTimes {
  public:
    static constexpr unsigned kSubBits = 3;  // of a power of two
    static constexpr unsigned kTopBits = 40; // longer times count as the longest: minutes
    static constexpr std::size_t kBuckets = (kTopBits - kSubBits + 1) << kSubBits;

    // The worker.
    void add(uint64_t cycles) noexcept {
        buckets_[bucket_of(cycles)].add(1);
        if (cycles > longest_.get())
            longest_.set(cycles);
    }
    // Any thread.
    [[nodiscard]] uint64_t count_in(std::size_t bucket) const noexcept {
        return buckets_[bucket].get();
    }
    [[nodiscard]] uint64_t longest() const noexcept { return longest_.get(); }

    [[nodiscard]] static constexpr std::size_t bucket_of(uint64_t cycles) noexcept {
        constexpr uint64_t kSub = 1 << kSubBits;
        if (cycles < kSub)
            return cycles;
        const auto shift = static_cast<unsigned>(std::bit_width(cycles)) - kSubBits - 1;
        return std::min<std::size_t>((uint64_t{shift} << kSubBits) + (cycles >> shift),
                                     kBuckets - 1);
    }
    // The longest time that counts there, but for the last bucket.
    [[nodiscard]] static constexpr uint64_t top_of(std::size_t bucket) noexcept {
        constexpr uint64_t kSub = 1 << kSubBits;
        if (bucket < 2 * kSub)
            return bucket;
        const std::size_t shift = (bucket >> kSubBits) - 1;
        return ((bucket - (shift << kSubBits) + 1) << shift) - 1;
    }

  private:
    std::array<Counter, kBuckets> buckets_;
    Counter longest_;
};
static_assert(BurstTimes::top_of(BurstTimes::bucket_of(7)) == 7);
static_assert(BurstTimes::top_of(BurstTimes::bucket_of(16)) == 17);
static_assert(BurstTimes::bucket_of(~uint64_t{0}) == BurstTimes::kBuckets - 1);

} // namespace isthmus::dataplane
