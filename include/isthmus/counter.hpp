#pragma once
// A 64-bit counter with exactly one writing thread. Readers on other threads may look at any time
// and see a recent value; "clear" is a baseline that the reader keeps.

#include <atomic>
#include <cstdint>

namespace isthmus {

class Counter {
  public:
    // Writer thread only. A plain load and store: no bus lock, and no data race by the memory
    // model.
    void add(uint64_t amount) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    // Writer thread only: for values that are not sums, such as packet numbers.
    void set(uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    // Any thread.
    [[nodiscard]] uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};
static_assert(sizeof(Counter) == 8);

} // namespace isthmus
