#include "control/vrf_cache.hpp"

#include "control/compile.hpp"
#include "control/sizes.hpp"

#include <algorithm>

namespace isthmus::control {

using dataplane::Adjacency;
using dataplane::AttachmentState;
using dataplane::FeatureState;
using dataplane::VlanTable;

namespace {

dataplane::HopMac mac_of(const NeighbourMacs& neighbours, LinkId link, const IpAddr& peer) {
    const auto mac = find_mac(neighbours, link, peer);
    return {mac.value_or(MacAddr{}), mac.has_value()};
}

FeatureState feature_state(const NeighbourMacs& neighbours, LinkId link, PortId port,
                           const Feature& feature) {
    FeatureState state;
    state.present = true;
    state.port = port;
    state.vlan = feature.vlan;
    state.mtu = feature.mtu;
    state.has_ipv4 = feature.peer_ipv4.has_value();
    state.has_ipv6 = feature.peer_ipv6.has_value();
    if (feature.peer_ipv4) {
        state.ipv4 = mac_of(neighbours, link, *feature.peer_ipv4);
        state.next_hop4 = *feature.peer_ipv4;
    }
    if (feature.peer_ipv6) {
        state.ipv6 = mac_of(neighbours, link, *feature.peer_ipv6);
        state.next_hop6 = *feature.peer_ipv6;
    }
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
uint16_t largest_packet(const Config& config, const Attachment& spec) {
    uint16_t most = config.ports[spec.port.value].mtu;
    for (const auto& [channel, feature] : spec.features)
        most = std::max(most, config.ports[config.channels[channel.value].port.value].mtu);
    return most;
}

bool clamps(const AttachmentState& state) {
    return state.egress.most_mss_ipv4 != 0 || state.egress.most_mss_ipv6 != 0;
}

bool same_vlans(const AttachmentState& a, const AttachmentState& b) {
    return a.present() == b.present() && a.egress.interconnect == b.egress.interconnect &&
           a.ingress.vpc_port == b.ingress.vpc_port && a.ingress.vpc_vlan == b.ingress.vpc_vlan &&
           std::ranges::equal(a.features(), b.features(),
                              [](const FeatureState& x, const FeatureState& y) {
                                  return x.present == y.present && x.vlan == y.vlan;
                              });
}

} // namespace

Vrf* VrfCache::find(AttachmentId id) {
    const auto entry = entries_.find(id);
    return entry == entries_.end() ? nullptr : entry->second.vrf.get();
}

void VrfCache::set_neighbour(const NeighbourKey& key, const std::optional<MacAddr>& mac) {
    const AttachmentId id = key.link.attachment;
    Vrf* vrf = find(id);
    if (vrf == nullptr)
        return; // its tables are made from what is known by then
    if (!key.link.channel.valid()) {
        vrf->set_neighbour(key.address, mac);
        unsettled_.insert(id);
    }
    touched_.insert(id);
}

VrfCache::Parts VrfCache::take_all() {
    for (auto& [id, entry] : entries_)
        forget(entry);
    entries_.clear();
    return take_replaced();
}

void VrfCache::prepare(const CompileInput& input) {
    const Config& config = input.model.config;
    all_ = false;
    attachments_ = attachment_copies_.unused();
    const auto empty_vlan_table = [this] {
        auto table = vlan_copies_.unused();
        table->fill(AttachmentId::kNone);
        return table;
    };
    members_.resize(config.interconnects.size());
    for (std::size_t c = 0; c < config.channels.size(); ++c) {
        members_[config.channels[c].interconnect.value].push_back(ChannelId(c));
        channel_vlans_.push_back(empty_vlan_table());
    }
    for (std::size_t p = 0; p < config.ports.size(); ++p)
        port_vlans_.push_back(empty_vlan_table());
    for (const auto& [id, spec] : input.model.attachments)
        rebuild_.insert(id);
}

void VrfCache::follow(const CompileInput& input, dataplane::ForwardingState& state) {
    if (all_)
        prepare(input);
    for (const AttachmentId id : rebuild_)
        touched_.insert(id);
    for (const AttachmentId id : touched_)
        refresh(input, id, rebuild_.contains(id));
    rebuild_.clear();
    touched_.clear();
    state.attachments = *attachments_;
    state.fibs = &dataplane::process_fib_arena();
    state.clamps_mss = clamping_ != 0;
    state.keep_alive.push_back(attachments_);
    for (std::size_t p = 0; p < port_vlans_.size(); ++p)
        state.ports[p].vlans = port_vlans_[p];
    for (std::size_t c = 0; c < channel_vlans_.size(); ++c)
        state.channels[c].vlans = channel_vlans_[c];
}

void VrfCache::forget(Entry& entry) {
    for (std::shared_ptr<const void> part :
         {std::shared_ptr<const void>(std::move(entry.vrf)),
          std::shared_ptr<const void>(std::move(entry.adjacencies)),
          std::shared_ptr<const void>(std::move(entry.features))})
        if (part)
            replaced_.push_back(std::move(part));
}

void VrfCache::remove(AttachmentId id) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end())
        return;
    move(id, (*attachments_)[id.value], {});
    attachment_copies_.writable(attachments_)[id.value] = {};
    forget(entry->second);
    entries_.erase(entry);
}

