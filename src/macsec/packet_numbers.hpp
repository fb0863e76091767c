#pragma once
// Packet numbers of a transmit SA (IEEE 802.1AE-2018 clause 10.5.2): handed out in runs, each once.
//
// Threads: with `per_worker` one worker takes them; with `shared` any number of workers do. The
// control thread sets the limit and reads at any time.

#include "isthmus/types.hpp"
#include "macsec/suite.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace isthmus::macsec {

class alignas(kCacheLine) PacketNumbers {
  public:
    enum class Owner : uint8_t { per_worker, shared };

    // `limit` is the last packet number that may be used, at most last_pn of the suite.
    PacketNumbers(Owner owner, uint64_t first, uint64_t limit)
        : next_(first), limit_(limit), owner_(owner) {}

    struct Run {
        uint64_t first = 0;
        uint32_t count = 0;
    };
    // Takes up to `count` consecutive numbers; fewer, or none, at the limit. What has been taken
    // never comes back.
    [[nodiscard]] Run take(uint32_t count) noexcept {
        const uint64_t limit = limit_.load(std::memory_order_relaxed);
        uint64_t first = next_.load(std::memory_order_relaxed);
        if (first > limit)
            return {};
        if (owner_ == Owner::per_worker) {
            const auto granted =
                static_cast<uint32_t>(std::min<uint64_t>(count, limit - first + 1));
            next_.store(first + granted, std::memory_order_relaxed);
            return {first, granted};
        }
        // Numbers beyond the limit are lost rather than given back. There are at most as many as
        // workers that come here at once, times a burst: far less than last_pn leaves below 2^64.
        first = next_.fetch_add(count, std::memory_order_relaxed);
        if (first > limit)
            return {};
        return {first, static_cast<uint32_t>(std::min<uint64_t>(count, limit - first + 1))};
    }

    // nextPN; any thread. With `shared` it may be past the limit when the SA is exhausted.
    [[nodiscard]] uint64_t next() const noexcept { return next_.load(std::memory_order_relaxed); }
    [[nodiscard]] uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool exhausted() const noexcept { return next() > limit(); }
    // Control thread. Never below what was allowed before.
    void raise_limit(uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> next_;
    std::atomic<uint64_t> limit_;
    Owner owner_;
};

} // namespace isthmus::macsec
