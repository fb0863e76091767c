#pragma once
// The seam to whatever moves packets: an ethdev of DPDK, a simulated host, our own AF_XDP port.
// Virtual calls are per burst, never per packet.

#include "isthmus/address.hpp"
#include "isthmus/types.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

// A number that the device counts for itself, under the name that its driver gives it.
struct DeviceStatistic {
    std::string name;
    uint64_t value = 0;
};

// One link of the edge on a port: an attachment's VPC side, or its feature on a channel.
struct PortLink {
    uint16_t vlan = 0;               // 0: untagged
    std::vector<IpPrefix> addresses; // of the edge, with host bits
    auto operator<=>(const PortLink&) const = default;
};

struct NamedCount {
    std::string_view name;
    uint64_t value = 0;
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
    // How the device works, in a few words; empty if there is nothing to tell.
    [[nodiscard]] virtual std::string mode() const { return {}; }
    // What it counts beside losses.
    [[nodiscard]] virtual std::vector<NamedCount> counts() const { return {}; }
    // A port that shares its interface with the kernel has to hear which links are the edge's: all
    // that there are from now on.
    [[nodiscard]] virtual bool wants_links() const { return false; }
    virtual void follow_links(std::span<const PortLink> /*links*/) {}
    // What has happened to the device that an operator should hear of, once; empty: nothing.
    [[nodiscard]] virtual std::string take_event() { return {}; }
    [[nodiscard]] virtual std::vector<DeviceStatistic> statistics() const { return {}; }
    // Called every 100 ms: what the device needs done for it, such as connecting to its peer again.
    virtual void tend() {}
    // False: the device has been taken away, for good.
    [[nodiscard]] virtual bool present() const { return true; }
    // Octets behind the Ethernet header that pass now, as far as the device tells; else 0.
    [[nodiscard]] virtual uint32_t l2_payload() const { return 0; }
    virtual void stop() = 0;
};

} // namespace isthmus::dataplane
