#include "control/attachment_index.hpp"

#include "control/model.hpp"

namespace isthmus::control {
namespace {

template <class Id> uint32_t place(Id id, uint16_t vlan) {
    return uint32_t{id.value} << 16 | vlan;
}

template <class Map, class Key>
std::optional<AttachmentId> find_in(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? std::nullopt : std::optional(found->second);
}

void add(DirectionCapacity& direction, const std::optional<Limit>& limit) {
    direction.sold_bps += limit ? limit->rate_bps : 0;
    direction.unlimited += limit ? 0 : 1;
}

void remove(DirectionCapacity& direction, const std::optional<Limit>& limit) {
    direction.sold_bps -= limit ? limit->rate_bps : 0;
    direction.unlimited -= limit ? 0 : 1;
}

} // namespace

void AttachmentIndex::add(AttachmentId id, const Attachment& attachment) {
    names_.try_emplace({attachment.edge, attachment.name}, id);
    ports_.try_emplace(place(attachment.port, attachment.vlan), id);
    for (const auto& [channel, feature] : attachment.features)
        channels_.try_emplace(place(channel, feature.vlan), id);
    if (sold_.size() <= attachment.interconnect.value)
        sold_.resize(attachment.interconnect.value + 1u);
    SoldCapacity& sold = sold_[attachment.interconnect.value];
    ++sold.attachments;
    control::add(sold.egress, attachment.egress_limit);
    control::add(sold.ingress, attachment.ingress_limit);
}

void AttachmentIndex::remove(const Attachment& attachment) {
    names_.erase({attachment.edge, attachment.name});
    ports_.erase(place(attachment.port, attachment.vlan));
    for (const auto& [channel, feature] : attachment.features)
        channels_.erase(place(channel, feature.vlan));
    SoldCapacity& sold = sold_[attachment.interconnect.value];
    --sold.attachments;
    control::remove(sold.egress, attachment.egress_limit);
    control::remove(sold.ingress, attachment.ingress_limit);
}

std::optional<AttachmentId> AttachmentIndex::named(EdgeId edge, std::string_view name) const {
    return find_in(names_, std::pair(edge, name));
}

std::optional<AttachmentId> AttachmentIndex::on_port(PortId port, uint16_t vlan) const {
    return find_in(ports_, place(port, vlan));
}

std::optional<AttachmentId> AttachmentIndex::on_channel(ChannelId channel, uint16_t vlan) const {
    return find_in(channels_, place(channel, vlan));
}

SoldCapacity AttachmentIndex::sold(InterconnectId interconnect) const {
    return interconnect.value < sold_.size() ? sold_[interconnect.value] : SoldCapacity{};
}

Model Model::from(Config config) {
    Model model;
    model.channel_admin.assign(config.channels.size(), AdminState::up);
    for (const PortConfig& port : config.ports)
        model.port_enabled.push_back(port.enabled);
    model.config = std::move(config);
    return model;
}

void Model::add(AttachmentId id, Attachment attachment) {
    index.add(id, attachment);
    attachments.emplace(id, std::move(attachment));
}

void Model::erase(AttachmentId id) {
    const auto found = attachments.find(id);
    index.remove(found->second);
    attachments.erase(found);
}

void Model::exchange(AttachmentId id, Attachment& attachment) {
    Attachment& now = attachments.at(id);
    index.remove(now);
    std::swap(now, attachment);
    index.add(id, now);
}

} // namespace isthmus::control
