#include "control/sizes.hpp"

#include "isthmus/wire.hpp"
#include "macsec/suite.hpp"

#include <algorithm>

namespace isthmus::control {

PortSizes port_sizes(const Config& config, PortId port) {
    PortSizes sizes;
    sizes.mtu = config.ports[port.value].mtu;
    sizes.vlan_tag = wire::kVlanTagLength;
    sizes.ethernet = wire::kEthernetHeaderLength;
    for (std::size_t c = 0; c < config.channels.size(); ++c) {
        if (config.channels[c].port != port)
            continue;
        sizes.channel = ChannelId(c);
        if (config.channels[c].uses_macsec()) {
            // With the SCI, whether the edge sends it or not: the peer may.
            sizes.sectag = macsec::kSecTagLength;
            sizes.icv = macsec::kIcvLength;
        }
    }
    return sizes;
}

uint16_t largest_mtu(const Config& config) {
    uint16_t most = kMinPortMtu;
    for (const PortConfig& port : config.ports)
        most = std::max(most, port.mtu);
    return most;
}

MssLimits mss_for(uint16_t mtu) {
    return {static_cast<uint16_t>(mtu - kTcpOverIpv4), static_cast<uint16_t>(mtu - kTcpOverIpv6)};
}

AttachmentSizes attachment_sizes(const Config& config, const Attachment& spec) {
    AttachmentSizes sizes;
    uint16_t egress = config.ports[spec.port.value].mtu;
    uint16_t ingress = spec.mtu;
    for (const auto& [channel, feature] : spec.features) {
        egress = std::min(egress, feature.mtu);
        ingress = std::min(ingress, config.ports[config.channels[channel.value].port.value].mtu);
    }
    if (!spec.features.empty()) {
        sizes.egress_mtu = egress;
        sizes.ingress_mtu = ingress;
    }
    if (spec.mss_clamp.mode == MssClamp::Mode::automatic)
        sizes.clamp = mss_for(std::min(egress, ingress));
    else if (spec.mss_clamp.mode == MssClamp::Mode::value)
        sizes.clamp = {spec.mss_clamp.value, spec.mss_clamp.value};
    return sizes;
}

} // namespace isthmus::control
