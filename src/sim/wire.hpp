#pragma once
// A cable between two simulated edges: two ethdev ports, cross-connected by rings.

#include "isthmus/result.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace isthmus::sim {

inline constexpr uint32_t kWireRingSize = 4096; // of each queue and direction

// The DPDK port ids of the two ends. What goes into a transmit queue comes out of the receive queue
// of the same number; one worker per queue and end. `name` is for errors only. Control thread,
// after EAL start. The ports live until EAL ends.
[[nodiscard]] Result<std::pair<uint16_t, uint16_t>> make_wire(const std::string& name,
                                                              uint16_t queues = 1);

} // namespace isthmus::sim
