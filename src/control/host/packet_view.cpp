#include "control/host/packet_view.hpp"

#include "control/host/checksum.hpp"
#include "control/host/nd_wire.hpp"

namespace isthmus::control::host {
namespace {

constexpr int kMaxExtensionHeaders = 8;  // as many as the workers accept
constexpr std::size_t kNdMinLength = 24; // type to target

std::optional<IpView> parse_ipv4_packet(Octets octets) {
    if (octets.size() < wire::kIpv4MinHeader)
        return std::nullopt;
    const auto* header = wire::overlay<wire::Ipv4>(octets.data());
    const std::size_t header_length = header->header_length();
    const std::size_t total_length = header->total_length.host();
    if (header->version_ihl >> 4 != 4 || header_length < wire::kIpv4MinHeader ||
        header_length > total_length || total_length > octets.size() ||
        plain_checksum(octets.first(header_length)) != 0)
        return std::nullopt;
    const uint16_t fragment = header->flags_fragment.host();
    IpView view;
    view.packet = octets.first(total_length);
    view.payload = view.packet.subspan(header_length);
    view.source = Ipv4Addr{header->source.host()};
    view.destination = Ipv4Addr{header->destination.host()};
    view.protocol = header->protocol;
    view.hop_limit = header->ttl;
    view.traffic_class = header->dscp_ecn;
    view.later_fragment = (fragment & wire::kIpv4OffsetMask) != 0;
    view.fragment = view.later_fragment || (fragment & wire::kIpv4MoreFragments) != 0;
    return view;
}

// Length of the extension header at the front of view.payload if it can be skipped, 0 if
// view.protocol is where to stop, nothing if it is cut short.
std::optional<std::size_t> extension_length(const IpView& view) {
    const bool skippable =
        view.protocol == wire::kProtoHopByHop || view.protocol == wire::kProtoRouting ||
        view.protocol == wire::kProtoFragment || view.protocol == wire::kProtoDestOptions;
    if (!skippable)
        return 0;
    if (view.payload.size() < 8)
        return std::nullopt;
    if (view.protocol == wire::kProtoFragment)
        return sizeof(wire::Ipv6Fragment);
    // With segments left the destination is only a stop on the way (RFC 8200, 4.4).
    if (view.protocol == wire::kProtoRouting && view.payload[3] != 0)
        return 0;
    const std::size_t length = (std::size_t{view.payload[1]} + 1) * 8;
    if (length > view.payload.size())
        return std::nullopt;
    return length;
}

// Steps over the extension headers; false if one is cut short or there are too many.
bool skip_extensions(IpView& view) {
    for (int i = 0; i <= kMaxExtensionHeaders; ++i) {
        const auto length = extension_length(view);
        if (!length)
            return false;
        if (*length == 0)
            return true;
        const uint8_t next = view.payload[0];
        if (view.protocol == wire::kProtoFragment) {
            const auto* header = wire::overlay<wire::Ipv6Fragment>(view.payload.data());
            const uint16_t offset_flags = header->offset_flags.host();
            view.fragment_header = true;
            view.later_fragment = (offset_flags & 0xfff8) != 0;
            view.fragment = view.later_fragment || (offset_flags & 1) != 0;
        }
        view.payload = view.payload.subspan(*length);
        view.protocol = next;
        if (view.later_fragment)
            return true; // no header follows, whatever `next` says
    }
    return false;
}

std::optional<IpView> parse_ipv6_packet(Octets octets) {
    if (octets.size() < wire::kIpv6Header)
        return std::nullopt;
    const auto* header = wire::overlay<wire::Ipv6>(octets.data());
    const uint32_t first = header->version_class_flow.host();
    const std::size_t payload_length = header->payload_length.host();
    const Ipv6Addr source = header->source.host();
    if (first >> 28 != 6 || payload_length > octets.size() - wire::kIpv6Header ||
        source.is_multicast())
        return std::nullopt;
    IpView view;
    view.packet = octets.first(wire::kIpv6Header + payload_length);
    view.payload = view.packet.subspan(wire::kIpv6Header);
    view.source = source;
    view.destination = header->destination.host();
    view.protocol = header->next_header;
    view.hop_limit = header->hop_limit;
    view.traffic_class = static_cast<uint8_t>(first >> 20);
    if (!skip_extensions(view))
        return std::nullopt;
    return view;
}

// Walks the options after an ND message; false if one has length 0 or runs over the end (RFC 4861,
// 4.6), or a link-layer address is not one octet group of a unicast MAC.
bool parse_nd_options(Octets options, uint8_t wanted, std::optional<MacAddr>& mac) {
    while (!options.empty()) {
        if (options.size() < 8 || options[1] == 0)
            return false;
        const std::size_t length = std::size_t{options[1]} * 8;
        if (length > options.size())
            return false;
        if (options[0] == wanted && !mac) {
            const MacAddr found = *wire::overlay<MacAddr>(options.data() + 2);
            if (length != 8 || found.is_multicast() || found.is_zero())
                return false;
            mac = found;
        }
        options = options.subspan(length);
    }
    return true;
}

// The checks that solicitation and advertisement share. Fragmented ND is refused by RFC 6980.
std::optional<NdMessage> parse_nd(const IpView& ip, uint8_t type, uint8_t option) {
    const wire::Icmp* icmp = parse_icmp(ip);
    if (icmp == nullptr || icmp->type != type || icmp->code != 0 || ip.hop_limit != kNdHopLimit ||
        ip.fragment_header || ip.payload.size() < kNdMinLength)
        return std::nullopt;
    NdMessage message;
    const uint32_t flags = icmp->rest.host();
    message.solicited = (flags & kFlagSolicited) != 0;
    message.overrides = (flags & kFlagOverride) != 0;
    message.target =
        wire::overlay<wire::Ipv6Address>(ip.payload.data() + sizeof(wire::Icmp))->host();
    if (message.target.is_multicast() || message.target.is_unspecified() ||
        !parse_nd_options(ip.payload.subspan(kNdMinLength), option, message.mac))
        return std::nullopt;
    return message;
}

} // namespace

std::optional<L2View> parse_l2(Octets frame) {
    if (frame.size() < wire::kEthernetHeaderLength)
        return std::nullopt;
    const auto* ethernet = wire::overlay<wire::Ethernet>(frame.data());
    L2View view{ethernet->destination, ethernet->source, ethernet->ether_type.host(),
                frame.subspan(wire::kEthernetHeaderLength)};
    if (view.ether_type == wire::kEtherTypeVlan) {
        if (view.payload.size() < wire::kVlanTagLength)
            return std::nullopt;
        view.ether_type = wire::overlay<wire::Vlan>(view.payload.data())->ether_type.host();
        view.payload = view.payload.subspan(wire::kVlanTagLength);
    }
    return view;
}

std::optional<wire::Arp> parse_arp(Octets octets) {
    if (octets.size() < sizeof(wire::Arp))
        return std::nullopt;
    const auto* arp = wire::overlay<wire::Arp>(octets.data());
    const uint16_t operation = arp->operation.host();
    if (arp->hardware_type.host() != 1 || arp->protocol_type.host() != wire::kEtherTypeIpv4 ||
        arp->hardware_length != 6 || arp->protocol_length != 4 ||
        (operation != 1 && operation != 2) || arp->sender_mac.is_multicast() ||
        arp->sender_mac.is_zero())
        return std::nullopt;
    return *arp;
}

std::optional<IpView> parse_ip(const L2View& l2) {
    if (l2.ether_type == wire::kEtherTypeIpv4)
        return parse_ipv4_packet(l2.payload);
    if (l2.ether_type == wire::kEtherTypeIpv6)
        return parse_ipv6_packet(l2.payload);
    return std::nullopt;
}

const wire::Icmp* parse_icmp(const IpView& ip) {
    const uint8_t protocol = ip.is_v6() ? wire::kProtoIcmpv6 : wire::kProtoIcmp;
    if (ip.protocol != protocol || ip.fragment || ip.payload.size() < sizeof(wire::Icmp))
        return nullptr;
    const uint16_t rest = ip.is_v6() ? icmpv6_checksum(ip.source6(), ip.destination6(), ip.payload)
                                     : plain_checksum(ip.payload);
    return rest == 0 ? wire::overlay<wire::Icmp>(ip.payload.data()) : nullptr;
}

std::optional<NdMessage> parse_solicitation(const IpView& ip) {
    auto message = parse_nd(ip, wire::kIcmpv6NeighborSolicitation, kOptionSourceLinkAddress);
    // Duplicate address detection: to the solicited-node group, without a MAC (RFC 4861, 7.1.1).
    if (message && ip.source6().is_unspecified() &&
        (message->mac || ip.destination6() != solicited_node_multicast(message->target)))
        return std::nullopt;
    return message;
}

std::optional<NdMessage> parse_advertisement(const IpView& ip) {
    auto message = parse_nd(ip, wire::kIcmpv6NeighborAdvertisement, kOptionTargetLinkAddress);
    if (message &&
        ((ip.destination6().is_multicast() && message->solicited) || ip.source6().is_unspecified()))
        return std::nullopt;
    return message;
}

} // namespace isthmus::control::host
