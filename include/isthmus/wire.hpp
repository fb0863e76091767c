#pragma once
// Wire formats as overlays (alignment 1, no padding) and the numbers that go with them.
// An overlay reads nothing by itself: the caller has checked that the octets are there.

#include "isthmus/address.hpp"
#include "isthmus/byte_order.hpp"

#include <cstddef>
#include <cstdint>

namespace isthmus::wire {

// EtherTypes (IEEE registration authority).
inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;        // 802.1Q C-tag
inline constexpr uint16_t kEtherTypeServiceVlan = 0x88a8; // 802.1ad S-tag
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr uint16_t kEtherTypeEapol = 0x888e;
inline constexpr uint16_t kEtherTypeMacsec = 0x88e5;

inline constexpr uint16_t kEthernetHeaderLength = 14;
inline constexpr uint16_t kVlanTagLength = 4;
inline constexpr uint16_t kVlanReserved = 4095; // 802.1Q, table 9-2
inline constexpr uint16_t kMacPairLength = 12;  // DA and SA

// Protocol numbers (IANA), IPv4 `protocol` and IPv6 `next header`.
inline constexpr uint8_t kProtoHopByHop = 0;
inline constexpr uint8_t kProtoIcmp = 1;
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint8_t kProtoRouting = 43;
inline constexpr uint8_t kProtoFragment = 44;
inline constexpr uint8_t kProtoAuth = 51;
inline constexpr uint8_t kProtoIcmpv6 = 58;
inline constexpr uint8_t kProtoNoNext = 59;
inline constexpr uint8_t kProtoDestOptions = 60;
inline constexpr uint8_t kProtoSctp = 132;

// Upper layers that begin with source and destination port.
[[nodiscard]] constexpr bool has_ports(uint8_t protocol) {
    return protocol == kProtoTcp || protocol == kProtoUdp || protocol == kProtoSctp;
}

struct Ethernet {
    MacAddr destination;
    MacAddr source;
    Be16 ether_type;
};
static_assert(sizeof(Ethernet) == kEthernetHeaderLength && alignof(Ethernet) == 1);

// What follows an EtherType of 8100: tag control information and the next EtherType.
struct Vlan {
    Be16 tci;
    Be16 ether_type;
    [[nodiscard]] uint16_t vid() const { return tci.host() & 0x0fff; }
};
static_assert(sizeof(Vlan) == kVlanTagLength);

struct Ipv4 {
    uint8_t version_ihl;
    uint8_t dscp_ecn;
    Be16 total_length;
    Be16 identification;
    Be16 flags_fragment; // 0x4000 DF, 0x2000 MF, low 13 bits offset in 8 octets
    uint8_t ttl;
    uint8_t protocol;
    Be16 checksum;
    Be32 source;
    Be32 destination;
    [[nodiscard]] uint8_t header_length() const {
        return static_cast<uint8_t>((version_ihl & 0x0f) * 4);
    }
};
inline constexpr uint16_t kIpv4MinHeader = 20;
inline constexpr uint16_t kIpv4DontFragment = 0x4000;
inline constexpr uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr uint16_t kIpv4OffsetMask = 0x1fff;
static_assert(sizeof(Ipv4) == kIpv4MinHeader);

struct Ipv6Address {
    Be64 high;
    Be64 low;
    Ipv6Address() = default;
    Ipv6Address(Ipv6Addr addr) : high(addr.high), low(addr.low) {}
    [[nodiscard]] Ipv6Addr host() const { return {high.host(), low.host()}; }
};

struct Ipv6 {
    Be32 version_class_flow;
    Be16 payload_length;
    uint8_t next_header;
    uint8_t hop_limit;
    Ipv6Address source;
    Ipv6Address destination;
};
inline constexpr uint16_t kIpv6Header = 40;
static_assert(sizeof(Ipv6) == kIpv6Header);

struct Ipv6Fragment {
    uint8_t next_header;
    uint8_t reserved;
    Be16 offset_flags; // high 13 bits offset in 8 octets, bit 0 M
    Be32 identification;
};
static_assert(sizeof(Ipv6Fragment) == 8);

// ARP for Ethernet and IPv4 (RFC 826).
struct Arp {
    Be16 hardware_type; // 1
    Be16 protocol_type; // 0800
    uint8_t hardware_length;
    uint8_t protocol_length;
    Be16 operation; // 1 request, 2 reply
    MacAddr sender_mac;
    Be32 sender_ip;
    MacAddr target_mac;
    Be32 target_ip;
};
static_assert(sizeof(Arp) == 28);

// First eight octets of every ICMP and ICMPv6 message; `rest` depends on the type.
struct Icmp {
    uint8_t type;
    uint8_t code;
    Be16 checksum;
    Be32 rest;
};
static_assert(sizeof(Icmp) == 8);

inline constexpr uint8_t kIcmpEchoReply = 0;
inline constexpr uint8_t kIcmpUnreachable = 3;
inline constexpr uint8_t kIcmpEchoRequest = 8;
inline constexpr uint8_t kIcmpTimeExceeded = 11;
inline constexpr uint8_t kIcmpParameterProblem = 12;

inline constexpr uint8_t kIcmpv6Unreachable = 1;
inline constexpr uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr uint8_t kIcmpv6ParameterProblem = 4;
inline constexpr uint8_t kIcmpv6EchoRequest = 128;
inline constexpr uint8_t kIcmpv6EchoReply = 129;
inline constexpr uint8_t kIcmpv6RouterSolicitation = 133;
inline constexpr uint8_t kIcmpv6RouterAdvertisement = 134;
inline constexpr uint8_t kIcmpv6NeighborSolicitation = 135;
inline constexpr uint8_t kIcmpv6NeighborAdvertisement = 136;

// Overlays `T` on `octets`. A reading view of a frame's memory; the caller has checked the length.
template <class T> [[nodiscard]] const T* overlay(const uint8_t* octets) {
    static_assert(alignof(T) == 1);
    return reinterpret_cast<const T*>(octets);
}
template <class T> [[nodiscard]] T* overlay(uint8_t* octets) {
    static_assert(alignof(T) == 1);
    return reinterpret_cast<T*>(octets);
}

// RFC 1071: one's complement sum of 16-bit words in memory order, not folded, so that pieces add
// up.
[[nodiscard]] inline uint64_t checksum_add(uint64_t sum, const uint8_t* octets,
                                           std::size_t length) {
    while (length >= 4) {
        uint32_t words;
        __builtin_memcpy(&words, octets, 4);
        sum += words;
        octets += 4;
        length -= 4;
    }
    if (length >= 2) {
        uint16_t word;
        __builtin_memcpy(&word, octets, 2);
        sum += word;
        octets += 2;
        length -= 2;
    }
    if (length == 1)
        sum += *octets; // little-endian host: the missing low octet counts as zero
    return sum;
}
// The checksum field's raw (memory order) value for an unfolded sum; store it with set_raw.
[[nodiscard]] inline uint16_t checksum_finish(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

} // namespace isthmus::wire
