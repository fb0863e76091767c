#pragma once
// When a worker in adaptive mode that finds nothing to do rests, and for how long. No clock, no
// system call: times are arguments, in ticks of a clock of `hz` (the TSC).
//
// It goes on polling for a while, since packets come in bunches. Then, if everything that brings
// work can wake it, it waits to be woken. If a port can not, it has to look: often while traffic
// has been there a moment ago; later as often as a small share of the core allows, for a sleep and
// the round after it cost 2 us on one machine and 20 us on another.

#include <cstdint>

namespace isthmus::dataplane {

class Idle {
  public:
    static constexpr uint64_t kSpinNs = 50'000;
    // A timer is late by what the kernel needs to wake a thread; with it a packet waits 50 us.
    static constexpr uint64_t kShortNapNs = 40'000;
    static constexpr uint64_t kLongNapNs = 1'000'000;
    static constexpr uint64_t kLingerNs = 50'000'000; // of short naps behind the last packet
    // Long naps are so many times as long as what looking costs: 4 % of the core.
    static constexpr uint64_t kNapPerCost = 24;
    // A wake-up that a device or driver has lost costs at most this.
    static constexpr uint64_t kWaitNs = 10'000'000;
    // Wake-ups in a row for nothing after which descriptors are not waited for during so many
    // rests: one that is in error is always readable.
    static constexpr unsigned kFutileWakes = 4;
    static constexpr unsigned kDistrustRests = 256;

    explicit Idle(uint64_t hz) : hz_(hz) {}

    // After a round with work.
    void worked() noexcept { since_ = futile_ = 0; }
    // After a round without. True: it is time to rest.
    [[nodiscard]] bool tired(uint64_t now) noexcept;
    // How long to rest. `wakeable`: whatever brings work wakes the worker.
    [[nodiscard]] uint64_t rest_ns(bool wakeable, uint64_t now) const noexcept;
    // After a rest: whether a port's descriptor ended it.
    void rested(bool woken) noexcept;
    // Whether to wait for descriptors at all.
    [[nodiscard]] bool trusts_descriptors() const noexcept { return futile_ < kFutileWakes; }
    // What the last nap and the round behind it took of the core.
    void account(uint64_t cost_ns) noexcept;

  private:
    [[nodiscard]] uint64_t ticks(uint64_t ns) const noexcept {
        return ns * hz_ / 1'000'000'000; // of at most kLingerNs: far from an overflow
    }

    uint64_t hz_;
    uint64_t since_ = 0; // of the first round without work; 0: the last one had some
    uint64_t cost_ns_ = 0;
    unsigned futile_ = 0;
    unsigned distrusted_ = 0;
};

} // namespace isthmus::dataplane
