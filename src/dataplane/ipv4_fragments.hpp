#pragma once
// How an IPv4 packet that is longer than an MTU is cut into fragments (RFC 791, section 3.2). Pure
// functions over octets, any thread. The packet has passed check_ipv4, and its DF is clear.

#include <array>
#include <cstdint>

namespace isthmus::dataplane {

inline constexpr uint16_t kMaxIpv4Header = 60;

struct Ipv4Fragments {
    uint16_t count = 0;
    uint16_t header_length = 0;              // of the packet, and of its first fragment
    uint16_t first_data = 0, other_data = 0; // octets behind the header: multiples of eight
    uint16_t data_length = 0;                // of the whole packet
    uint16_t offset_flags = 0;               // of the packet: it may be a fragment itself
    // Of all fragments but the first: only options with the copied flag. Length, offset and
    // checksum are still those of the packet.
    uint16_t other_header_length = 0;
    std::array<uint8_t, kMaxIpv4Header> other_header;
};

// `mtu` has room for the longest header and eight octets.
[[nodiscard]] Ipv4Fragments plan_fragments(const uint8_t* packet, uint16_t length,
                                           uint16_t mtu) noexcept;

// Writes fragment `index`, 1 or more, and returns its length.
uint16_t write_fragment(const Ipv4Fragments& plan, const uint8_t* packet, uint16_t index,
                        uint8_t* to) noexcept;

// Makes the packet its own first fragment, when the others are written; returns its length.
uint16_t keep_first_fragment(const Ipv4Fragments& plan, uint8_t* packet) noexcept;

} // namespace isthmus::dataplane
