#include "control/capacity.hpp"
#include "control/render.hpp"

namespace isthmus::control {
namespace {

void write_direction(JsonWriter& json, std::string_view name, const InterconnectCapacity& sheet,
                     const DirectionCapacity& direction) {
    json.key(name)
        .begin_object()
        .member("sold_bps", direction.sold_bps)
        .member("free_bps", sheet.free_bps(direction))
        .member("headroom_n1_bps", sheet.headroom_n1_bps(direction))
        .member("unlimited_attachments", direction.unlimited)
        .end_object();
}

void write_sheet(JsonWriter& json, const Config& config, const InterconnectCapacity& sheet) {
    const InterconnectConfig& it = config.interconnects[sheet.id.value];
    json.begin_object()
        .member("name", it.name)
        .member("sell", it.sell_strictly ? "strict" : "open")
        .member("staged_bps", sheet.staged_bps)
        .member("channels_bps", sheet.channels_bps)
        .member("sellable_bps", sheet.sellable_bps())
        .member("capacity_n1_bps", sheet.channels_bps - sheet.largest_bps)
        .member("short", sheet.is_short())
        .member("attachments", sheet.attachments);
    write_direction(json, "egress", sheet, sheet.egress);
    write_direction(json, "ingress", sheet, sheet.ingress);
    json.key("channels").begin_array();
    for (const ChannelCapacity& channel : sheet.channels)
        json.begin_object()
            .member("name", config.channels[channel.id.value].name)
            .member("capacity_bps", channel.capacity_bps)
            .member("admin_state", admin_state_name(channel.admin_state))
            .member("share_permille", channel.share_permille)
            .end_object();
    json.end_array().end_object();
}

} // namespace

void write_capacity(JsonWriter& json, const Model& model, EdgeId edge) {
    json.begin_object().key("interconnects").begin_array();
    for (std::size_t i = 0; i < model.config.interconnects.size(); ++i)
        if (model.config.interconnects[i].edge == edge)
            write_sheet(json, model.config, capacity_of(model, InterconnectId(i)));
    json.end_array().end_object();
}

} // namespace isthmus::control
