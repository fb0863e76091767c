#include "dataplane/spread.hpp"

#include "dataplane/flow_hash.hpp"
#include "dataplane/frame_parser.hpp"
#include "isthmus/wire.hpp"
#include "macsec/sectag.hpp"

#include <algorithm>

namespace isthmus::dataplane {
namespace {

// Another one than any interconnect's, or the flows of one worker would favour some channels.
constexpr uint32_t kSpreadSeed = 0x5bd1e995;

// Maps a hash to 0..workers-1 without a division.
uint16_t scale(uint32_t hash, uint16_t workers) noexcept {
    return static_cast<uint16_t>(uint64_t{hash} * workers >> 32);
}

// Only what tells flows apart is read here; whoever forwards the packet checks it. Behind IPv6
// extension headers ports are not looked for: such flows are told apart by their addresses.
uint32_t hash_ipv4(const wire::Ipv4& ip, uint32_t available) noexcept {
    const uint32_t header = (ip.version_ihl & 0x0fu) * 4;
    const bool fragment =
        (ip.flags_fragment.host() & (wire::kIpv4MoreFragments | wire::kIpv4OffsetMask)) != 0;
    uint32_t ports = 0;
    if (!fragment && wire::has_ports(ip.protocol) && header + sizeof(Be32) <= available)
        ports = wire::overlay<Be32>(reinterpret_cast<const uint8_t*>(&ip) + header)->host();
    return flow_hash(kSpreadSeed, Ipv4Addr{ip.source.host()}, Ipv4Addr{ip.destination.host()},
                     ip.protocol, ports);
}

uint32_t hash_ipv6(const wire::Ipv6& ip, uint32_t available) noexcept {
    uint32_t ports = 0;
    if (wire::has_ports(ip.next_header) && wire::kIpv6Header + sizeof(Be32) <= available)
        ports =
            wire::overlay<Be32>(reinterpret_cast<const uint8_t*>(&ip) + wire::kIpv6Header)->host();
    return flow_hash(kSpreadSeed, ip.source.host(), ip.destination.host(), ip.next_header, ports);
}

uint16_t by_flow(const uint8_t* frame, uint32_t length, uint16_t workers, uint16_t self) noexcept {
    LinkHeader link;
    if (parse_link(frame, length, link))
        return self;
    const uint8_t* packet = frame + link.l3_offset;
    const uint32_t available = length - link.l3_offset;
    if (link.ether_type == wire::kEtherTypeIpv4 && available >= sizeof(wire::Ipv4))
        return scale(hash_ipv4(*wire::overlay<wire::Ipv4>(packet), available), workers);
    if (link.ether_type == wire::kEtherTypeIpv6 && available >= sizeof(wire::Ipv6))
        return scale(hash_ipv6(*wire::overlay<wire::Ipv6>(packet), available), workers);
    return self;
}

uint16_t by_owner(const ChannelState& channel, const uint8_t* frame, uint32_t length,
                  uint16_t self) noexcept {
    const macsec::SecTag tag = macsec::parse_sectag(
        frame, length, {channel.rx.ether_type, channel.rx.xpn, channel.rx.vlan_in_clear});
    if (tag.verdict != macsec::TagVerdict::ok)
        return self;
    const std::size_t index = macsec::find_sc(channel.rx, tag);
    return index < channel.rx_owners.size() ? channel.rx_owners[index] : self;
}

} // namespace

uint16_t worker_for(const ForwardingState& state, const PortState& port, const uint8_t* frame,
                    uint32_t length, uint16_t workers, uint16_t self) noexcept {
    if (!port.channel.valid())
        return by_flow(frame, length, workers, self);
    const ChannelState& channel = state.channels[port.channel.value];
    if (channel.rx.validate_frames == macsec::ValidateFrames::null)
        return by_flow(frame, length, workers, self);
    return by_owner(channel, frame, length, self);
}

} // namespace isthmus::dataplane
