#pragma once
// Cipher suites and identifiers of IEEE 802.1AE-2018 (clauses 9 and 14).

#include "isthmus/address.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace isthmus::macsec {

enum class CipherSuite : uint8_t { gcm_aes_128, gcm_aes_256 };

inline constexpr uint32_t kIcvLength = 16;
inline constexpr uint32_t kSecTagLength = 16; // with explicit SCI, the only form we send
inline constexpr uint32_t kSecTagLengthNoSci = 8;
inline constexpr uint32_t kMacsecOverhead = kSecTagLength + kIcvLength;
inline constexpr uint8_t kAssociationNumbers = 4; // AN 0..3

[[nodiscard]] constexpr uint32_t sak_length(CipherSuite suite) {
    return suite == CipherSuite::gcm_aes_128 ? 16 : 32;
}
// The last packet number that may be sent or accepted: PN is 32 bits for these suites (10.5.2).
[[nodiscard]] constexpr uint64_t last_pn(CipherSuite) {
    return 0xffffffff;
}

[[nodiscard]] constexpr std::string_view name(CipherSuite suite) {
    return suite == CipherSuite::gcm_aes_128 ? "GCM-AES-128" : "GCM-AES-256";
}
[[nodiscard]] constexpr std::optional<CipherSuite> suite_from_name(std::string_view text) {
    for (auto suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256})
        if (text == name(suite))
            return suite;
    return std::nullopt;
}

// Secure Channel Identifier: a MAC address and a Port Identifier (9.9). Host order, MAC in the high
// 48 bits, so that comparing SCIs compares them as the standard does.
struct Sci {
    uint64_t value = 0;

    [[nodiscard]] static constexpr Sci from(const MacAddr& mac, uint16_t port_identifier) {
        uint64_t value = 0;
        for (uint8_t octet : mac.octets)
            value = value << 8 | octet;
        return {value << 16 | port_identifier};
    }
    auto operator<=>(const Sci&) const = default;
};

} // namespace isthmus::macsec