void VrfCache::refresh_tables(const CompileInput& input, AttachmentId id, bool rebuild) {
    const Attachment& spec = input.model.attachments.at(id);
    const auto& members = members_[spec.interconnect.value];
    Entry& entry = entries_[id];
    FixedRoutes fixed = fixed_routes(spec, members);
    if (rebuild || !entry.vrf || entry.vrf->fixed() != fixed) {
        static const std::map<IpAddr, MacAddr> kNobody;
        const auto known = input.neighbours.find(LinkId{id, {}});
        auto made =
            std::make_shared<Vrf>(std::move(fixed), spec.routes,
                                  known == input.neighbours.end() ? kNobody : known->second);
        if (entry.vrf)
            replaced_.push_back(std::move(entry.vrf));
        entry.vrf = std::move(made);
        unsettled_.insert(id);
    }
    if (!entry.adjacencies || entry.vrf->adjacencies_changed()) {
        if (entry.adjacencies)
            replaced_.push_back(std::move(entry.adjacencies));
        const auto now = entry.vrf->adjacencies();
        entry.adjacencies = std::make_shared<const Part<Adjacency>>(now.begin(), now.end());
    }
    Part<FeatureState> features;
    features.reserve(members.size());
    for (const ChannelId channel : members) {
        const auto found = spec.features.find(channel);
        features.push_back(found == spec.features.end()
                               ? FeatureState{}
                               : feature_state(input.neighbours, {id, channel},
                                               input.model.config.channels[channel.value].port,
                                               found->second));
    }
    if (entry.features)
        replaced_.push_back(std::move(entry.features));
    entry.features = std::make_shared<const Part<FeatureState>>(std::move(features));
}

AttachmentState VrfCache::attachment_state(const CompileInput& input, const Attachment& spec,
                                           const Entry& entry) {
    AttachmentState state;
    auto& [egress, ingress] = state;
    egress.fib4 = ingress.fib4 = &entry.vrf->fib4().root();
    egress.fib6 = ingress.fib6 = &entry.vrf->fib6().root();
    egress.features = entry.features->data();
    egress.feature_count = static_cast<uint8_t>(entry.features->size());
    egress.interconnect = spec.interconnect;
    ingress.adjacencies = entry.adjacencies->data();
    ingress.vpc_port = spec.port;
    ingress.vpc_vlan = spec.vlan;
    ingress.vpc_mtu = spec.mtu;
    const MssLimits clamp = attachment_sizes(input.model.config, spec).clamp;
    egress.most_mss_ipv4 = ingress.most_mss_ipv4 = clamp.ipv4;
    egress.most_mss_ipv6 = ingress.most_mss_ipv6 = clamp.ipv6;
    const uint16_t largest = largest_packet(input.model.config, spec);
    egress.rate = meter_rate(spec.egress_limit, largest, input.tsc_hz);
    ingress.rate = meter_rate(spec.ingress_limit, largest, input.tsc_hz);
    return state;
}

void VrfCache::refresh(const CompileInput& input, AttachmentId id, bool rebuild) {
    const auto found = input.model.attachments.find(id);
    if (found == input.model.attachments.end())
        return remove(id);
    const Attachment& spec = found->second;
    refresh_tables(input, id, rebuild);
    const AttachmentState state = attachment_state(input, spec, entries_.at(id));
    auto& attachments = attachment_copies_.writable(attachments_);
    if (attachments.size() <= id.value)
        attachments.resize(id.value + 1u);
    move(id, attachments[id.value], state);
    attachments[id.value] = state;
}

// The VLANs of an attachment lead to its slot, those that it had before no longer do.
void VrfCache::move(AttachmentId id, const AttachmentState& before, const AttachmentState& after) {
    clamping_ = clamping_ + clamps(after) - clamps(before);
    if (same_vlans(before, after))
        return;
    set_vlans(before, AttachmentId::kNone, id.value);
    set_vlans(after, id.value, AttachmentId::kNone);
}

// A VLAN that another attachment has taken over stays with it.
void VrfCache::set_vlans(const AttachmentState& where, uint16_t value, uint16_t if_now) {
    if (!where.present())
        return;
    const auto set = [&](std::shared_ptr<VlanTable>& table, uint16_t vlan) {
        if (value != AttachmentId::kNone || (*table)[vlan] == if_now)
            vlan_copies_.writable(table)[vlan] = value;
    };
    set(port_vlans_[where.ingress.vpc_port.value], where.ingress.vpc_vlan);
    const auto& members = members_[where.egress.interconnect.value];
    const auto features = where.features();
    for (std::size_t m = 0; m < features.size(); ++m)
        if (features[m].present)
            set(channel_vlans_[members[m].value], features[m].vlan);
}

} // namespace isthmus::control
