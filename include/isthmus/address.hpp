#pragma once
// MAC, IPv4 and IPv6 addresses and prefixes as values, and their text forms (RFC 5952 for IPv6).
// Any thread; parsing and formatting allocate and are for cold paths.

#include "isthmus/byte_order.hpp"
#include "isthmus/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace isthmus {

struct MacAddr {
    std::array<uint8_t, 6> octets{};

    [[nodiscard]] bool is_multicast() const { return (octets[0] & 1) != 0; } // broadcast included
    [[nodiscard]] bool is_zero() const { return octets == std::array<uint8_t, 6>{}; }
    auto operator<=>(const MacAddr&) const = default;
    // The default one is a call of memcmp, for every packet.
    [[nodiscard]] constexpr bool operator==(const MacAddr& other) const {
        return number() == other.number();
    }
    // Some 48-bit number that no other address has.
    [[nodiscard]] constexpr uint64_t number() const {
        if (std::is_constant_evaluated()) {
            uint64_t value = 0;
            for (std::size_t n = 0; n < octets.size(); ++n)
                value |= uint64_t{octets[n]} << 8 * n;
            return value;
        }
        uint32_t low = 0;
        uint16_t high = 0;
        __builtin_memcpy(&low, octets.data(), sizeof low);
        __builtin_memcpy(&high, octets.data() + sizeof low, sizeof high);
        return uint64_t{high} << 32 | low;
    }
};
inline constexpr MacAddr kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// Host byte order.
struct Ipv4Addr {
    uint32_t value = 0;
    auto operator<=>(const Ipv4Addr&) const = default;
};

// Host byte order: `high` holds the first eight octets.
struct Ipv6Addr {
    uint64_t high = 0;
    uint64_t low = 0;

    [[nodiscard]] bool is_multicast() const { return high >> 56 == 0xff; }
    [[nodiscard]] bool is_link_local() const { return high >> 54 == 0xfe80 >> 6; }
    [[nodiscard]] bool is_unspecified() const { return (high | low) == 0; }
    [[nodiscard]] bool is_loopback() const { return high == 0 && low == 1; }
    auto operator<=>(const Ipv6Addr&) const = default;
};

using IpAddr = std::variant<Ipv4Addr, Ipv6Addr>;

// Network and host bits are kept apart: a Prefix has zero host bits, an interface address keeps
// them.
struct Ipv4Prefix {
    Ipv4Addr addr;
    uint8_t length = 0; // 0..32
    auto operator<=>(const Ipv4Prefix&) const = default;
};
struct Ipv6Prefix {
    Ipv6Addr addr;
    uint8_t length = 0; // 0..128
    auto operator<=>(const Ipv6Prefix&) const = default;
};
using IpPrefix = std::variant<Ipv4Prefix, Ipv6Prefix>;

[[nodiscard]] constexpr uint32_t ipv4_mask(uint8_t length) {
    return length == 0 ? 0 : ~uint32_t{0} << (32 - length);
}
[[nodiscard]] Ipv4Addr masked(Ipv4Addr addr, uint8_t length);
[[nodiscard]] Ipv6Addr masked(Ipv6Addr addr, uint8_t length);
[[nodiscard]] bool contains(const Ipv4Prefix& prefix, Ipv4Addr addr);
[[nodiscard]] bool contains(const Ipv6Prefix& prefix, Ipv6Addr addr);

// The address an interface with this MAC has on every link (RFC 4291, appendix A).
[[nodiscard]] Ipv6Addr link_local_from(const MacAddr& mac);
// ff02::1:ffXX:XXXX (RFC 4291, 2.7.1) and the group MAC of an IPv6 multicast address (RFC 2464, 7).
[[nodiscard]] Ipv6Addr solicited_node_multicast(Ipv6Addr addr);
[[nodiscard]] MacAddr multicast_mac(Ipv6Addr group);

// Parsers take the whole text or fail with the value and what was expected; `field` goes into the
// error.
[[nodiscard]] Result<MacAddr> parse_mac(std::string_view text, std::string field = "mac");
[[nodiscard]] Result<Ipv4Addr> parse_ipv4(std::string_view text, std::string field = "ipv4");
[[nodiscard]] Result<Ipv6Addr> parse_ipv6(std::string_view text, std::string field = "ipv6");
[[nodiscard]] Result<IpAddr> parse_ip(std::string_view text, std::string field = "address");
// "10.0.0.0/8": host bits must be zero.
[[nodiscard]] Result<IpPrefix> parse_prefix(std::string_view text, std::string field = "prefix");
// "10.1.0.1/24": an address and the length of its subnet; host bits are kept.
[[nodiscard]] Result<IpPrefix> parse_interface(std::string_view text,
                                               std::string field = "address");

[[nodiscard]] std::string to_string(const MacAddr& mac);
[[nodiscard]] std::string to_string(Ipv4Addr addr);
[[nodiscard]] std::string to_string(Ipv6Addr addr);
[[nodiscard]] std::string to_string(const IpAddr& addr);
[[nodiscard]] std::string to_string(const Ipv4Prefix& prefix);
[[nodiscard]] std::string to_string(const Ipv6Prefix& prefix);
[[nodiscard]] std::string to_string(const IpPrefix& prefix);

} // namespace isthmus
