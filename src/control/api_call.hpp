#pragma once
// One API request on its way from the table of rows (api.cpp) to its handler (api_*.cpp).

#include "control/audit.hpp"
#include "control/body.hpp"
#include "control/control_plane.hpp"
#include "control/http_message.hpp"
#include "control/json_writer.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kPage = 1000, kMaxPage = 10'000; // elements of a list
inline constexpr std::size_t kMaxQueryValue = 256;

class RouteLines;

// What the query asks for, if the row has it.
struct CallQuery {
    std::size_t limit = kPage;
    std::string after; // empty: from the begin
    std::string name_prefix;
    std::optional<PortId> port;
    std::optional<InterconnectId> interconnect;
    std::optional<ChannelId> channel;
    std::optional<AttachmentId> attachment;
    RouteFilter routes;
    std::optional<uint64_t> since; // an event's sequence number
    std::optional<int64_t> from_ms, to_ms;
    std::string name; // of what may have gone; empty: all
    bool dry_run = false, allow_removals = false;
    std::string expect; // empty: any
};

// What a call has changed beside what its path names.
struct Touched {
    std::vector<AttachmentId> attachments;
    std::vector<ChannelId> channels;
    std::vector<PortId> ports;
};

// What the path names, resolved before the handler is called: a row's handler may rely on every
// member that a placeholder of its path stands for. Ids are of things that exist.
struct Call {
    ControlPlane& control;
    const HttpRequest& request;
    JsonValue body;              // if the row has one
    RouteLines* lines = nullptr; // or its lines
    CallQuery query;

    EdgeId edge;
    PortId port;
    ChannelId channel;
    AttachmentId attachment; // none: `name` is free, and the row creates it
    std::string name;
    IpPrefix prefix;
    IpAddr address;
    macsec::Sci sci;
    uint8_t an = 0;
    bool creates = false;   // the last name of the path may be free
    bool unchanged = false; // set by a handler that had nothing to do
    Touched touched = {};
    const AuditLog* audit = nullptr;

    [[nodiscard]] const Model& model() const { return control.model(); }
    [[nodiscard]] const Config& config() const { return control.model().config; }
    [[nodiscard]] const Attachment& attached() const { return model().attachments.at(attachment); }
};

using Reply = Result<HttpResponse>;
using CallHandler = Reply (*)(Call&);

// 204 if the change was made.
[[nodiscard]] inline Reply done(const Result<void>& changed) {
    if (!changed)
        return changed.error();
    return HttpResponse{204};
}

// api_read.cpp: what concerns the whole process or edge.
Reply get_status(Call& call);
Reply get_edges(Call& call);
Reply get_counters(Call& call);
Reply get_drops(Call& call);
Reply get_runtime(Call& call);
Reply get_sizes(Call& call);
Reply get_capacity(Call& call);
Reply get_interconnects(Call& call);
Reply get_openapi(Call& call);

// api_events.cpp
Reply get_events(Call& call);
Reply get_watch(Call& call);

// api_usage.cpp
Reply get_usage(Call& call);

// api_channels.cpp: ports, channels and their keys.
Reply get_ports(Call& call);
Reply get_port(Call& call);
Reply patch_port(Call& call);
Reply get_port_statistics(Call& call);
Reply put_traffic(Call& call);
Reply get_traffic(Call& call);
Reply get_channels(Call& call);
Reply get_channel(Call& call);
Reply patch_channel(Call& call);
Reply post_tx_sa(Call& call);
Reply patch_tx_sas(Call& call);
Reply delete_tx_sa(Call& call);
Reply post_rx_sc(Call& call);
Reply delete_rx_sc(Call& call);
Reply post_rx_sa(Call& call);
Reply patch_rx_sa(Call& call);
Reply delete_rx_sa(Call& call);

// api_attachments.cpp
Reply get_attachments(Call& call);
Reply post_attachment(Call& call);
Reply get_attachment(Call& call);
Reply put_attachment(Call& call);
Reply delete_attachment(Call& call);
Reply put_feature(Call& call);
Reply delete_feature(Call& call);
Reply patch_limits(Call& call);
Reply get_neighbours(Call& call);
Reply put_neighbour(Call& call);
Reply delete_neighbour(Call& call);

// api_routes.cpp
Reply get_routes(Call& call);
Reply post_route(Call& call);
Reply put_route(Call& call);
Reply delete_route(Call& call);
Reply patch_routes(Call& call);

// api_document.cpp
Reply post_apply(Call& call);
Reply get_export(Call& call);

} // namespace isthmus::control
