#pragma once
// Sockets that DPDK's drivers open and do not tell about. They are waited on, and the kernel knows
// of AF_XDP sockets what the 22.11 driver does not say: it counts rx_dropped as missed, but not
// packets that found the receive ring full. Control thread.

#include <cstdint>
#include <vector>

namespace isthmus::dataplane {

// Descriptors of this process's sockets of an address family: AF_XDP, AF_PACKET. Those that are new
// after a device was attached or a queue set up belong to it. The AF_XDP driver opens one with each
// receive queue, the AF_PACKET driver all of them when it is attached.
[[nodiscard]] std::vector<int> sockets_of(int family);
// Those of `now` that `before` does not have.
[[nodiscard]] std::vector<int> new_sockets(const std::vector<int>& before,
                                           const std::vector<int>& now);

// Packets that were lost because the receive ring was full; 0 for a descriptor that is closed.
[[nodiscard]] uint64_t xdp_ring_full(int socket);

} // namespace isthmus::dataplane
