#pragma once
// Which MACsec options of a channel go together, and pools with channels. Pure; any thread.

#include "control/config.hpp"
#include "isthmus/result.hpp"

namespace isthmus::control {

inline constexpr uint32_t kMaxDuplicateProofWindow = 65536;

// `port` is the channel's. Of `config`, allow_plaintext and worker_cores count. Errors name the key
// in `field`.
[[nodiscard]] Result<void> check_macsec(const ChannelConfig& channel, const PortConfig& port,
                                        const Config& config);

// Whether the channels of an interconnect carry what it is to sell. All channels are known.
[[nodiscard]] Result<void> check_pool(const Config& config, InterconnectId interconnect);

} // namespace isthmus::control
