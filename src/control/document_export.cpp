#include "control/document.hpp"
#include "control/json_writer.hpp"
#include "control/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace isthmus::control {
namespace {

void write_neighbours(JsonWriter& json, const Config& config, const Attachment& attachment) {
    json.key("neighbours").begin_array();
    for (const auto& [where, mac] : attachment.static_neighbours) {
        json.begin_object().member("address", to_string(where.second));
        json.member("mac", to_string(mac));
        if (where.first.valid())
            json.member("channel", config.channels[where.first.value].name);
        json.end_object();
    }
    json.end_array();
}

void write_ports(JsonWriter& json, const Model& model, EdgeId edge) {
    json.key("ports").begin_array();
    for (std::size_t p = 0; p < model.config.ports.size(); ++p)
        if (model.config.ports[p].edge == edge)
            json.begin_object()
                .member("name", model.config.ports[p].name)
                .member("admin_state", model.port_enabled[p] ? "up" : "down")
                .end_object();
    json.end_array();
}

void write_channels(JsonWriter& json, const Model& model, std::span<const ChannelKeys> keys,
                    EdgeId edge) {
    json.key("channels").begin_array();
    for (std::size_t c = 0; c < model.config.channels.size(); ++c) {
        if (model.config.channels[c].edge != edge)
            continue;
        json.begin_object()
            .member("name", model.config.channels[c].name)
            .member("admin_state", state_name(model.channel_admin[c]));
        json.key("rx_scs").begin_array();
        for (const auto& sc : keys[c].rx_scs)
            json.value(fmt::format("{:016x}", sc.sci.value));
        json.end_array().end_object();
    }
    json.end_array();
}

// In order of names, so that two exports differ by what differs.
std::vector<const Attachment*> attachments_of(const Model& model, EdgeId edge) {
    std::vector<const Attachment*> found;
    for (const auto& [id, attachment] : model.attachments)
        if (attachment.edge == edge)
            found.push_back(&attachment);
    std::ranges::sort(found, {}, &Attachment::name);
    return found;
}

} // namespace

std::string_view state_name(AdminState state) {
    constexpr std::array<std::string_view, 3> kNames = {"up", "drain", "down"};
    return kNames.at(static_cast<std::size_t>(state));
}

std::string attachment_text(const Config& config, const Attachment& attachment) {
    JsonWriter json;
    json.begin_object();
    write_parameters(json, config, attachment);
    write_neighbours(json, config, attachment);
    json.end_object();
    return json.take();
}

std::string export_document(const Model& model, std::span<const ChannelKeys> keys) {
    JsonWriter json;
    json.begin_object().key("edges").begin_array();
    for (std::size_t e = 0; e < model.config.edges.size(); ++e) {
        json.begin_object().member("name", model.config.edges[e].name);
        write_ports(json, model, EdgeId(e));
        write_channels(json, model, keys, EdgeId(e));
        json.key("attachments").begin_array();
        for (const Attachment* attachment : attachments_of(model, EdgeId(e))) {
            json.begin_object();
            write_parameters(json, model.config, *attachment);
            write_neighbours(json, model.config, *attachment);
            json.key("routes");
            write_routes(json, *attachment);
            json.end_object();
        }
        json.end_array().end_object();
    }
    json.end_array().end_object();
    return json.take();
}

} // namespace isthmus::control
