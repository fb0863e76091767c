#pragma once
// Numbers of Neighbor Discovery on the wire (RFC 4861).

#include <cstdint>

namespace isthmus::control::host {

inline constexpr uint8_t kNdHopLimit = 255; // 7.1: proves that no router was in between

inline constexpr uint8_t kOptionSourceLinkAddress = 1; // 4.6.1
inline constexpr uint8_t kOptionTargetLinkAddress = 2;

inline constexpr uint32_t kFlagRouter = 0x8000'0000; // 4.4, in the word after the checksum
inline constexpr uint32_t kFlagSolicited = 0x4000'0000;
inline constexpr uint32_t kFlagOverride = 0x2000'0000;

} // namespace isthmus::control::host
