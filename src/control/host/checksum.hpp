#pragma once
// The ICMPv6 checksum with its pseudo-header (RFC 8200, 8.1), for frames read and written.

#include "isthmus/wire.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace isthmus::control::host {

// The raw checksum field for `message`; zero when the message holds its right checksum already.
[[nodiscard]] inline uint16_t icmpv6_checksum(const wire::Ipv6Address& source,
                                              const wire::Ipv6Address& destination,
                                              std::span<const uint8_t> message) {
    struct {
        wire::Ipv6Address source, destination;
        Be32 length;
        Be32 next_header;
    } const pseudo{source, destination, static_cast<uint32_t>(message.size()),
                   uint32_t{wire::kProtoIcmpv6}};
    static_assert(sizeof(pseudo) == 40);
    const uint64_t sum =
        wire::checksum_add(0, reinterpret_cast<const uint8_t*>(&pseudo), sizeof(pseudo));
    return wire::checksum_finish(wire::checksum_add(sum, message.data(), message.size()));
}

// The raw checksum field for octets without a pseudo-header: IPv4 header, ICMP message.
[[nodiscard]] inline uint16_t plain_checksum(std::span<const uint8_t> octets) {
    return wire::checksum_finish(wire::checksum_add(0, octets.data(), octets.size()));
}

} // namespace isthmus::control::host
