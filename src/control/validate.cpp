#include "control/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace isthmus::control {
namespace {

Error conflict(std::string field, std::string value, std::string message) {
    return {ErrorCode::conflict, std::move(message), std::move(field), std::move(value), ""};
}

Result<void> in_range(const std::string& field, uint64_t value, uint64_t low, uint64_t high) {
    if (value < low || value > high)
        return invalid_value(field, std::to_string(value), fmt::format("{}..{}", low, high));
    return {};
}

Result<void> check_name(const std::string& name) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    };
    if (name.empty() || name.size() > 63 || !std::all_of(name.begin(), name.end(), good))
        return invalid_value("name", name, "1..63 letters, digits, '_', '.' or '-'");
    return {};
}

Result<void> check_ipv4_interface(const std::string& field, const Ipv4Prefix& own) {
    const uint32_t addr = own.addr.value;
    const uint32_t host = addr & ~ipv4_mask(own.length);
    const bool unicast = addr >> 24 != 0 && addr >> 24 != 127 && addr < 0xe0000000;
    const bool edge_of_subnet = own.length < 31 && (host == 0 || host == ~ipv4_mask(own.length));
    if (own.length == 0 || !unicast || edge_of_subnet)
        return invalid_value(field, to_string(own), "a unicast host address of its subnet");
    return {};
}

Result<void> check_ipv6_interface(const std::string& field, const Ipv6Prefix& own) {
    const Ipv6Addr a = own.addr;
    if (own.length == 0 || a.is_multicast() || a.is_link_local() || a.is_loopback() ||
        a.is_unspecified())
        return invalid_value(field, to_string(own), "a unicast address beyond link-local scope");
    return {};
}

Result<void> check_addresses(const std::string& field, const LinkAddresses& local) {
    if (local.ipv4)
        if (auto good = check_ipv4_interface(field, *local.ipv4); !good)
            return good;
    if (local.ipv6)
        if (auto good = check_ipv6_interface(field, *local.ipv6); !good)
            return good;
    return {};
}

// A packet that is sent to an own address would never leave the edge.
template <class Addr, class Prefix>
Result<void> check_peer(const std::string& field, const std::optional<Prefix>& own,
                        const std::optional<Addr>& peer) {
    if (!own && !peer)
        return {};
    if (!own)
        return invalid_value(field, to_string(*peer), "no peer without an address of its family");
    if (!peer)
        return invalid_value(field, "none", "the peer's address in " + to_string(*own));
    if (!contains(*own, *peer) || *peer == own->addr)
        return invalid_value(field, to_string(*peer), "another address in " + to_string(*own));
    return {};
}

Result<void> check_peak(const std::string& field, const Limit& limit) {
    if (limit.peak_bps) {
        const uint64_t least = limit.rate_bps + kMinExcessBps;
        if (*limit.peak_bps < least || *limit.peak_bps > kMaxRateBps)
            return invalid_value(
                field + ".peak_bps", std::to_string(*limit.peak_bps),
                fmt::format("{}..{}: rate_bps + {} at least", least, kMaxRateBps, kMinExcessBps));
        if (!limit.excess_dscp)
            return Error{ErrorCode::invalid,
                         field + ".excess_dscp: the field is missing, peak_bps is given",
                         field + ".excess_dscp"};
        return in_range(field + ".excess_dscp", *limit.excess_dscp, 0, kMaxDscp);
    }
    if (limit.excess_dscp)
        return invalid_value(field + ".excess_dscp", std::to_string(*limit.excess_dscp),
                             "no DSCP without peak_bps");
    return {};
}

Result<void> check_limit(const std::string& field, const std::optional<Limit>& limit) {
    if (!limit)
        return {};
    if (auto good = in_range(field + ".rate_bps", limit->rate_bps, kMinRateBps, kMaxRateBps); !good)
        return good;
    if (auto good = in_range(field + ".burst_us", limit->burst_us, kMinBurstUs, kMaxBurstUs); !good)
        return good;
    return check_peak(field, *limit);
}

Result<void> check_mss_clamp(const MssClamp& clamp) {
    if (clamp.mode != MssClamp::Mode::value)
        return {};
    return in_range("mss_clamp", clamp.value, kMinMss, kMaxMss);
}

uint16_t least_mtu(const LinkAddresses& local) {
    return local.ipv6 ? 1280 : 576; // RFC 8200 section 5; RFC 791
}

