#pragma once
// Which worker forwards a frame that another one has received. Workers only.

#include "dataplane/forwarding_state.hpp"

#include <cstdint>

namespace isthmus::dataplane {

// On the VPC side by a hash of the flow, so that a flow stays in order with one worker; what is not
// IP stays with `self`. On a channel the owner of the receive SC, whose replay state is its own;
// frames that no owner validates stay with `self`.
[[nodiscard]] uint16_t worker_for(const ForwardingState& state, const PortState& port,
                                  const uint8_t* frame, uint32_t length, uint16_t workers,
                                  uint16_t self) noexcept;

} // namespace isthmus::dataplane
