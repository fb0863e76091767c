#include "control/state_rows.hpp"

#include <fmt/format.h>

#include <charconv>

namespace isthmus::control {
namespace {

uint64_t number(std::span<const uint8_t> octets) {
    uint64_t value = 0;
    for (const uint8_t octet : octets)
        value = value << 8 | octet;
    return value;
}

Ipv4Addr ipv4(std::span<const uint8_t> octets) {
    return {static_cast<uint32_t>(number(octets))};
}
Ipv6Addr ipv6(std::span<const uint8_t> octets) {
    return {number(octets.first(8)), number(octets.subspan(8, 8))};
}

} // namespace

void RouteOctets::append(uint64_t value, std::size_t octets) {
    for (std::size_t n = octets; n-- != 0;)
        octets_[size_++] = static_cast<uint8_t>(value >> 8 * n);
}

RouteOctets::RouteOctets(const IpAddr& address) {
    if (const auto* v4 = std::get_if<Ipv4Addr>(&address)) {
        append(v4->value, 4);
    } else {
        append(std::get<Ipv6Addr>(address).high, 8);
        append(std::get<Ipv6Addr>(address).low, 8);
    }
}

RouteOctets::RouteOctets(const IpPrefix& prefix)
    : RouteOctets(std::visit([](const auto& it) { return IpAddr{it.addr}; }, prefix)) {
    append(std::visit([](const auto& it) { return it.length; }, prefix), 1);
}

std::optional<IpPrefix> prefix_from(std::span<const uint8_t> octets) {
    if (octets.size() == 5 && octets[4] <= 32) {
        const Ipv4Prefix prefix{ipv4(octets.first(4)), octets[4]};
        if (masked(prefix.addr, prefix.length) == prefix.addr)
            return prefix;
    } else if (octets.size() == 17 && octets[16] <= 128) {
        const Ipv6Prefix prefix{ipv6(octets.first(16)), octets[16]};
        if (masked(prefix.addr, prefix.length) == prefix.addr)
            return prefix;
    }
    return std::nullopt;
}

std::optional<IpAddr> address_from(std::span<const uint8_t> octets) {
    if (octets.size() == 4)
        return ipv4(octets);
    if (octets.size() == 16)
        return ipv6(octets);
    return std::nullopt;
}

std::string hex64(uint64_t value) {
    return fmt::format("{:016x}", value);
}

std::optional<uint64_t> from_hex64(const std::string& text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != 16 || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string SaRow::owner() const {
    std::string text = fmt::format("isthmus sak 1|{}|{}|{}|{}|{}", edge, channel,
                                   sci ? hex64(sci->value) : "tx", an, suite);
    if (xpn) {
        text += fmt::format("|{:08x}|", xpn->ssci);
        for (const uint8_t octet : xpn->salt)
            text += fmt::format("{:02x}", octet);
    }
    return text;
}

} // namespace isthmus::control
