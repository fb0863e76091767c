#pragma once
// Parsers of what customers send: Ethernet with one VLAN tag, IPv4 and IPv6 headers as a router
// must check them. Pure functions over octets that never read past the length given. Any thread.

#include "isthmus/address.hpp"
#include "isthmus/drop.hpp"
#include "isthmus/wire.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

namespace isthmus::dataplane {

struct LinkHeader {
    uint16_t ether_type = 0;
    uint16_t vlan = 0;      // 0: untagged, or only priority tagged (802.1Q, 9.6)
    uint16_t l3_offset = 0; // from DA
};
// Nullopt: good.
[[nodiscard]] std::optional<Drop> parse_link(const uint8_t* frame, uint32_t length,
                                             LinkHeader& header) noexcept;
// True: a good frame with or without one VLAN tag, `header` as from parse_link, which knows what is
// wrong otherwise. Inline, like is_plain_ipv4: both run for every packet.
[[nodiscard]] inline bool is_plain_link(const uint8_t* frame, uint32_t length,
                                        LinkHeader& header) noexcept {
    constexpr uint32_t kTagged = wire::kEthernetHeaderLength + wire::kVlanTagLength;
    if (length < kTagged)
        return false;
    const auto* tag = wire::overlay<wire::Vlan>(frame + wire::kEthernetHeaderLength);
    const uint16_t outer = wire::overlay<wire::Ethernet>(frame)->ether_type.host();
    const bool tagged = outer == wire::kEtherTypeVlan;
    header.vlan = tagged ? tag->vid() : uint16_t{0};
    header.l3_offset = tagged ? kTagged : wire::kEthernetHeaderLength;
    header.ether_type = tagged ? tag->ether_type.host() : outer;
    return header.ether_type != wire::kEtherTypeVlan &&
           header.ether_type != wire::kEtherTypeServiceVlan && header.vlan != wire::kVlanReserved;
}

struct IpHeader {
    uint16_t length = 0; // of the whole packet; Ethernet padding is behind it
    uint8_t ttl = 0;
    uint8_t protocol = 0; // the upper layer, behind IPv6 extension headers
    bool fragment = false;
    uint32_t ports = 0; // source << 16 | destination; 0 for fragments and protocols without
    uint16_t quote = 0; // where the packet begins that an ICMP error quotes; 0: not an error
};

// The flow that answers the one which an ICMP error quotes: addresses and ports exchanged.
template <class Address> struct Answer {
    Address source, destination;
    uint8_t protocol = 0;
    uint32_t ports = 0;
};
// `left` octets of quoted packet; nullopt: too short or not of this version. Nothing but the choice
// of a channel may depend on a quotation: whoever sent it wrote it.
[[nodiscard]] std::optional<Answer<Ipv4Addr>> answer_to_ipv4(const uint8_t* quoted,
                                                             uint32_t left) noexcept;
[[nodiscard]] std::optional<Answer<Ipv6Addr>> answer_to_ipv6(const uint8_t* quoted,
                                                             uint32_t left) noexcept;

// `available` octets follow the link header. RFC 1812 section 5.2.2: length, checksum, version,
// addresses; options are walked, source routes refused.
[[nodiscard]] std::optional<Drop> check_ipv4(const uint8_t* packet, uint32_t available,
                                             IpHeader& header) noexcept;
// What is_plain_ipv4 asks of single octets, in one table.
inline constexpr uint8_t kUnicastOctet = 1;  // first of an address: not 0/8, 127/8, multicast, E
inline constexpr uint8_t kPlainProtocol = 2; // not ICMP
inline constexpr uint8_t kPortsProtocol = 4;
inline constexpr auto kOctets = [] {
    std::array<uint8_t, 256> of{};
    for (unsigned octet = 0; octet < of.size(); ++octet) {
        const bool unicast = octet != 0 && octet != 127 && octet < 224;
        const bool ports = wire::has_ports(static_cast<uint8_t>(octet));
        of[octet] = static_cast<uint8_t>((unicast ? kUnicastOctet : 0) |
                                         (octet != wire::kProtoIcmp ? kPlainProtocol : 0) |
                                         (ports ? kPortsProtocol : 0));
    }
    return of;
}();
// The packets of almost all flows: whole IPv4 packets without options that check_ipv4 finds good,
// other than ICMP. `header` is filled in as there; false: ask check_ipv4.
[[nodiscard]] inline bool is_plain_ipv4(const uint8_t* packet, uint32_t available,
                                        IpHeader& header) noexcept {
    if (available < wire::kIpv4MinHeader)
        return false;
    // The header as it stands in memory.
    uint64_t first, second;
    uint32_t third;
    std::memcpy(&first, packet, sizeof first);
    std::memcpy(&second, packet + 8, sizeof second);
    std::memcpy(&third, packet + 16, sizeof third);
    // Version and header length; more fragments and offset.
    constexpr uint64_t kMask = 0xff | uint64_t{byte_swap(uint16_t{0x3fff})} << 48;
    static_assert((wire::kIpv4MoreFragments | wire::kIpv4OffsetMask) == 0x3fff);
    const uint32_t total = byte_swap(static_cast<uint16_t>(first >> 16));
    const auto protocol = static_cast<uint8_t>(second >> 8);
    static_assert(kPlainProtocol == kUnicastOctet << 1);
    const unsigned kind = kOctets[protocol];
    const unsigned good = kOctets[second >> 32 & 0xff] & kOctets[third & 0xff] & kind >> 1;
    if (((first & kMask) != 0x45) |
        (total - wire::kIpv4MinHeader > available - wire::kIpv4MinHeader) | ((good & 1) == 0))
        return false;
    // RFC 1071: carries go round, so words of any width add up to the same.
    uint64_t sum = first + second;
    sum += sum < second;
    sum += third;
    sum += sum < third;
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    if (sum != 0xffff)
        return false;
    header.length = static_cast<uint16_t>(total);
    header.ttl = static_cast<uint8_t>(second);
    header.protocol = protocol;
    header.ports = 0;
    if ((kind & kPortsProtocol) != 0 && total >= wire::kIpv4MinHeader + 4)
        header.ports = wire::overlay<Be32>(packet + wire::kIpv4MinHeader)->host();
    return true;
}

// RFC 8200: version, lengths; addresses (RFC 4291); extension headers are walked to the upper
// layer. Multicast destinations pass here; the caller decides.
[[nodiscard]] std::optional<Drop> check_ipv6(const uint8_t* packet, uint32_t available,
                                             IpHeader& header) noexcept;

} // namespace isthmus::dataplane
