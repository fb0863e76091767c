#include "control/compile.hpp"

#include "control/sizes.hpp"

#include <algorithm>

namespace isthmus::control {
namespace {

using dataplane::ForwardingState;

// Any constant will do; edges must differ, or the second edge on a path would see only flows that
// the first one sent the same way.
constexpr uint32_t kSeedBase = 0x9e3779b9;

void compile_interconnects(const CompileInput& input, ForwardingState& state) {
    const Config& config = input.model.config;
    state.interconnects.resize(config.interconnects.size());
    for (std::size_t c = 0; c < config.channels.size(); ++c)
        state.interconnects[config.channels[c].interconnect.value].members.push_back(ChannelId(c));
    for (std::size_t n = 0; n < state.interconnects.size(); ++n) {
        auto& interconnect = state.interconnects[n];
        std::array<dataplane::Member, dataplane::kMaxMembers> members;
        const std::size_t count = interconnect.members.size();
        for (std::size_t m = 0; m < count; ++m) {
            const ChannelId id = interconnect.members[m];
            const ChannelConfig& channel = config.channels[id.value];
            const bool link_up = input.ports[channel.port.value].link_up;
            members[m].live =
                unusable_reason(input.model, id, link_up, *input.secys[id.value]).empty();
            members[m].weight = channel.capacity_mbps;
        }
        interconnect.buckets = dataplane::build_buckets(std::span(members.data(), count));
    }
}

void compile_channels(const CompileInput& input, ForwardingState& state) {
    const Config& config = input.model.config;
    state.channels.resize(config.channels.size());
    for (std::size_t c = 0; c < config.channels.size(); ++c) {
        auto& channel = state.channels[c];
        channel.port = config.channels[c].port;
        channel.interconnect = config.channels[c].interconnect;
        const auto& members = state.interconnects[channel.interconnect.value].members;
        channel.member = static_cast<uint8_t>(
            std::find(members.begin(), members.end(), ChannelId(c)) - members.begin());
        channel.accept = input.model.channel_admin[c] != AdminState::down;
        input.secys[c]->bind(channel, state.keep_alive);
    }
}

void compile_ports(const CompileInput& input, ForwardingState& state) {
    const Config& config = input.model.config;
    for (std::size_t p = 0; p < config.ports.size(); ++p) {
        dataplane::PortState port;
        port.edge = config.ports[p].edge;
        port.mac = input.ports[p].mac;
        port.hash_seed = kSeedBase * (port.edge.value + 1u);
        port.link_local = link_local_from(port.mac);
        port.enabled = input.model.port_enabled[p];
        port.max_frame = port_sizes(config, PortId(p)).max_frame();
        for (std::size_t c = 0; c < config.channels.size(); ++c)
            if (config.channels[c].port == PortId(p))
                port.channel = ChannelId(c);
        state.ports.push_back(std::move(port));
    }
}

void fill_link(Link& link, const Attachment& spec) {
    link.vlan = spec.vlan;
    link.mtu = spec.mtu;
    link.local = spec.local;
    link.wanted = spec.routes.next_hops();
}

void fill_link(Link& link, const Feature& feature) {
    link.vlan = feature.vlan;
    link.mtu = feature.mtu;
    link.local = feature.local;
    if (feature.peer_ipv4)
        link.wanted.emplace_back(*feature.peer_ipv4);
    if (feature.peer_ipv6)
        link.wanted.emplace_back(*feature.peer_ipv6);
}

} // namespace

std::string unusable_reason(const Model& model, ChannelId channel, bool link_up,
                            const ChannelSecy& secy) {
    const AdminState admin = model.channel_admin[channel.value];
    if (admin == AdminState::down)
        return "admin state is down";
    if (admin == AdminState::drain)
        return "admin state is drain";
    if (!model.port_enabled[model.config.channels[channel.value].port.value])
        return "port is down by admin state";
    if (!link_up)
        return "link is down";
    return secy.send_problem();
}

bool has_link(const Model& model, const ChannelSecys& secys, ChannelId channel) {
    return model.port_enabled[model.config.channels[channel.value].port.value] &&
           model.channel_admin[channel.value] != AdminState::down &&
           secys[channel.value]->has_encoding_sa();
}

Link make_link(const Model& model, const std::vector<PortFacts>& ports, LinkId id) {
    const Attachment& spec = model.attachments.at(id.attachment);
    const bool vpc = !id.channel.valid();
    const PortId port = vpc ? spec.port : model.config.channels[id.channel.value].port;
    Link link{id, port, 0, 0, ports[port.value].mac, {}, {}, {}};
    if (vpc)
        fill_link(link, spec);
    else
        fill_link(link, spec.features.at(id.channel));
    for (const auto& [where, mac] : spec.static_neighbours)
        if (where.first == id.channel)
            link.static_neighbours[where.second] = mac;
    return link;
}

std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                             const ChannelSecys& secys, AttachmentId id) {
    std::vector<Link> links;
    const Attachment& spec = model.attachments.at(id);
    if (model.port_enabled[spec.port.value])
        links.push_back(make_link(model, ports, {id, {}}));
    for (const auto& [channel, feature] : spec.features)
        if (has_link(model, secys, channel))
            links.push_back(make_link(model, ports, {id, channel}));
    return links;
}

std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                             const ChannelSecys& secys) {
    std::vector<Link> links;
    for (const auto& [id, spec] : model.attachments)
        for (Link& link : make_links(model, ports, secys, id))
            links.push_back(std::move(link));
    return links;
}

std::unique_ptr<const ForwardingState> compile(const CompileInput& input) {
    auto state = std::make_unique<ForwardingState>();
    state->generation = input.generation;
    compile_interconnects(input, *state);
    compile_channels(input, *state);
    compile_ports(input, *state);
    input.cache.follow(input, *state);
    return state;
}

} // namespace isthmus::control
