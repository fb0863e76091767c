#pragma once
// The arithmetic of sizes: what a port's frames carry beside an IP packet, the MTU that holds for
// an attachment in each direction, and the TCP segments that follow from it. Pure; control thread.

#include "control/model.hpp"

#include <cstdint>
#include <optional>

namespace isthmus::control {

// IP and TCP header, without options.
inline constexpr uint16_t kTcpOverIpv4 = 40;
inline constexpr uint16_t kTcpOverIpv6 = 60;

// Octets of the largest frame on a port's wire, by what they are for. The MTU is that of the IP
// packet, whatever carries it: the overhead is added here and nowhere else.
struct PortSizes {
    uint16_t mtu = 0;
    ChannelId channel; // none: a VPC port
    uint16_t vlan_tag = 0, sectag = 0, icv = 0, ethernet = 0;

    // Behind the Ethernet header: what is asked of the device, and of the network between.
    [[nodiscard]] uint32_t l2_payload() const { return uint32_t{mtu} + vlan_tag + sectag + icv; }
    [[nodiscard]] uint32_t max_frame() const { return l2_payload() + ethernet; } // without FCS
};
[[nodiscard]] PortSizes port_sizes(const Config& config, PortId port);

// The largest MTU of all ports: what packet buffers are made for.
[[nodiscard]] uint16_t largest_mtu(const Config& config);

// The largest segments that a packet of an MTU carries.
struct MssLimits {
    uint16_t ipv4 = 0, ipv6 = 0; // 0: any
    bool operator==(const MssLimits&) const = default;
};
[[nodiscard]] MssLimits mss_for(uint16_t mtu);

struct AttachmentSizes {
    // What arrives and leaves whole. A packet may take any channel: the smallest counts. Nothing
    // without a feature.
    std::optional<uint16_t> egress_mtu, ingress_mtu;
    MssLimits clamp; // what SYNs in both directions may announce; 0: any
};
[[nodiscard]] AttachmentSizes attachment_sizes(const Config& config, const Attachment& spec);

} // namespace isthmus::control
