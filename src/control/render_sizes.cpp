#include "control/render.hpp"
#include "control/sizes.hpp"

namespace isthmus::control {
namespace {

void write_port_sizes(JsonWriter& json, const Config& config, PortId port) {
    const PortSizes sizes = port_sizes(config, port);
    json.begin_object().member("name", config.ports[port.value].name).key("channel");
    if (sizes.channel.valid())
        json.value(config.channels[sizes.channel.value].name);
    else
        json.null();
    json.member("mtu", sizes.mtu)
        .member("vlan_tag", sizes.vlan_tag)
        .member("sectag", sizes.sectag)
        .member("icv", sizes.icv)
        .member("l2_payload", sizes.l2_payload())
        .member("ethernet", sizes.ethernet)
        .member("max_frame", sizes.max_frame())
        .end_object();
}

// What passes in one direction without being cut, and the TCP segments that fit into it.
void write_way(JsonWriter& json, std::string_view name, const std::optional<uint16_t>& mtu) {
    json.key(name);
    if (!mtu) {
        json.null();
        return;
    }
    const MssLimits mss = mss_for(*mtu);
    json.begin_object()
        .member("mtu", *mtu)
        .member("mss_ipv4", mss.ipv4)
        .member("mss_ipv6", mss.ipv6)
        .end_object();
}

void write_attachment_sizes(JsonWriter& json, const Config& config, const Attachment& spec) {
    const AttachmentSizes sizes = attachment_sizes(config, spec);
    json.begin_object()
        .member("name", spec.name)
        .member("port", config.ports[spec.port.value].name)
        .member("mtu", spec.mtu);
    json.key("features").begin_array();
    for (const auto& [channel, feature] : spec.features)
        json.begin_object()
            .member("channel", config.channels[channel.value].name)
            .member("mtu", feature.mtu)
            .end_object();
    json.end_array();
    write_way(json, "egress", sizes.egress_mtu);
    write_way(json, "ingress", sizes.ingress_mtu);
    write_mss_clamp(json, spec.mss_clamp);
    for (const auto& [name, most] :
         {std::pair{"clamp_ipv4", sizes.clamp.ipv4}, std::pair{"clamp_ipv6", sizes.clamp.ipv6}}) {
        json.key(name);
        if (most == 0)
            json.null();
        else
            json.value(most);
    }
    json.end_object();
}

} // namespace

void write_sizes(JsonWriter& json, const Model& model, EdgeId edge) {
    const Config& config = model.config;
    json.begin_object().key("ports").begin_array();
    for (std::size_t p = 0; p < config.ports.size(); ++p)
        if (config.ports[p].edge == edge)
            write_port_sizes(json, config, PortId(p));
    json.end_array().key("attachments").begin_array();
    for (const auto& [id, attachment] : model.attachments)
        if (attachment.edge == edge)
            write_attachment_sizes(json, config, attachment);
    json.end_array().end_object();
}

} // namespace isthmus::control
