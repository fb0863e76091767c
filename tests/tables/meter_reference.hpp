#pragma once
// Slow models that the meter is tested against: token counts in 128-bit integers, packet by packet.

#include "dataplane/meter.hpp"

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace isthmus::dataplane {

inline constexpr uint64_t kTscHz = 2'500'000'000;

__extension__ using WideInt = __int128; // ISO C++ has no 128-bit integer

// Tokens are time at the rate, in 1/2^20 cycles, as a BucketRate counts them.
class ReferenceBucket {
  public:
    explicit ReferenceBucket(const BucketRate& rate) {
        change(rate);
        tokens_ = depth_;
    }

    void change(const BucketRate& rate) {
        rate_ = rate;
        depth_ = WideInt{rate.burst_q6} << 14;
        tokens_ = std::min(tokens_, depth_);
    }
    bool take(uint32_t bytes, uint64_t now_tsc) {
        return holds(bytes, now_tsc) && (spend(bytes, now_tsc), true);
    }
    bool holds(uint32_t bytes, uint64_t now_tsc) {
        earn(now_tsc);
        return tokens_ >= cost(bytes);
    }
    // Whether the bucket held them or not; false: it did not.
    bool spend(uint32_t bytes, uint64_t now_tsc) {
        earn(now_tsc);
        tokens_ -= cost(bytes);
        return tokens_ >= 0;
    }

  private:
    WideInt cost(uint32_t bytes) const { return WideInt{bytes} * rate_.tsc_per_byte_q20; }
    void earn(uint64_t now_tsc) {
        if (now_tsc > last_tsc_)
            tokens_ = std::min(depth_, tokens_ + (WideInt{now_tsc - last_tsc_} << 20));
        last_tsc_ = std::max(last_tsc_, now_tsc);
    }

    BucketRate rate_;
    WideInt depth_ = 0, tokens_ = 0;
    uint64_t last_tsc_ = 0;
};

// RFC 4115, section 3.
enum class Colour { green, yellow, red };
class ReferenceMarker {
  public:
    explicit ReferenceMarker(const MeterRate& rate) : c_(rate.committed), e_(rate.excess) {}
    Colour mark(uint32_t bytes, uint64_t now_tsc, bool came_yellow = false) {
        if (!came_yellow && c_.take(bytes, now_tsc))
            return Colour::green;
        return e_.take(bytes, now_tsc) ? Colour::yellow : Colour::red;
    }

  private:
    ReferenceBucket c_, e_;
};

// One metered attachment, several workers.
class MeteredBursts {
  public:
    MeteredBursts(const MeterRate& meter_rate, std::size_t workers)
        : rate(meter_rate), bucket(1), credits(workers, std::vector<MeterCredit>(1)) {
        std::iota(live_.begin(), live_.end(), uint8_t{0});
    }
    MeterColours charge(std::size_t worker, std::span<const uint16_t> bytes, uint64_t now_tsc,
                        uint64_t yellow = 0) {
        return meter_burst(
            {std::span(live_).first(bytes.size()), slots_.data(), bytes.data(), yellow},
            bucket, [&](uint16_t slot) -> auto& { return credits[worker][slot]; },
            [this](uint16_t) -> auto& { return rate; }, now_tsc);
    }
    bool charge_one(std::size_t worker, uint16_t bytes, uint64_t now_tsc) {
        return charge(worker, {&bytes, 1}, now_tsc).red == 0;
    }
    // Octets of a burst of equal packets that passed.
    uint64_t passed(std::size_t worker, std::size_t packets, uint16_t bytes, uint64_t now_tsc) {
        const std::vector<uint16_t> burst(packets, bytes);
        return (packets -
                static_cast<std::size_t>(std::popcount(charge(worker, burst, now_tsc).red))) *
               bytes;
    }
    // Empties the committed bucket; nobody has credit from it.
    void drain(uint64_t now_tsc) {
        bucket[0].committed.earned_q6 = (now_tsc << 6) + rate.committed.burst_q6;
        bucket[0].committed.burst_q6 = rate.committed.burst_q6;
        for (auto& credit : credits)
            credit[0] = {};
    }

    MeterRate rate;
    std::vector<MeterBucket> bucket;
    std::vector<std::vector<MeterCredit>> credits; // by worker

  private:
    std::array<uint8_t, kBurstMax> live_;
    std::array<uint16_t, kBurstMax> slots_{};
};

} // namespace isthmus::dataplane
