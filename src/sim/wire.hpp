#pragma once
// A cable between two simulated edges: two ethdev ports, cross-connected by rings.

#include "isthmus/result.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace isthmus::sim {

// The DPDK port ids of the two ends. One queue each way, one worker per end. `name` is for errors
// only. Control thread, after EAL start. The ports live until EAL ends.
[[nodiscard]] Result<std::pair<uint16_t, uint16_t>> make_wire(const std::string& name);

} // namespace isthmus::sim
