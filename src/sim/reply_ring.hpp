#pragma once
// Short frames that the receiving side of a simulated host hands to its sending side: ARP and ND
// answers. One producer and one consumer, which may be two workers.

#include "isthmus/types.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace isthmus::sim {

struct Reply {
    std::array<uint8_t, 94> frame;
    uint8_t length = 0;
    bool nd = false; // else ARP
};

class ReplyRing {
  public:
    // Producer. nullptr if it is full; otherwise fill the reply in and push it.
    [[nodiscard]] Reply* begin_push() noexcept {
        const uint32_t head = head_.load(std::memory_order_relaxed);
        if (head - tail_.load(std::memory_order_acquire) == kSize)
            return nullptr;
        return &replies_[head % kSize];
    }
    void push() noexcept {
        head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    // Producer: how many it has pushed, modulo 2^32.
    [[nodiscard]] uint32_t pushed() const noexcept { return head_.load(std::memory_order_relaxed); }
    // Consumer. nullptr if it is empty.
    [[nodiscard]] const Reply* front() const noexcept {
        const uint32_t tail = tail_.load(std::memory_order_relaxed);
        return tail == head_.load(std::memory_order_acquire) ? nullptr : &replies_[tail % kSize];
    }
    void pop() noexcept {
        tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

  private:
    static constexpr uint32_t kSize = 64;
    // The two ends on lines of their own: each is written by one worker and read by the other.
    alignas(kCacheLine) std::atomic<uint32_t> head_{0};
    alignas(kCacheLine) std::atomic<uint32_t> tail_{0};
    alignas(kCacheLine) std::array<Reply, kSize> replies_;
};

} // namespace isthmus::sim
