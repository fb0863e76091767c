#include "control/audit_view.hpp"

#include "control/render.hpp"

#include <fmt/format.h>

namespace isthmus::control {
namespace {

bool has(std::string_view path, std::string_view segment) {
    return path.find(segment) != std::string_view::npos;
}

void view_attachment(JsonWriter& json, const Call& call, const Attachment& attachment,
                     std::string_view path) {
    begin_attachment(json, call.config(), attachment);
    if (has(path, "/PREFIX"))
        if (const auto route = attachment.routes.find(call.prefix)) {
            json.key("route");
            write_route(json, call.prefix, *route);
        }
    json.end_object();
}

void view_channel(JsonWriter& json, const Call& call) {
    const ChannelInfo info = call.control.channel_info(call.channel);
    json.begin_object().member("admin_state", admin_state_name(info.admin_state));
    json.key("tx_sas").begin_array();
    for (const TxSaInfo& sa : info.tx_sas)
        json.begin_object()
            .member("an", sa.an)
            .member("fingerprint", sa.fingerprint)
            .member("encoding", sa.encoding)
            .end_object();
    json.end_array().key("rx_scs").begin_array();
    for (const RxScInfo& sc : info.rx_scs) {
        json.begin_object().member("sci", fmt::format("{:016x}", sc.sci.value));
        json.key("sas").begin_array();
        for (const RxSaInfo& sa : sc.sas)
            json.begin_object()
                .member("an", sa.an)
                .member("fingerprint", sa.fingerprint)
                .member("in_use", sa.in_use)
                .end_object();
        json.end_array().end_object();
    }
    json.end_array().end_object();
}

} // namespace

std::string audit_view(const Call& call, std::string_view path) {
    JsonWriter json;
    if (call.attachment.valid()) {
        const auto found = call.model().attachments.find(call.attachment);
        if (found == call.model().attachments.end())
            return {};
        view_attachment(json, call, found->second, path);
    } else if (call.channel.valid()) {
        view_channel(json, call);
    } else if (call.port.valid()) {
        json.begin_object()
            .member("admin_state", call.model().port_enabled[call.port.value] ? "up" : "down")
            .end_object();
    }
    return json.take();
}

} // namespace isthmus::control
