#pragma once
// Cipher suites and identifiers of IEEE 802.1AE-2018 (clauses 9 and 14).

#include "isthmus/address.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace isthmus::macsec {

enum class CipherSuite : uint8_t { gcm_aes_128, gcm_aes_256, gcm_aes_xpn_128, gcm_aes_xpn_256 };
inline constexpr auto kCipherSuites =
    std::to_array({CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256, CipherSuite::gcm_aes_xpn_128,
                   CipherSuite::gcm_aes_xpn_256});

inline constexpr uint32_t kIcvLength = 16;
inline constexpr uint32_t kSecTagLength = 16; // with explicit SCI: the longest form
inline constexpr uint32_t kSecTagLengthNoSci = 8;
inline constexpr uint32_t kMacsecOverhead = kSecTagLength + kIcvLength; // at most
inline constexpr uint8_t kAssociationNumbers = 4;                       // AN 0..3

[[nodiscard]] constexpr bool is_xpn(CipherSuite suite) {
    return suite == CipherSuite::gcm_aes_xpn_128 || suite == CipherSuite::gcm_aes_xpn_256;
}
[[nodiscard]] constexpr uint32_t sak_length(CipherSuite suite) {
    return suite == CipherSuite::gcm_aes_128 || suite == CipherSuite::gcm_aes_xpn_128 ? 16 : 32;
}
// The last packet number that we send (10.5.2). With XPN the standard ends at 2^64 - 1; the rest is
// given up so that no sum of packet numbers wraps.
[[nodiscard]] constexpr uint64_t last_pn(CipherSuite suite) {
    return is_xpn(suite) ? 0xffff'ffff'ffff'0000 : 0xffff'ffff;
}
[[nodiscard]] constexpr uint32_t max_replay_window(CipherSuite suite) {
    return is_xpn(suite) ? (1u << 30) - 1 : 0xffff'ffff;
}
// Where a new SAK is due: three quarters of the packet numbers are used (802.1X-2020, 9.8).
[[nodiscard]] constexpr uint64_t default_pn_threshold(CipherSuite suite) {
    return is_xpn(suite) ? 0xc000'0000'0000'0000 : 0xc000'0000;
}

[[nodiscard]] constexpr std::string_view name(CipherSuite suite) {
    switch (suite) {
    case CipherSuite::gcm_aes_128:
        return "GCM-AES-128";
    case CipherSuite::gcm_aes_256:
        return "GCM-AES-256";
    case CipherSuite::gcm_aes_xpn_128:
        return "GCM-AES-XPN-128";
    case CipherSuite::gcm_aes_xpn_256:
        break;
    }
    return "GCM-AES-XPN-256";
}
[[nodiscard]] constexpr std::optional<CipherSuite> suite_from_name(std::string_view text) {
    for (const CipherSuite suite : kCipherSuites)
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

// Port Identifiers that a tag without SCI stands for, together with the source address (9.5).
inline constexpr uint16_t kEndStationPort = 0x0001;
inline constexpr uint16_t kSingleCopyBroadcastPort = 0x0000;

} // namespace isthmus::macsec
