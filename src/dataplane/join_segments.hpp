#pragma once
// Frames that a device has delivered in several packet buffers, made one. Workers.

#include "dataplane/counters.hpp"

#include <cstdint>

struct rte_mbuf;

namespace isthmus::dataplane {

// Everything behind this point sees frames in one piece. Returns how many of `count` packets are
// left, in order; the others are freed and counted as drops.
[[nodiscard]] uint16_t join_segments(rte_mbuf** packets, uint16_t count, EdgeCounters& edge,
                                     PortCounters& port) noexcept;

} // namespace isthmus::dataplane
