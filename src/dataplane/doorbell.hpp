#pragma once
// Wakes a worker that sleeps: an eventfd that is written to only while its owner has said that it
// is about to sleep, so that handing packets to a busy worker costs no system call.
//
// The sleeper arms the bell, looks for work once more, waits until fd() is readable and disarms.
// Whoever brings work makes it visible first and rings then. Either the sleeper's last look sees
// the work, or the bell is seen armed: both sides have a full fence between their two steps.

#include "isthmus/types.hpp"

#include <atomic>

namespace isthmus::dataplane {

class Doorbell {
  public:
    Doorbell();
    ~Doorbell();
    Doorbell(const Doorbell&) = delete;
    Doorbell& operator=(const Doorbell&) = delete;

    // Fixed. -1 if the process had no descriptor left; then arm() says so.
    [[nodiscard]] int fd() const noexcept { return fd_; }

    // Owner. False: nobody can wake it.
    [[nodiscard]] bool arm() noexcept {
        armed_.store(true, std::memory_order_seq_cst);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return fd_ >= 0;
    }
    // Owner.
    void disarm() noexcept;

    // Any thread. The system call comes at most once for each time it is armed.
    void ring() noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (armed_.load(std::memory_order_relaxed))
            wake();
    }

  private:
    void wake() noexcept;

    int fd_;
    // On a line of its own: read with every handing over, written only when its owner is idle.
    alignas(kCacheLine) std::atomic<bool> armed_{false};
};

} // namespace isthmus::dataplane