Result<void> check_feature(const Model& model, const Attachment& spec, ChannelId channel,
                           const Feature& feature) {
    const ChannelConfig& config = model.config.channels[channel.value];
    const std::string field = "features." + config.name;
    if (config.edge != spec.edge || config.interconnect != spec.interconnect)
        return invalid_value(field, config.name, "a channel of the attachment's interconnect");
    if (auto good = in_range(field + ".vlan", feature.vlan, kMinFeatureVlan, kMaxVlan); !good)
        return good;
    if (!feature.local.ipv4 && !feature.local.ipv6)
        return invalid_value(field + ".addresses", "[]", "an IPv4 or an IPv6 address, or both");
    if (auto good = check_addresses(field + ".addresses", feature.local); !good)
        return good;
    if (auto good = check_peer(field + ".peer_ipv4", feature.local.ipv4, feature.peer_ipv4); !good)
        return good;
    if (auto good = check_peer(field + ".peer_ipv6", feature.local.ipv6, feature.peer_ipv6); !good)
        return good;
    return in_range(field + ".mtu", feature.mtu, least_mtu(feature.local),
                    model.config.ports[config.port.value].mtu);
}

// Subnets of one VRF must not overlap: the same address on two links has no right way.
template <class Prefix> Result<void> check_disjoint(const std::vector<Prefix>& subnets) {
    for (std::size_t a = 0; a < subnets.size(); ++a)
        for (std::size_t b = a + 1; b < subnets.size(); ++b)
            if (contains(subnets[a], subnets[b].addr) || contains(subnets[b], subnets[a].addr))
                return conflict("addresses", to_string(subnets[b]),
                                fmt::format("addresses: {} overlaps {} of the same attachment",
                                            to_string(subnets[b]), to_string(subnets[a])));
    return {};
}

Result<void> check_subnets(const Attachment& spec) {
    std::vector<Ipv4Prefix> v4;
    std::vector<Ipv6Prefix> v6;
    const auto add = [&](const LinkAddresses& local) {
        if (local.ipv4)
            v4.push_back(*local.ipv4);
        if (local.ipv6)
            v6.push_back(*local.ipv6);
    };
    add(spec.local);
    for (const auto& [channel, feature] : spec.features)
        add(feature.local);
    if (auto good = check_disjoint(v4); !good)
        return good;
    return check_disjoint(v6);
}

Result<void> check_place(const Model& model, const Attachment& spec) {
    const Config& config = model.config;
    if (auto good = check_name(spec.name); !good)
        return good;
    if (!spec.interconnect.valid() ||
        config.interconnects[spec.interconnect.value].edge != spec.edge)
        return invalid_value("interconnect", "none", "an interconnect of this edge");
    if (!spec.port.valid() || config.ports[spec.port.value].edge != spec.edge)
        return invalid_value("port", "none", "a port of this edge");
    const PortConfig& port = config.ports[spec.port.value];
    for (const ChannelConfig& channel : config.channels)
        if (channel.port == spec.port)
            return invalid_value("port", port.name, "a port that is not a channel's");
    if (auto good = in_range("vlan", spec.vlan, 0, kMaxVlan); !good)
        return good;
    return in_range("mtu", spec.mtu, least_mtu(spec.local), port.mtu);
}

// What no two attachments may have.
Result<void> check_unique(const Model& model, const Attachment& spec,
                          std::optional<AttachmentId> self) {
    const auto another = [&](std::optional<AttachmentId> id) { return id && id != self; };
    const auto name_of = [&](AttachmentId id) { return model.attachments.at(id).name; };
    if (another(model.index.named(spec.edge, spec.name)))
        return conflict("name", spec.name,
                        fmt::format("name: attachment {} exists already", spec.name));
    if (const auto other = model.index.on_port(spec.port, spec.vlan); another(other))
        return conflict("vlan", std::to_string(spec.vlan),
                        fmt::format("vlan: {} on port {} is used by attachment {}",
                                    spec.vlan == 0 ? "untagged" : std::to_string(spec.vlan),
                                    model.config.ports[spec.port.value].name, name_of(*other)));
    for (const auto& [channel, feature] : spec.features) {
        const auto other = model.index.on_channel(channel, feature.vlan);
        if (!another(other))
            continue;
        const std::string field = "features." + model.config.channels[channel.value].name + ".vlan";
        return conflict(field, std::to_string(feature.vlan),
                        fmt::format("{}: {} is used by attachment {} on this channel", field,
                                    feature.vlan, name_of(*other)));
    }
    return {};
}

