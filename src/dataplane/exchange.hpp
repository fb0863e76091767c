#pragma once
// Packets on their way from one worker to another: received by one and forwarded by another, or
// forwarded by one and sent by another, whose transmit queue it is. One ring for each purpose and
// pair that the queue plan has, so that each has one producer and one consumer: no atomic
// read-modify-write, no lock, and what is handed over stays in order.

#include "dataplane/doorbell.hpp"
#include "dataplane/queue_plan.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct rte_mbuf;
struct rte_ring;

namespace isthmus::dataplane {

class Exchange {
  public:
    using Purpose = HandOffPurpose;
    // Bridges a pause of the taking worker of a few milliseconds at 1 Mpps, as on virtual machines.
    static constexpr uint32_t kRingSize = 4096;

    // `bells`: of the workers, rung for what they are given; none if no worker ever rests.
    [[nodiscard]] static Result<std::unique_ptr<Exchange>>
    create(std::span<const HandOff> pairs, uint16_t workers, std::vector<Doorbell*> bells = {});

    // Worker `from`. Returns how many fitted; the rest stays the caller's. Between a pair that the
    // plan does not have nothing fits.
    [[nodiscard]] uint16_t give(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                                uint16_t count) noexcept;
    // Worker `to`, of one of its sources.
    [[nodiscard]] uint16_t take(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                                uint16_t count) noexcept;
    // The workers that may have something for `to`.
    [[nodiscard]] std::span<const uint16_t> sources(Purpose purpose, uint16_t to) const noexcept {
        return sources_[static_cast<std::size_t>(purpose) * workers_ + to];
    }
    [[nodiscard]] uint16_t workers() const noexcept { return workers_; }

  private:
    struct RingDeleter {
        void operator()(rte_ring* ring) const;
    };
    explicit Exchange(uint16_t workers);
    [[nodiscard]] std::size_t place(Purpose purpose, uint16_t from, uint16_t to) const noexcept;

    uint16_t workers_;
    std::vector<Doorbell*> bells_;
    std::vector<std::unique_ptr<rte_ring, RingDeleter>> rings_; // by purpose, from, to
    std::vector<std::vector<uint16_t>> sources_;                // by purpose, to
};

} // namespace isthmus::dataplane
