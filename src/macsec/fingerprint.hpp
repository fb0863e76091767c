#pragma once
// A name for a SAK that may be stored, logged and shown, where the SAK itself never may.

#include <cstdint>
#include <span>
#include <string>

namespace isthmus::macsec {

// The first 16 hexadecimal digits of the SAK's SHA-256. Control thread; allocates.
[[nodiscard]] std::string fingerprint(std::span<const uint8_t> sak);

} // namespace isthmus::macsec
