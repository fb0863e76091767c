#pragma once
// Checked reading of frames from the network: every parser takes any octets, never reads past
// their end, and returns nothing for what its standard does not allow. Views point into the
// caller's frame.

#include "isthmus/address.hpp"
#include "isthmus/wire.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace isthmus::control::host {

using Octets = std::span<const uint8_t>;

// Ethernet with up to one 802.1Q tag, which is skipped: the link is known from elsewhere.
struct L2View {
    MacAddr destination;
    MacAddr source;
    uint16_t ether_type = 0;
    Octets payload;
};
[[nodiscard]] std::optional<L2View> parse_l2(Octets frame);

// RFC 826 for Ethernet and IPv4, requests and replies only.
[[nodiscard]] std::optional<wire::Arp> parse_arp(Octets octets);

// An IP packet of either version; octets beyond the length that its header announces (Ethernet
// padding) are cut off.
struct IpView {
    Octets packet;  // from the IP header on
    Octets payload; // what `protocol` names
    IpAddr source;
    IpAddr destination;
    uint8_t protocol = 0; // after the IPv6 extension headers that can be skipped
    uint8_t hop_limit = 0;
    uint8_t traffic_class = 0;
    bool fragment = false;        // one of several
    bool later_fragment = false;  // not the first: the payload does not begin with a header
    bool fragment_header = false; // IPv6: carries one, even if alone (RFC 6946)

    [[nodiscard]] bool is_v6() const { return std::holds_alternative<Ipv6Addr>(source); }
    [[nodiscard]] Ipv4Addr source4() const { return std::get<Ipv4Addr>(source); }
    [[nodiscard]] Ipv6Addr source6() const { return std::get<Ipv6Addr>(source); }
    [[nodiscard]] Ipv4Addr destination4() const { return std::get<Ipv4Addr>(destination); }
    [[nodiscard]] Ipv6Addr destination6() const { return std::get<Ipv6Addr>(destination); }
};
// Nothing if l2 does not carry IP, or the header, its checksum, its lengths or the chain of IPv6
// extension headers are wrong.
[[nodiscard]] std::optional<IpView> parse_ip(const L2View& l2);

// The ICMP or ICMPv6 message in `ip`: at least eight octets, and the checksum is right.
[[nodiscard]] const wire::Icmp* parse_icmp(const IpView& ip);

// A Neighbor Solicitation or Advertisement that passed the checks of RFC 4861, 7.1.1 and 7.1.2.
struct NdMessage {
    Ipv6Addr target;
    bool solicited = false;     // advertisement only
    bool overrides = false;     // advertisement only
    std::optional<MacAddr> mac; // from the source (NS) or target (NA) link-layer option
};
[[nodiscard]] std::optional<NdMessage> parse_solicitation(const IpView& ip);
[[nodiscard]] std::optional<NdMessage> parse_advertisement(const IpView& ip);

} // namespace isthmus::control::host
