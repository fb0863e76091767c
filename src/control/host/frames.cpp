#include "control/host/frames.hpp"

#include "control/host/checksum.hpp"
#include "control/host/nd_wire.hpp"

#include <algorithm>
#include <utility>

namespace isthmus::control::host {
namespace {

// Target and one link-layer address option: the body of NS and NA.
struct NdBody {
    wire::Ipv6Address target;
    uint8_t option_type;
    uint8_t option_length; // in eight octets
    MacAddr mac;
};
static_assert(sizeof(NdBody) == 24 && alignof(NdBody) == 1);

// A frame with its Ethernet header and tag written and `length` zero octets after them.
struct Draft {
    Frame frame;
    std::size_t header_length;

    Draft(const L2Header& l2, uint16_t ether_type, std::size_t length)
        : header_length(wire::kEthernetHeaderLength + (l2.vlan != 0 ? wire::kVlanTagLength : 0)) {
        frame.resize(header_length + length);
        auto* ethernet = wire::overlay<wire::Ethernet>(frame.data());
        ethernet->destination = l2.destination;
        ethernet->source = l2.source;
        ethernet->ether_type = l2.vlan != 0 ? wire::kEtherTypeVlan : ether_type;
        if (l2.vlan != 0) {
            auto* tag = wire::overlay<wire::Vlan>(frame.data() + wire::kEthernetHeaderLength);
            tag->tci = l2.vlan;
            tag->ether_type = ether_type;
        }
    }
    uint8_t* payload() { return frame.data() + header_length; }
};

void write_icmp(uint8_t* octets, const IcmpMessage& message) {
    auto* icmp = wire::overlay<wire::Icmp>(octets);
    icmp->type = message.type;
    icmp->code = message.code;
    icmp->checksum = 0;
    icmp->rest = message.rest;
    std::copy(message.body.begin(), message.body.end(), octets + sizeof(wire::Icmp));
}

Frame nd_frame(const L2Header& l2, const Ipv6Envelope& ip, uint8_t type, uint32_t flags,
               Ipv6Addr target, uint8_t option) {
    const NdBody body{target, option, 1, l2.source};
    return icmpv6_frame(l2, ip,
                        {type, 0, flags, {reinterpret_cast<const uint8_t*>(&body), sizeof(body)}});
}

// RFC 1624, equation 3, over the 16-bit word of TTL and protocol.
void decrement_ttl(wire::Ipv4& header) {
    const auto word = [&] { return static_cast<uint32_t>(header.ttl << 8 | header.protocol); };
    uint32_t sum = (~uint32_t{header.checksum.host()} & 0xffff) + (~word() & 0xffff);
    --header.ttl;
    sum += word();
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    header.checksum = static_cast<uint16_t>(~sum);
}

} // namespace

Frame arp_frame(const L2Header& l2, ArpOperation operation, const ArpParty& sender,
                const ArpParty& target) {
    Draft draft(l2, wire::kEtherTypeArp, sizeof(wire::Arp));
    auto* arp = wire::overlay<wire::Arp>(draft.payload());
    arp->hardware_type = 1;
    arp->protocol_type = wire::kEtherTypeIpv4;
    arp->hardware_length = 6;
    arp->protocol_length = 4;
    arp->operation = static_cast<uint16_t>(operation);
    arp->sender_mac = sender.mac;
    arp->sender_ip = sender.ip.value;
    arp->target_mac = target.mac;
    arp->target_ip = target.ip.value;
    return std::move(draft.frame);
}

Frame icmp_frame(const L2Header& l2, const Ipv4Envelope& ip, const IcmpMessage& message) {
    const std::size_t icmp_length = sizeof(wire::Icmp) + message.body.size();
    Draft draft(l2, wire::kEtherTypeIpv4, wire::kIpv4MinHeader + icmp_length);
    auto* header = wire::overlay<wire::Ipv4>(draft.payload());
    header->version_ihl = 0x45;
    header->dscp_ecn = ip.dscp_ecn;
    header->total_length = static_cast<uint16_t>(wire::kIpv4MinHeader + icmp_length);
    header->identification = ip.identification;
    header->flags_fragment = 0;
    header->ttl = kDefaultHopLimit;
    header->protocol = wire::kProtoIcmp;
    header->source = ip.source.value;
    header->destination = ip.destination.value;
    header->checksum.set_raw(plain_checksum({draft.payload(), wire::kIpv4MinHeader}));
    uint8_t* icmp = draft.payload() + wire::kIpv4MinHeader;
    write_icmp(icmp, message);
    wire::overlay<wire::Icmp>(icmp)->checksum.set_raw(plain_checksum({icmp, icmp_length}));
    return std::move(draft.frame);
}

Frame icmpv6_frame(const L2Header& l2, const Ipv6Envelope& ip, const IcmpMessage& message) {
    const std::size_t icmp_length = sizeof(wire::Icmp) + message.body.size();
    Draft draft(l2, wire::kEtherTypeIpv6, wire::kIpv6Header + icmp_length);
    auto* header = wire::overlay<wire::Ipv6>(draft.payload());
    header->version_class_flow = uint32_t{6} << 28 | uint32_t{ip.traffic_class} << 20;
    header->payload_length = static_cast<uint16_t>(icmp_length);
    header->next_header = wire::kProtoIcmpv6;
    header->hop_limit = ip.hop_limit;
    header->source = ip.source;
    header->destination = ip.destination;
    uint8_t* icmp = draft.payload() + wire::kIpv6Header;
    write_icmp(icmp, message);
    wire::overlay<wire::Icmp>(icmp)->checksum.set_raw(
        icmpv6_checksum(header->source, header->destination, {icmp, icmp_length}));
    return std::move(draft.frame);
}

Frame solicitation_frame(const L2Header& l2, Ipv6Addr source, Ipv6Addr destination,
                         Ipv6Addr target) {
    return nd_frame(l2, {source, destination, 0, kNdHopLimit}, wire::kIcmpv6NeighborSolicitation, 0,
                    target, kOptionSourceLinkAddress);
}

Frame advertisement_frame(const L2Header& l2, Ipv6Addr source, Ipv6Addr destination,
                          Ipv6Addr target, bool solicited) {
    const uint32_t flags = kFlagRouter | kFlagOverride | (solicited ? kFlagSolicited : 0);
    return nd_frame(l2, {source, destination, 0, kNdHopLimit}, wire::kIcmpv6NeighborAdvertisement,
                    flags, target, kOptionTargetLinkAddress);
}

Frame forwarded_frame(const L2Header& l2, uint16_t ether_type, std::span<const uint8_t> packet) {
    Draft draft(l2, ether_type, packet.size());
    std::copy(packet.begin(), packet.end(), draft.payload());
    if (ether_type == wire::kEtherTypeIpv4)
        decrement_ttl(*wire::overlay<wire::Ipv4>(draft.payload()));
    else
        --wire::overlay<wire::Ipv6>(draft.payload())->hop_limit;
    return std::move(draft.frame);
}

} // namespace isthmus::control::host
