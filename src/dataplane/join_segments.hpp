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

// Flags of what a virtual device hands over before it is a frame of the wire: one of several TCP
// segments in one, or one whose checksum is still to be computed. No port asks for either, so only
// a peer that does what was not agreed sends them.
[[nodiscard]] bool is_unfinished(uint64_t offload_flags) noexcept;
// The same as join_segments for these.
[[nodiscard]] uint16_t drop_unfinished(rte_mbuf** packets, uint16_t count,
                                       EdgeCounters& edge) noexcept;

} // namespace isthmus::dataplane
