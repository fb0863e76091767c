#pragma once
// What the kernel knows of AF_XDP sockets and DPDK 22.11's driver does not tell: it counts
// rx_dropped as missed, but not packets that found the receive ring full. Control thread.

#include <cstdint>
#include <vector>

namespace isthmus::dataplane {

// Descriptors of this process's AF_XDP sockets. The driver opens them when a queue is set up, so
// those that are new after a port was opened are the port's.
[[nodiscard]] std::vector<int> xdp_sockets();

// Packets that were lost because the receive ring was full; 0 for a descriptor that is closed.
[[nodiscard]] uint64_t xdp_ring_full(int socket);

} // namespace isthmus::dataplane
