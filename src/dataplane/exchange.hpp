#pragma once
// Packets on their way from one worker to another: received by one and forwarded by another, or
// forwarded by one and sent by another, whose transmit queue it is. One ring for each pair and
// purpose, so that each has one producer and one consumer: no atomic read-modify-write, no lock,
// and what is handed over stays in order.

#include "isthmus/result.hpp"

#include <cstdint>
#include <memory>
#include <vector>

struct rte_mbuf;
struct rte_ring;

namespace isthmus::dataplane {

class Exchange {
  public:
    enum class Purpose : uint8_t { forward, send };

    // For one worker there is nothing to exchange, and no ring.
    [[nodiscard]] static Result<std::unique_ptr<Exchange>> create(uint16_t workers);

    // Worker `from`. Returns how many fitted; the rest stays the caller's.
    [[nodiscard]] uint16_t give(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                                uint16_t count) noexcept;
    // Worker `to`.
    [[nodiscard]] uint16_t take(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                                uint16_t count) noexcept;
    [[nodiscard]] uint16_t workers() const noexcept { return workers_; }

  private:
    struct RingDeleter {
        void operator()(rte_ring* ring) const;
    };
    explicit Exchange(uint16_t workers) : workers_(workers) {}
    [[nodiscard]] rte_ring* ring(Purpose purpose, uint16_t from, uint16_t to) const noexcept;

    uint16_t workers_;
    std::vector<std::unique_ptr<rte_ring, RingDeleter>> rings_; // by purpose, from, to
};

} // namespace isthmus::dataplane
