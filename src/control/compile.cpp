#include "control/compile.hpp"

#include "control/sizes.hpp"

#include <algorithm>

namespace isthmus::control {
namespace {

using dataplane::Adjacency;
using dataplane::AttachmentState;
using dataplane::FibRoute;
using dataplane::ForwardingState;
using dataplane::make_target;
using dataplane::Target;

// Any constant will do; edges must differ, or the second edge on a path would see only flows that
// the first one sent the same way.
constexpr uint32_t kSeedBase = 0x9e3779b9;

// Collects the routes of one VRF. Later ones win, so the order is from weak to strong.
class VrfBuilder {
  public:
    explicit VrfBuilder(const NeighbourMacs& neighbours) : neighbours_(neighbours) {}

    VrfTables build(AttachmentId id, const Attachment& spec) {
        add_connected(spec.local);
        const LinkId vpc{id, {}};
        if (const auto known = neighbours_.find(vpc); known != neighbours_.end())
            for (const auto& [address, mac] : known->second)
                add_host(address, make_target(Target::vpc, adjacency(vpc, address)));
        for (const auto& [prefix, route] : spec.routes)
            add(prefix, target_of(vpc, route));
        uint32_t member = 0;
        for (const ChannelId channel : members_) {
            const auto feature = spec.features.find(channel);
            if (feature != spec.features.end())
                add_feature(feature->second, member);
            ++member;
        }
        add_own(spec.local);
        VrfTables tables;
        tables.fib4 = std::make_shared<dataplane::Fib4>(routes4_);
        tables.fib6 = std::make_shared<dataplane::Fib6>(routes6_);
        tables.adjacencies = std::move(adjacencies_);
        return tables;
    }
    void set_members(const std::vector<ChannelId>& members) { members_ = members; }

  private:
    uint32_t adjacency(LinkId link, const IpAddr& address) {
        const auto [place, fresh] =
            adjacency_index_.try_emplace(address, static_cast<uint32_t>(adjacencies_.size()));
        if (fresh) {
            Adjacency entry{{}, false, address};
            if (const auto known = neighbours_.find(link); known != neighbours_.end())
                if (const auto mac = known->second.find(address); mac != known->second.end())
                    entry = {mac->second, true, address};
            adjacencies_.push_back(entry);
        }
        return place->second;
    }
    dataplane::FibValue target_of(LinkId vpc, const Route& route) {
        if (route.via == Via::channels)
            return make_target(Target::channels);
        if (route.via == Via::blackhole)
            return make_target(Target::blackhole);
        return make_target(Target::vpc, adjacency(vpc, *route.next_hop));
    }
    void add(const IpPrefix& prefix, dataplane::FibValue value) {
        if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
            routes4_.push_back({*v4, value});
        else
            routes6_.push_back({std::get<Ipv6Prefix>(prefix), value});
    }
    void add_host(const IpAddr& address, dataplane::FibValue value) {
        if (const auto* v4 = std::get_if<Ipv4Addr>(&address))
            routes4_.push_back({{*v4, 32}, value});
        else
            routes6_.push_back({{std::get<Ipv6Addr>(address), 128}, value});
    }
    void add_connected(const LinkAddresses& local) {
        if (local.ipv4) {
            const uint8_t length = local.ipv4->length;
            const Ipv4Addr network = masked(local.ipv4->addr, length);
            add(Ipv4Prefix{network, length}, make_target(Target::connected));
            if (length < 31) { // RFC 3021: a /31 has neither network nor broadcast address
                add_host(network, make_target(Target::broadcast));
                add_host(Ipv4Addr{network.value | ~ipv4_mask(length)},
                         make_target(Target::broadcast));
            }
        }
        if (local.ipv6)
            add(Ipv6Prefix{masked(local.ipv6->addr, local.ipv6->length), local.ipv6->length},
                make_target(Target::connected));
    }
    void add_feature(const Feature& feature, uint32_t member) {
        if (feature.peer_ipv4)
            add_host(*feature.peer_ipv4, make_target(Target::member, member));
        if (feature.peer_ipv6)
            add_host(*feature.peer_ipv6, make_target(Target::member, member));
        add_own(feature.local);
    }
    void add_own(const LinkAddresses& local) {
        if (local.ipv4)
            add_host(local.ipv4->addr, make_target(Target::local));
        if (local.ipv6)
            add_host(local.ipv6->addr, make_target(Target::local));
    }

