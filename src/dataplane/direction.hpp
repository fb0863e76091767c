#pragma once
#include <cstdint>

namespace isthmus::dataplane {

// egress: from the VPC to the other cloud. ingress: from a channel to the VPC.
enum class Direction : uint8_t { egress, ingress };

} // namespace isthmus::dataplane
