#pragma once
// Parsers of what customers send: Ethernet with one VLAN tag, IPv4 and IPv6 headers as a router
// must check them. Pure functions over octets that never read past the length given. Any thread.

#include "isthmus/address.hpp"
#include "isthmus/drop.hpp"

#include <cstdint>
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
// RFC 8200: version, lengths; addresses (RFC 4291); extension headers are walked to the upper
// layer. Multicast destinations pass here; the caller decides.
[[nodiscard]] std::optional<Drop> check_ipv6(const uint8_t* packet, uint32_t available,
                                             IpHeader& header) noexcept;

} // namespace isthmus::dataplane
