#pragma once
// Deals out the queues of a configuration's ports. Control thread.

#include "control/config.hpp"
#include "dataplane/queue_plan.hpp"

#include <span>
#include <vector>

namespace isthmus::dataplane {

struct QueueCounts {
    uint16_t rx = 1;
    uint16_t tx = 1;
};

// By PortId. Channels of an interconnect take turns by their place in it, so that both edges count
// alike; VPC ports among themselves.
[[nodiscard]] std::vector<PortQueues> deal_out_queues(const control::Config& config,
                                                      std::span<const QueueCounts> ports);

} // namespace isthmus::dataplane