Result<void> check_static_neighbour(const Attachment& spec, ChannelId channel,
                                    const IpAddr& address, const MacAddr& mac) {
    const LinkAddresses* local = &spec.local;
    if (channel.valid()) {
        const auto feature = spec.features.find(channel);
        if (feature == spec.features.end())
            return invalid_value("channel", "given",
                                 "a channel on which the attachment has a feature");
        local = &feature->second.local;
    }
    const auto* v4 = std::get_if<Ipv4Addr>(&address);
    const auto* v6 = std::get_if<Ipv6Addr>(&address);
    const bool inside =
        (v4 != nullptr && local->ipv4 && contains(*local->ipv4, *v4) && *v4 != local->ipv4->addr) ||
        (v6 != nullptr && local->ipv6 && contains(*local->ipv6, *v6) && *v6 != local->ipv6->addr);
    if (!inside)
        return invalid_value("address", to_string(address), "another host in the link's subnet");
    if (mac.is_multicast() || mac.is_zero())
        return invalid_value("mac", to_string(mac), "a unicast MAC address");
    return {};
}

} // namespace

Result<void> check_route(const Attachment& attachment, const IpPrefix& prefix, const Route& route) {
    const bool v4 = std::holds_alternative<Ipv4Prefix>(prefix);
    const auto own_subnet = [&](const LinkAddresses& local) {
        if (v4 && local.ipv4)
            return std::get<Ipv4Prefix>(prefix) ==
                   Ipv4Prefix{masked(local.ipv4->addr, local.ipv4->length), local.ipv4->length};
        if (!v4 && local.ipv6)
            return std::get<Ipv6Prefix>(prefix) ==
                   Ipv6Prefix{masked(local.ipv6->addr, local.ipv6->length), local.ipv6->length};
        return false;
    };
    if (own_subnet(attachment.local))
        return conflict(
            "prefix", to_string(prefix),
            fmt::format("prefix: {} is the attachment's connected subnet", to_string(prefix)));
    if (route.via != Via::vpc) {
        if (route.next_hop)
            return invalid_value("next_hop", to_string(*route.next_hop),
                                 "none unless the route is via vpc");
        return {};
    }
    const std::string field = "next_hop";
    if (!route.next_hop)
        return invalid_value(field, "none", "a host in the attachment's subnet");
    if (std::holds_alternative<Ipv4Addr>(*route.next_hop) != v4)
        return invalid_value(field, to_string(*route.next_hop),
                             "an address of the prefix's family");
    return check_static_neighbour(attachment, ChannelId{}, *route.next_hop,
                                  MacAddr{{2, 0, 0, 0, 0, 1}})
                   .has_value()
               ? Result<void>{}
               : invalid_value(field, to_string(*route.next_hop),
                               "another host in the attachment's VPC subnet");
}

Result<void> check_parameters(const Model& model, const Attachment& spec,
                              std::optional<AttachmentId> self) {
    if (auto good = check_place(model, spec); !good)
        return good;
    if (auto good = check_unique(model, spec, self); !good)
        return good;
    if (auto good = check_mss_clamp(spec.mss_clamp); !good)
        return good;
    if (auto good = check_addresses("addresses", spec.local); !good)
        return good;
    if (auto good = check_limit("limits.egress", spec.egress_limit); !good)
        return good;
    if (auto good = check_limit("limits.ingress", spec.ingress_limit); !good)
        return good;
    for (const auto& [channel, feature] : spec.features)
        if (auto good = check_feature(model, spec, channel, feature); !good)
            return good;
    if (auto good = check_subnets(spec); !good)
        return good;
    for (const auto& [where, mac] : spec.static_neighbours)
        if (auto good = check_static_neighbour(spec, where.first, where.second, mac); !good)
            return good;
    return {};
}

Result<void> check_attachment(const Model& model, const Attachment& spec,
                              std::optional<AttachmentId> self) {
    Result<void> good = check_parameters(model, spec, self);
    if (!good)
        return good;
    spec.routes.for_each([&](const IpPrefix& prefix, const Route& route) {
        if (good)
            good = check_route(spec, prefix, route);
    });
    return good;
}

} // namespace isthmus::control
