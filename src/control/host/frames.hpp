#pragma once
// Whole frames that the edge sends as a host, from DA on, with lengths and checksums filled in.

#include "isthmus/address.hpp"
#include "isthmus/wire.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::control::host {

using Frame = std::vector<uint8_t>;

struct L2Header {
    MacAddr destination;
    MacAddr source;
    uint16_t vlan = 0; // 0: no tag
};

enum class ArpOperation : uint16_t { request = 1, reply = 2 };

struct ArpParty {
    MacAddr mac;
    Ipv4Addr ip;
};
[[nodiscard]] Frame arp_frame(const L2Header& l2, ArpOperation operation, const ArpParty& sender,
                              const ArpParty& target);

// Type, code and the four octets after the checksum; `body` is what follows them.
struct IcmpMessage {
    uint8_t type = 0;
    uint8_t code = 0;
    uint32_t rest = 0;
    std::span<const uint8_t> body;
};

struct Ipv4Envelope {
    Ipv4Addr source;
    Ipv4Addr destination;
    uint8_t dscp_ecn = 0;
    uint16_t identification = 0;
};
[[nodiscard]] Frame icmp_frame(const L2Header& l2, const Ipv4Envelope& ip,
                               const IcmpMessage& message);

inline constexpr uint8_t kDefaultHopLimit = 64; // IANA's recommendation for IPv4 and IPv6

struct Ipv6Envelope {
    Ipv6Addr source;
    Ipv6Addr destination;
    uint8_t traffic_class = 0;
    uint8_t hop_limit = kDefaultHopLimit;
};
[[nodiscard]] Frame icmpv6_frame(const L2Header& l2, const Ipv6Envelope& ip,
                                 const IcmpMessage& message);

// The MAC in the option is l2.source (RFC 4861, 4.3).
[[nodiscard]] Frame solicitation_frame(const L2Header& l2, Ipv6Addr source, Ipv6Addr destination,
                                       Ipv6Addr target);
// Flags R and O are always set: the edge is a router and knows its own MAC best (RFC 4861, 4.4).
[[nodiscard]] Frame advertisement_frame(const L2Header& l2, Ipv6Addr source, Ipv6Addr destination,
                                        Ipv6Addr target, bool solicited);

// An IP packet (parsed before, hop limit above 1) one hop further.
[[nodiscard]] Frame forwarded_frame(const L2Header& l2, uint16_t ether_type,
                                    std::span<const uint8_t> packet);

} // namespace isthmus::control::host
