#include "dataplane/frame_parser.hpp"

#include "dataplane/flow_hash.hpp"
#include "isthmus/wire.hpp"

#include <algorithm>

namespace isthmus::dataplane {
namespace {

constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionLooseRoute = 131;
constexpr uint8_t kOptionStrictRoute = 137;
constexpr int kMaxExtensionHeaders = 8;

bool options_are_good(const uint8_t* options, uint32_t length) noexcept {
    for (uint32_t at = 0; at < length;) {
        const uint8_t type = options[at];
        if (type == kOptionEnd)
            return true;
        if (type == kOptionNop) {
            ++at;
            continue;
        }
        if (type == kOptionLooseRoute || type == kOptionStrictRoute || at + 1 >= length)
            return false;
        const uint8_t size = options[at + 1];
        if (size < 2 || size > length - at)
            return false;
        at += size;
    }
    return true;
}

// 0/8, 127/8, multicast and class E may not be sources; of these, multicast and the limited
// broadcast address are legal destinations, but not forwarded.
std::optional<Drop> check_ipv4_addresses(uint32_t source, uint32_t destination) noexcept {
    const auto never = [](uint32_t addr) { return addr >> 24 == 0 || addr >> 24 == 127; };
    if (never(source) || source >= 0xe0000000 || never(destination))
        return Drop::ipv4_martian;
    if (destination >> 28 == 0xe || destination == 0xffffffff)
        return Drop::ip_multicast;
    if (destination >= 0xf0000000)
        return Drop::ipv4_martian;
    return std::nullopt;
}

// Both port numbers if they are inside the packet; a packet that is too short for them is still a
// legal IP packet.
uint32_t read_ports(uint8_t protocol, const uint8_t* upper, uint32_t length) noexcept {
    if (!wire::has_ports(protocol) || length < 4)
        return 0;
    return wire::overlay<Be32>(upper)->host();
}

// A fragment must end within 65,535 octets, and every one but the last must be a multiple of 8.
bool fragment_is_good(uint32_t offset_units, bool more, uint32_t data_length,
                      uint32_t header_length) noexcept {
    if (more && (data_length % 8 != 0 || data_length == 0))
        return false;
    return offset_units * 8 + data_length + header_length <= 65535;
}

struct Extension {
    uint8_t next = 0;
    uint32_t size = 0;
};

// Reads one extension header at `at`; nullopt if it does not fit into `end`.
std::optional<Extension> read_extension(uint8_t kind, const uint8_t* at, uint32_t left) noexcept {
    if (left < 8)
        return std::nullopt;
    const uint32_t size = kind == wire::kProtoFragment ? 8
                          : kind == wire::kProtoAuth   ? (at[1] + 2u) * 4
                                                       : (at[1] + 1u) * 8;
    if (size > left)
        return std::nullopt;
    return Extension{at[0], size};
}

// Destination unreachable, time exceeded, parameter problem (RFC 792); ICMPv6: types below 128 (RFC
// 4443, 2.1). The quotation follows eight octets.
bool is_icmp_error(uint8_t protocol, const uint8_t* upper, uint32_t length) noexcept {
    if (length < 8)
        return false;
    if (protocol == wire::kProtoIcmp)
        return upper[0] == 3 || upper[0] == 11 || upper[0] == 12;
    return protocol == wire::kProtoIcmpv6 && upper[0] < 128;
}

bool is_extension(uint8_t kind) noexcept {
    return kind == wire::kProtoHopByHop || kind == wire::kProtoRouting ||
           kind == wire::kProtoFragment || kind == wire::kProtoAuth ||
           kind == wire::kProtoDestOptions;
}

// Walks to the upper layer. `payload` has `length` octets behind the fixed header.
std::optional<Drop> walk_extensions(const uint8_t* payload, uint32_t length, uint8_t kind,
                                    IpHeader& header) noexcept {
    uint32_t at = 0;
    for (int count = 0; is_extension(kind); ++count) {
        // RFC 8200, 4.1: hop-by-hop options only directly behind the fixed header.
        if (count == kMaxExtensionHeaders || (kind == wire::kProtoHopByHop && count != 0))
            return Drop::ipv6_extension;
        const auto extension = read_extension(kind, payload + at, length - at);
        if (!extension)
            return Drop::ipv6_extension;
        if (kind == wire::kProtoFragment) {
            const uint16_t field =
                wire::overlay<wire::Ipv6Fragment>(payload + at)->offset_flags.host();
            const bool more = (field & 1) != 0;
            if (!fragment_is_good(field >> 3, more, length - at - 8, at))
                return Drop::ipv6_fragment;
            header.fragment = more || field >> 3 != 0;
            if (field >> 3 != 0) { // what follows is the middle of a packet, not a header
                header.protocol = extension->next;
                return std::nullopt;
            }
        }
        kind = extension->next;
        at += extension->size;
    }
    header.protocol = kind;
    if (!header.fragment) {
        header.ports = read_ports(kind, payload + at, length - at);
        if (kind == wire::kProtoIcmpv6 && is_icmp_error(kind, payload + at, length - at))
            header.quote = static_cast<uint16_t>(wire::kIpv6Header + at + 8);
    }
    return std::nullopt;
}

} // namespace

std::optional<Answer<Ipv4Addr>> answer_to_ipv4(const uint8_t* quoted, uint32_t left) noexcept {
    if (left < wire::kIpv4MinHeader)
        return std::nullopt;
    const auto* ip = wire::overlay<wire::Ipv4>(quoted);
    const uint32_t header_length = ip->header_length();
    if (ip->version_ihl >> 4 != 4 || header_length < wire::kIpv4MinHeader || header_length > left)
        return std::nullopt;
    Answer<Ipv4Addr> answer{Ipv4Addr{ip->destination.host()}, Ipv4Addr{ip->source.host()},
                            ip->protocol};
    if ((ip->flags_fragment.host() & (wire::kIpv4MoreFragments | wire::kIpv4OffsetMask)) == 0)
        answer.ports =
            reversed_ports(read_ports(ip->protocol, quoted + header_length, left - header_length));
    return answer;
}

std::optional<Answer<Ipv6Addr>> answer_to_ipv6(const uint8_t* quoted, uint32_t left) noexcept {
    if (left < wire::kIpv6Header)
        return std::nullopt;
    const auto* ip = wire::overlay<wire::Ipv6>(quoted);
    if (ip->version_class_flow.host() >> 28 != 6)
        return std::nullopt;
    IpHeader header; // a quotation may end anywhere: what the walk found until then will do
    (void)walk_extensions(quoted + wire::kIpv6Header, left - wire::kIpv6Header, ip->next_header,
                          header);
    return Answer<Ipv6Addr>{ip->destination.host(), ip->source.host(), header.protocol,
                            reversed_ports(header.ports)};
}

std::optional<Drop> parse_link(const uint8_t* frame, uint32_t length, LinkHeader& header) noexcept {
    if (length < wire::kEthernetHeaderLength)
        return Drop::frame_truncated;
    uint16_t ether_type = wire::overlay<wire::Ethernet>(frame)->ether_type.host();
    header.vlan = 0;
    header.l3_offset = wire::kEthernetHeaderLength;
    if (ether_type == wire::kEtherTypeServiceVlan)
        return Drop::vlan_stacked;
    if (ether_type == wire::kEtherTypeVlan) {
        header.l3_offset = wire::kEthernetHeaderLength + wire::kVlanTagLength;
        if (length < header.l3_offset)
            return Drop::frame_truncated;
        const auto* tag = wire::overlay<wire::Vlan>(frame + wire::kEthernetHeaderLength);
        header.vlan = tag->vid();
        if (header.vlan == wire::kVlanReserved)
            return Drop::vlan_reserved;
        ether_type = tag->ether_type.host();
        if (ether_type == wire::kEtherTypeVlan || ether_type == wire::kEtherTypeServiceVlan)
            return Drop::vlan_stacked;
    }
    header.ether_type = ether_type;
    return std::nullopt;
}

std::optional<Drop> check_ipv4(const uint8_t* packet, uint32_t available,
                               IpHeader& header) noexcept {
    if (available < wire::kIpv4MinHeader)
        return Drop::ip_truncated;
    const auto* ip = wire::overlay<wire::Ipv4>(packet);
    if (ip->version_ihl >> 4 != 4)
        return Drop::ip_version;
    const uint32_t header_length = ip->header_length();
    const uint32_t total = ip->total_length.host();
    if (header_length < wire::kIpv4MinHeader || header_length > total)
        return Drop::ipv4_header_length;
    if (total > available)
        return Drop::ip_truncated;
    if (wire::checksum_finish(wire::checksum_add(0, packet, header_length)) != 0)
        return Drop::ipv4_checksum;
    if (auto bad = check_ipv4_addresses(ip->source.host(), ip->destination.host()))
        return bad;
    if (header_length > wire::kIpv4MinHeader &&
        !options_are_good(packet + wire::kIpv4MinHeader, header_length - wire::kIpv4MinHeader))
        return Drop::ipv4_options;

    const uint16_t field = ip->flags_fragment.host();
    const bool more = (field & wire::kIpv4MoreFragments) != 0;
    const uint32_t offset = field & wire::kIpv4OffsetMask;
    header.fragment = more || offset != 0;
    if (header.fragment && !fragment_is_good(offset, more, total - header_length, header_length))
        return Drop::ipv4_fragment;
    header.length = static_cast<uint16_t>(total);
    header.ttl = ip->ttl;
    header.protocol = ip->protocol;
    header.ports = header.fragment
                       ? 0
                       : read_ports(ip->protocol, packet + header_length, total - header_length);
    header.quote = 0;
    if (!header.fragment && ip->protocol == wire::kProtoIcmp &&
        is_icmp_error(ip->protocol, packet + header_length, total - header_length))
        header.quote = static_cast<uint16_t>(header_length + 8);
    return std::nullopt;
}

std::optional<Drop> check_ipv6(const uint8_t* packet, uint32_t available,
                               IpHeader& header) noexcept {
    if (available < wire::kIpv6Header)
        return Drop::ip_truncated;
    const auto* ip = wire::overlay<wire::Ipv6>(packet);
    if (ip->version_class_flow.host() >> 28 != 6)
        return Drop::ip_version;
    const uint32_t payload_length = ip->payload_length.host();
    if (payload_length > available - wire::kIpv6Header ||
        payload_length + wire::kIpv6Header > 65535)
        return Drop::ip_truncated;
    const Ipv6Addr source = ip->source.host();
    const Ipv6Addr destination = ip->destination.host();
    if (source.is_multicast() || source.is_loopback() || destination.is_loopback() ||
        destination.is_unspecified() || (source.is_unspecified() && !destination.is_multicast()))
        return Drop::ipv6_martian;
    header.length = static_cast<uint16_t>(payload_length + wire::kIpv6Header);
    header.ttl = ip->hop_limit;
    header.fragment = false;
    header.ports = 0;
    header.quote = 0;
    return walk_extensions(packet + wire::kIpv6Header, payload_length, ip->next_header, header);
}

} // namespace isthmus::dataplane
