#include "isthmus/address.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>
#include <optional>

namespace isthmus {
namespace {

// A prefix length in decimal without sign, blanks or a leading plus.
std::optional<uint8_t> parse_length(std::string_view text, uint8_t max) {
    unsigned length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc{} || end != text.data() + text.size() || length > max)
        return std::nullopt;
    return static_cast<uint8_t>(length);
}

Result<IpPrefix> parse_with_length(std::string_view text, const std::string& field,
                                   const char* expected) {
    const auto slash = text.find('/');
    const Error wrong = invalid_value(field, std::string(text), expected);
    if (slash == std::string_view::npos)
        return wrong;
    const auto addr = parse_ip(text.substr(0, slash), field);
    if (!addr)
        return wrong;
    const bool v4 = std::holds_alternative<Ipv4Addr>(*addr);
    const uint8_t max = v4 ? 32 : 128;
    const auto length = parse_length(text.substr(slash + 1), max);
    if (!length)
        return invalid_value(field, std::string(text),
                             "a prefix length of 0.." + std::to_string(max));
    if (v4)
        return IpPrefix{Ipv4Prefix{std::get<Ipv4Addr>(*addr), *length}};
    return IpPrefix{Ipv6Prefix{std::get<Ipv6Addr>(*addr), *length}};
}

} // namespace

Ipv4Addr masked(Ipv4Addr addr, uint8_t length) {
    return {addr.value & ipv4_mask(length)};
}

Ipv6Addr masked(Ipv6Addr addr, uint8_t length) {
    const auto mask64 = [](int bits) {
        return bits <= 0 ? uint64_t{0} : bits >= 64 ? ~uint64_t{0} : ~uint64_t{0} << (64 - bits);
    };
    return {addr.high & mask64(length), addr.low & mask64(length - 64)};
}

bool contains(const Ipv4Prefix& prefix, Ipv4Addr addr) {
    return masked(addr, prefix.length) == masked(prefix.addr, prefix.length);
}

bool contains(const Ipv6Prefix& prefix, Ipv6Addr addr) {
    return masked(addr, prefix.length) == masked(prefix.addr, prefix.length);
}

Ipv6Addr link_local_from(const MacAddr& mac) {
    const auto& o = mac.octets;
    const uint64_t low = uint64_t{static_cast<uint8_t>(o[0] ^ 2)} << 56 | uint64_t{o[1]} << 48 |
                         uint64_t{o[2]} << 40 | uint64_t{0xfffe} << 24 | uint64_t{o[3]} << 16 |
                         uint64_t{o[4]} << 8 | o[5];
    return {uint64_t{0xfe80} << 48, low};
}

Ipv6Addr solicited_node_multicast(Ipv6Addr addr) {
    return {uint64_t{0xff02} << 48,
            uint64_t{1} << 32 | uint64_t{0xff} << 24 | (addr.low & 0xffffff)};
}

MacAddr multicast_mac(Ipv6Addr group) {
    const auto low = static_cast<uint32_t>(group.low);
    return {{0x33, 0x33, static_cast<uint8_t>(low >> 24), static_cast<uint8_t>(low >> 16),
             static_cast<uint8_t>(low >> 8), static_cast<uint8_t>(low)}};
}

Result<MacAddr> parse_mac(std::string_view text, std::string field) {
    MacAddr mac;
    const auto nibble = [](char c) -> int {
        if (c >= '0' && c <= '9')
            return c - '0';
        if (c >= 'a' && c <= 'f')
            return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
            return c - 'A' + 10;
        return -1;
    };
    bool good = text.size() == 17;
    for (std::size_t i = 0; good && i < 6; ++i) {
        const int high = nibble(text[3 * i]);
        const int low = nibble(text[3 * i + 1]);
        good = high >= 0 && low >= 0 && (i == 5 || text[3 * i + 2] == ':');
        mac.octets[i] = static_cast<uint8_t>(high << 4 | low);
    }
    if (!good)
        return invalid_value(std::move(field), std::string(text),
                             "six octets like 02:00:00:00:00:01");
    return mac;
}

Result<Ipv4Addr> parse_ipv4(std::string_view text, std::string field) {
    in_addr addr{};
    if (inet_pton(AF_INET, std::string(text).c_str(), &addr) != 1 ||
        text.find('\0') != std::string_view::npos)
        return invalid_value(std::move(field), std::string(text), "an IPv4 address");
    return Ipv4Addr{ntohl(addr.s_addr)};
}

Result<Ipv6Addr> parse_ipv6(std::string_view text, std::string field) {
    Be64 halves[2];
    if (inet_pton(AF_INET6, std::string(text).c_str(), halves) != 1 ||
        text.find('\0') != std::string_view::npos)
        return invalid_value(std::move(field), std::string(text), "an IPv6 address");
    return Ipv6Addr{halves[0].host(), halves[1].host()};
}

Result<IpAddr> parse_ip(std::string_view text, std::string field) {
    if (auto v4 = parse_ipv4(text, field))
        return IpAddr{*v4};
    if (auto v6 = parse_ipv6(text, field))
        return IpAddr{*v6};
    return invalid_value(std::move(field), std::string(text), "an IPv4 or IPv6 address");
}

Result<IpPrefix> parse_prefix(std::string_view text, std::string field) {
    auto prefix = parse_with_length(text, field, "a prefix like 10.0.0.0/8 or fd00::/16");
    if (!prefix)
        return prefix;
    const bool host_bits =
        std::visit([](const auto& p) { return masked(p.addr, p.length) != p.addr; }, *prefix);
    if (host_bits)
        return invalid_value(std::move(field), std::string(text),
                             "no bits set beyond the prefix length");
    return prefix;
}

Result<IpPrefix> parse_interface(std::string_view text, std::string field) {
    return parse_with_length(text, field, "an address with its prefix length, like 10.1.0.1/24");
}

std::string to_string(const MacAddr& mac) {
    char text[18];
    const auto& o = mac.octets;
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3], o[4],
                  o[5]);
    return text;
}

std::string to_string(Ipv4Addr addr) {
    const in_addr raw{htonl(addr.value)};
    char text[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &raw, text, sizeof text);
}

std::string to_string(Ipv6Addr addr) {
    const Be64 raw[2] = {addr.high, addr.low};
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(AF_INET6, raw, text, sizeof text);
}

std::string to_string(const IpAddr& addr) {
    return std::visit([](const auto& a) { return to_string(a); }, addr);
}

std::string to_string(const Ipv4Prefix& prefix) {
    return to_string(prefix.addr) + "/" + std::to_string(prefix.length);
}

std::string to_string(const Ipv6Prefix& prefix) {
    return to_string(prefix.addr) + "/" + std::to_string(prefix.length);
}

std::string to_string(const IpPrefix& prefix) {
    return std::visit([](const auto& p) { return to_string(p); }, prefix);
}

} // namespace isthmus