    const NeighbourMacs& neighbours_;
    std::vector<ChannelId> members_;
    std::vector<FibRoute<Ipv4Prefix>> routes4_;
    std::vector<FibRoute<Ipv6Prefix>> routes6_;
    std::vector<Adjacency> adjacencies_;
    std::map<IpAddr, uint32_t> adjacency_index_;
};

Adjacency peer_adjacency(const NeighbourMacs& neighbours, LinkId link, const IpAddr& peer) {
    if (const auto known = neighbours.find(link); known != neighbours.end())
        if (const auto mac = known->second.find(peer); mac != known->second.end())
            return {mac->second, true, peer};
    return {{}, false, peer};
}

dataplane::FeatureState feature_state(const NeighbourMacs& neighbours, LinkId link,
                                      const Feature& feature) {
    dataplane::FeatureState state;
    state.present = true;
    state.vlan = feature.vlan;
    state.mtu = feature.mtu;
    state.has_ipv4 = feature.peer_ipv4.has_value();
    state.has_ipv6 = feature.peer_ipv6.has_value();
    if (feature.peer_ipv4)
        state.ipv4 = peer_adjacency(neighbours, link, *feature.peer_ipv4);
    if (feature.peer_ipv6)
        state.ipv6 = peer_adjacency(neighbours, link, *feature.peer_ipv6);
    return state;
}

dataplane::MeterRate meter_rate(const std::optional<Limit>& limit, uint16_t mtu, uint64_t tsc_hz) {
    if (!limit)
        return {};
    if (limit->peak_bps)
        return dataplane::MeterRate::two_rate(limit->rate_bps, *limit->peak_bps,
                                              *limit->excess_dscp, limit->burst_us, mtu, tsc_hz);
    return dataplane::MeterRate::from(limit->rate_bps, limit->burst_us, mtu, tsc_hz);
}

// What may arrive, from either side; a meter counts it before it is cut into fragments.
uint16_t largest_packet(const Config& config, const Attachment& spec,
                        const std::vector<ChannelId>& members) {
    uint16_t most = config.ports[spec.port.value].mtu;
    for (const ChannelId channel : members)
        most = std::max(most, config.ports[config.channels[channel.value].port.value].mtu);
    return most;
}

AttachmentState attachment_state(const CompileInput& input, AttachmentId id, const Attachment& spec,
                                 const std::vector<ChannelId>& members) {
    auto cached = input.cache.find(id);
    if (cached == input.cache.end()) {
        VrfBuilder builder(input.neighbours);
        builder.set_members(members);
        cached = input.cache.emplace(id, builder.build(id, spec)).first;
    }
    AttachmentState state;
    state.present = true;
    state.edge = spec.edge;
    state.interconnect = spec.interconnect;
    state.vpc_port = spec.port;
    state.vpc_vlan = spec.vlan;
    state.vpc_mtu = spec.mtu;
    const MssLimits clamp = attachment_sizes(input.model.config, spec).clamp;
    state.most_mss_ipv4 = clamp.ipv4;
    state.most_mss_ipv6 = clamp.ipv6;
    state.fib4 = cached->second.fib4.get();
    state.fib6 = cached->second.fib6.get();
    state.adjacencies = cached->second.adjacencies;
    const uint16_t largest = largest_packet(input.model.config, spec, members);
    state.egress_rate = meter_rate(spec.egress_limit, largest, input.tsc_hz);
    state.ingress_rate = meter_rate(spec.ingress_limit, largest, input.tsc_hz);
    for (const ChannelId channel : members) {
        const auto feature = spec.features.find(channel);
        state.features.push_back(
            feature == spec.features.end()
                ? dataplane::FeatureState{}
                : feature_state(input.neighbours, {id, channel}, feature->second));
    }
    return state;
}

std::shared_ptr<dataplane::VlanTable> empty_vlan_table() {
    auto table = std::make_shared<dataplane::VlanTable>();
    table->fill(AttachmentId::kNone);
    return table;
}

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
        interconnect.hash_seed = kSeedBase * (config.interconnects[n].edge.value + 1u);
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
        auto table = empty_vlan_table();
        for (const auto& [id, spec] : input.model.attachments)
            if (const auto feature = spec.features.find(ChannelId(c));
                feature != spec.features.end())
                (*table)[feature->second.vlan] = id.value;
        channel.vlans = std::move(table);
    }
}

