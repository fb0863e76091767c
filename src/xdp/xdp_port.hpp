#pragma once
// A port on a kernel interface that stays the kernel's: AF_XDP sockets get the edge's frames, a
// program on the interface says which these are (docs/xdp.md). Control thread.

#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "xdp/xdp_request.hpp"

#include <cstdint>
#include <memory>

namespace isthmus::xdp {

struct Plan {
    uint16_t rx_queues = 1; // all that the interface has: each needs its socket
    uint16_t tx_queues = 1;
    int socket = -1; // NUMA; -1: of none
};

// What can be known before there is memory for packets: the request's pool is not needed yet.
// Errors name the port and what is missing: the interface, a capability, an MTU, a queue.
[[nodiscard]] Result<Plan> plan_port(const Request& request);
// Frames come from when this returns.
[[nodiscard]] Result<std::unique_ptr<dataplane::Port>> open_port(const Request& request);

} // namespace isthmus::xdp
