#pragma once
// Which worker polls which receive queue, and who sends by which transmit queue. Pure functions of
// the control thread, before workers start.

#include "isthmus/types.hpp"

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::dataplane {

// What is known of a port when queues are dealt out.
struct QueueDemand {
    uint16_t rx_queues = 1;
    uint16_t tx_queues = 1;
    std::vector<uint16_t> rx_workers; // by queue; empty: dealt out automatically
    // Ports of one kind start at different workers, so that ports with one queue spread. Equal
    // turns at both ends of a channel keep a transmit SC's frames with the worker that owns it.
    uint16_t turn = 0;
    bool channel = false; // else a VPC's
};

// How a worker's packets leave a port: by a queue that is its own, or that another worker owns.
struct TxQueue {
    uint16_t owner = 0;
    uint16_t queue = 0;
};

struct PortQueues {
    std::vector<uint16_t> rx_worker; // by receive queue
    std::vector<TxQueue> tx;         // by worker
    // Who polls hands packets over, to any other worker: on a channel to the owner of the receive
    // SC; on the VPC side if not every worker has a receive queue of its own.
    bool hands_over = false;
};

// Why a packet changes hands: another worker forwards it, or has the queue that it is sent by.
enum class HandOffPurpose : uint8_t { forward, send };

struct HandOff {
    HandOffPurpose purpose;
    uint16_t from;
    uint16_t to;
    auto operator<=>(const HandOff&) const = default;
};

[[nodiscard]] PortQueues plan_queues(const QueueDemand& demand, uint16_t workers);
// Every pair between which a packet can pass, once, in order.
[[nodiscard]] std::vector<HandOff> plan_handoffs(std::span<const PortQueues> ports,
                                                 uint16_t workers);

} // namespace isthmus::dataplane
