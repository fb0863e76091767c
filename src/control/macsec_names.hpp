#pragma once
// Words of the configuration file and the API for a channel's MACsec options.

#include "control/config.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace isthmus::control {

// By the values of the enumerations.
inline constexpr std::array<std::string_view, 4> kValidateNames = {"null", "disabled", "check",
                                                                   "strict"};
inline constexpr std::array<std::string_view, 4> kIncludeSciNames = {"always", "end_station", "scb",
                                                                     "when_needed"};
inline constexpr std::array<std::string_view, 2> kTxScNames = {"per_worker", "shared"};

template <class Enum, std::size_t N>
[[nodiscard]] constexpr std::optional<Enum> from_name(const std::array<std::string_view, N>& names,
                                                      std::string_view text) {
    for (std::size_t i = 0; i < N; ++i)
        if (names[i] == text)
            return static_cast<Enum>(i);
    return std::nullopt;
}

[[nodiscard]] constexpr std::string_view validate_name(macsec::ValidateFrames value) {
    return kValidateNames[static_cast<std::size_t>(value)];
}
[[nodiscard]] constexpr std::string_view include_sci_name(IncludeSci value) {
    return kIncludeSciNames[static_cast<std::size_t>(value)];
}
[[nodiscard]] constexpr std::string_view tx_sc_name(TxScMode value) {
    return kTxScNames[static_cast<std::size_t>(value)];
}

// Table 14-1 of 802.1AE.
[[nodiscard]] constexpr uint64_t suite_identifier(macsec::CipherSuite suite) {
    constexpr uint64_t kFirst = 0x0080'c200'0100'0001; // GCM-AES-128; the others follow
    return kFirst + static_cast<uint64_t>(suite);
}

} // namespace isthmus::control
