#pragma once
// Which MACsec options of a channel go together. Pure; any thread.

#include "control/config.hpp"
#include "isthmus/result.hpp"

namespace isthmus::control {

inline constexpr uint32_t kMaxDuplicateProofWindow = 65536;

// `port` is the channel's. Of `config`, allow_plaintext and worker_cores count. Errors name the key
// in `field`.
[[nodiscard]] Result<void> check_macsec(const ChannelConfig& channel, const PortConfig& port,
                                        const Config& config);

} // namespace isthmus::control