void compile_ports(const CompileInput& input, ForwardingState& state) {
    const Config& config = input.model.config;
    for (std::size_t p = 0; p < config.ports.size(); ++p) {
        dataplane::PortState port;
        port.edge = config.ports[p].edge;
        port.mac = input.ports[p].mac;
        port.link_local = link_local_from(port.mac);
        port.enabled = input.model.port_enabled[p];
        port.max_frame = port_sizes(config, PortId(p)).max_frame();
        for (std::size_t c = 0; c < config.channels.size(); ++c)
            if (config.channels[c].port == PortId(p))
                port.channel = ChannelId(c);
        auto table = empty_vlan_table();
        for (const auto& [id, spec] : input.model.attachments)
            if (spec.port == PortId(p))
                (*table)[spec.vlan] = id.value;
        port.vlans = std::move(table);
        state.ports.push_back(std::move(port));
    }
}

void fill_link(Link& link, const Attachment& spec) {
    link.vlan = spec.vlan;
    link.mtu = spec.mtu;
    link.local = spec.local;
    for (const auto& [prefix, route] : spec.routes)
        if (route.next_hop &&
            std::find(link.wanted.begin(), link.wanted.end(), *route.next_hop) == link.wanted.end())
            link.wanted.push_back(*route.next_hop);
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

std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                             const ChannelSecys& secys) {
    std::vector<Link> links;
    const auto add = [&](AttachmentId id, const Attachment& spec, ChannelId channel, PortId port) {
        if (!model.port_enabled[port.value])
            return;
        Link link{{id, channel}, port, 0, 0, ports[port.value].mac, {}, {}, {}};
        if (channel.valid())
            fill_link(link, spec.features.at(channel));
        else
            fill_link(link, spec);
        for (const auto& [where, mac] : spec.static_neighbours)
            if (where.first == channel)
                link.static_neighbours[where.second] = mac;
        links.push_back(std::move(link));
    };
    for (const auto& [id, spec] : model.attachments) {
        add(id, spec, ChannelId{}, spec.port);
        for (const auto& [channel, feature] : spec.features)
            if (model.channel_admin[channel.value] != AdminState::down &&
                secys[channel.value]->has_encoding_sa())
                add(id, spec, channel, model.config.channels[channel.value].port);
    }
    return links;
}

std::unique_ptr<const ForwardingState> compile(const CompileInput& input) {
    auto state = std::make_unique<ForwardingState>();
    state->generation = input.generation;
    compile_interconnects(input, *state);
    compile_channels(input, *state);
    compile_ports(input, *state);
    for (const auto& [id, spec] : input.model.attachments) {
        if (state->attachments.size() <= id.value)
            state->attachments.resize(id.value + 1u);
        state->attachments[id.value] = attachment_state(
            input, id, spec, state->interconnects[spec.interconnect.value].members);
        state->clamps_mss |= spec.mss_clamp.mode != MssClamp::Mode::off;
        state->keep_alive.push_back(input.cache.at(id).fib4);
        state->keep_alive.push_back(input.cache.at(id).fib6);
    }
    return state;
}

} // namespace isthmus::control
