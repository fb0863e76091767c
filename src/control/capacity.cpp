#include "control/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

constexpr uint64_t kBitsOfMega = 1'000'000;
constexpr uint64_t kPermille = 1000;

uint64_t reserved(const std::optional<Limit>& limit) {
    return limit ? limit->rate_bps : 0;
}

// Sums stay far below 2^63: 16384 attachments of at most 400 Gbit/s.
int64_t difference(uint64_t from, uint64_t what) {
    return static_cast<int64_t>(from) - static_cast<int64_t>(what);
}

Result<void> check_strict(const InterconnectConfig& interconnect, const std::string& field,
                          const std::optional<Limit>& limit) {
    if (interconnect.sell_strictly && !limit)
        return invalid_value(field, "none",
                             "a limit: interconnect " + interconnect.name + " has sell = 'strict'");
    return {};
}

// `own`: what the attachment itself has of what is sold.
Result<void> check_direction(const InterconnectCapacity& sheet, const std::string& interconnect,
                             const std::string& field, const DirectionCapacity& direction,
                             uint64_t own, uint64_t wanted) {
    const uint64_t others = direction.sold_bps - own;
    const uint64_t sellable = sheet.sellable_bps();
    const uint64_t left = sellable - std::min(sellable, others);
    if (wanted <= left)
        return {};
    return Error{ErrorCode::conflict,
                 fmt::format("{}: {} is more than the {} bit/s that interconnect {} has left for "
                             "this attachment: {} may be sold, {} are sold to others",
                             field, wanted, left, interconnect, sellable, others),
                 field, std::to_string(wanted), std::to_string(left)};
}

} // namespace

uint64_t InterconnectCapacity::sellable_bps() const {
    return std::min(staged_bps, channels_bps);
}

int64_t InterconnectCapacity::free_bps(const DirectionCapacity& direction) const {
    return difference(sellable_bps(), direction.sold_bps);
}

int64_t InterconnectCapacity::headroom_n1_bps(const DirectionCapacity& direction) const {
    return difference(channels_bps - largest_bps, direction.sold_bps);
}

uint64_t staged_bps(const Config& config, InterconnectId interconnect) {
    if (const auto& pool = config.interconnects[interconnect.value].max_bandwidth_mbps)
        return *pool * kBitsOfMega;
    uint64_t sum = 0;
    for (const ChannelConfig& channel : config.channels)
        if (channel.interconnect == interconnect)
            sum += channel.capacity_mbps * kBitsOfMega;
    return sum;
}

InterconnectCapacity capacity_of(const Model& model, InterconnectId interconnect) {
    InterconnectCapacity sheet{model.index.sold(interconnect), {}, 0, 0, 0, {}};
    sheet.id = interconnect;
    sheet.staged_bps = staged_bps(model.config, interconnect);
    for (std::size_t c = 0; c < model.config.channels.size(); ++c) {
        const ChannelConfig& channel = model.config.channels[c];
        if (channel.interconnect != interconnect)
            continue;
        const uint64_t capacity = channel.capacity_mbps * kBitsOfMega;
        sheet.channels.push_back({ChannelId(c), capacity, model.channel_admin[c], 0});
        if (model.channel_admin[c] != AdminState::up)
            continue;
        sheet.channels_bps += capacity;
        sheet.largest_bps = std::max(sheet.largest_bps, capacity);
    }
    for (ChannelCapacity& channel : sheet.channels)
        if (channel.admin_state == AdminState::up)
            channel.share_permille =
                static_cast<uint32_t>(channel.capacity_bps * kPermille / sheet.channels_bps);
    return sheet;
}

namespace {

// `own`: what the sums have of this attachment. `claim`: what of that is not refused.
struct Share {
    uint64_t own = 0, claim = 0;
};

Result<void> check_shares(const Model& model, const Attachment& spec, const Share& egress,
                          const Share& ingress) {
    const InterconnectConfig& interconnect = model.config.interconnects[spec.interconnect.value];
    if (auto good = check_strict(interconnect, "limits.egress", spec.egress_limit); !good)
        return good;
    if (auto good = check_strict(interconnect, "limits.ingress", spec.ingress_limit); !good)
        return good;
    const uint64_t wants_egress = reserved(spec.egress_limit);
    const uint64_t wants_ingress = reserved(spec.ingress_limit);
    // Most changes sell nothing.
    if (wants_egress <= egress.claim && wants_ingress <= ingress.claim)
        return {};
    const InterconnectCapacity sheet = capacity_of(model, spec.interconnect);
    Result<void> good;
    if (wants_egress > egress.claim)
        good = check_direction(sheet, interconnect.name, "limits.egress.rate_bps", sheet.egress,
                               egress.own, wants_egress);
    if (good && wants_ingress > ingress.claim)
        good = check_direction(sheet, interconnect.name, "limits.ingress.rate_bps", sheet.ingress,
                               ingress.own, wants_ingress);
    return good;
}

} // namespace

Result<void> check_capacity(const Model& model, const Attachment& spec,
                            std::optional<AttachmentId> self) {
    Share egress, ingress;
    if (self)
        if (const Attachment& now = model.attachments.at(*self);
            now.interconnect == spec.interconnect) {
            egress.own = egress.claim = reserved(now.egress_limit);
            ingress.own = ingress.claim = reserved(now.ingress_limit);
        }
    return check_shares(model, spec, egress, ingress);
}

Result<void> check_new_share(const Model& model, const Attachment& attachment) {
    return check_shares(model, attachment, {reserved(attachment.egress_limit), 0},
                        {reserved(attachment.ingress_limit), 0});
}

} // namespace isthmus::control
