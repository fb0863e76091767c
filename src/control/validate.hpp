#pragma once
// Checks of what the API asks for against the whole Model. Pure; control thread.

#include "control/model.hpp"
#include "control/sizes.hpp"
#include "isthmus/result.hpp"

#include <optional>

namespace isthmus::control {

inline constexpr uint16_t kMinFeatureVlan =
    1025; // lower ones are reserved on provider interconnects
inline constexpr uint16_t kMaxVlan = 4094;
inline constexpr uint64_t kMinRateBps = 64'000;
inline constexpr uint64_t kMaxRateBps = 400'000'000'000;
inline constexpr uint64_t kMinExcessBps = 64'000; // of the peak over the rate
inline constexpr uint64_t kMaxDscp = 63;          // RFC 2474: six bits
inline constexpr uint32_t kMinBurstUs = 100;
inline constexpr uint32_t kMaxBurstUs = 1'000'000;
inline constexpr uint16_t kMinMss = 536; // what every host takes over IPv4 (RFC 9293, 3.7.1)
inline constexpr uint16_t kMaxMss = kMaxPortMtu - kTcpOverIpv4;

// The whole attachment: references, VLANs free, addresses, limits, features and routes. `self` is
// the slot it replaces, if any.
[[nodiscard]] Result<void> check_attachment(const Model& model, const Attachment& spec,
                                            std::optional<AttachmentId> self);

// The same without the routes, which the caller has not changed.
[[nodiscard]] Result<void> check_parameters(const Model& model, const Attachment& spec,
                                            std::optional<AttachmentId> self);

// One route in an otherwise good attachment.
[[nodiscard]] Result<void> check_route(const Attachment& attachment, const IpPrefix& prefix,
                                       const Route& route);

} // namespace isthmus::control
