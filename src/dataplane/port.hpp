#pragma once
// The seam to whatever moves packets: an ethdev of DPDK, a simulated host, later our own AF_XDP
// port. Virtual calls are per burst, never per packet.

#include "isthmus/address.hpp"
#include "isthmus/types.hpp"

#include <cstdint>
#include <string_view>

struct rte_mbuf;

namespace isthmus::dataplane {

// Packets lost where no worker saw them. Counted from the start of the port.
struct DeviceLosses {
    uint64_t rx_missed = 0; // no descriptor was free
    uint64_t rx_errors = 0;
    uint64_t rx_oversized = 0; // of these, as far as the device tells: longer than it takes
    uint64_t rx_nombuf = 0;    // no packet buffer was free
    uint64_t tx_errors = 0;    // accepted by tx_burst, but not sent
};

class Port {
  public:
    Port() = default;
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    virtual ~Port() = default;

    // Workers; one worker per queue. Returns how many packets were taken or filled in. What
    // tx_burst does not take stays the caller's.
    [[nodiscard]] virtual uint16_t rx_burst(uint16_t queue, rte_mbuf** packets,
                                            uint16_t count) noexcept = 0;
    [[nodiscard]] virtual uint16_t tx_burst(uint16_t queue, rte_mbuf** packets,
                                            uint16_t count) noexcept = 0;

    // For a worker that rests while there is nothing to receive. It arms each queue that it polls,
    // polls once more, waits until one of the descriptors is readable, and disarms. `wait_fd` is
    // fixed once the port is open; -1: there is none, the queue has to be polled.
    [[nodiscard]] virtual int wait_fd(uint16_t /*queue*/) const noexcept { return -1; }
    // The queue's worker. False: packets may come without the descriptor becoming readable.
    [[nodiscard]] virtual bool arm(uint16_t queue) noexcept { return wait_fd(queue) >= 0; }
    virtual void disarm(uint16_t /*queue*/) noexcept {}

    // How many queues the port has; one worker polls, or sends by, each. Fixed once it is open.
    [[nodiscard]] virtual uint16_t rx_queues() const = 0;
    [[nodiscard]] virtual uint16_t tx_queues() const = 0;

    // Control thread.
    [[nodiscard]] virtual std::string_view driver() const = 0;
    [[nodiscard]] virtual MacAddr mac() const = 0;
    [[nodiscard]] virtual bool link_up() const = 0;
    [[nodiscard]] virtual DeviceLosses losses() const = 0;
    virtual void stop() = 0;
};

} // namespace isthmus::dataplane
