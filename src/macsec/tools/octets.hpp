#pragma once
// Octets and their hexadecimal digits, as the vectors have them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::macsec::tools {

using Octets = std::vector<uint8_t>;

// Nothing if `digits` holds anything but pairs of hexadecimal digits.
[[nodiscard]] std::optional<Octets> octets_from_hex(std::string_view digits);
// Nothing if there is no digit, more than 16, or anything else.
[[nodiscard]] std::optional<uint64_t> number_from_hex(std::string_view digits);
[[nodiscard]] std::string to_hex(std::span<const uint8_t> octets);

} // namespace isthmus::macsec::tools
