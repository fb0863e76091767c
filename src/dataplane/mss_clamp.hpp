#pragma once
// Lowers the maximum segment size that a TCP SYN announces (RFC 9293, section 3.7.1), so that a
// connection whose path MTU discovery is blocked works all the same. A pure function, any thread.

#include <cstdint>

namespace isthmus::dataplane {

inline constexpr uint16_t kTcpHeader = 20;

// `packet` is an IPv4 or IPv6 packet of `length` octets whose IP header was checked; nothing
// outside of it is read. Returns whether an MSS was over `most` and is now `most`, with the
// checksum made to fit. Never raises one, adds none, and leaves malformed options as they are.
bool clamp_mss(uint8_t* packet, uint32_t length, bool is_ipv6, uint16_t most) noexcept;

} // namespace isthmus::dataplane
