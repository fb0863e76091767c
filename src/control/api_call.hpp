#pragma once
// One API request on its way from the table of rows (api.cpp) to its handler (api_*.cpp).

#include "control/body.hpp"
#include "control/control_plane.hpp"
#include "control/http_message.hpp"
#include "control/json_writer.hpp"

#include <string>

namespace isthmus::control {

// What the path names, resolved before the handler is called: a row's handler may rely on every
// member that a placeholder of its path stands for. Ids are of things that exist.
struct Call {
    ControlPlane& control;
    const HttpRequest& request;
    JsonValue body; // if the row has one

    EdgeId edge;
    PortId port;
    ChannelId channel;
    AttachmentId attachment;
    IpPrefix prefix;
    IpAddr address;
    macsec::Sci sci;
    uint8_t an = 0;

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
Reply get_neighbours(Call& call);

// api_channels.cpp: ports, channels and their keys.
Reply get_ports(Call& call);
Reply patch_port(Call& call);
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
Reply get_routes(Call& call);
Reply post_route(Call& call);
Reply put_route(Call& call);
Reply delete_route(Call& call);
Reply patch_routes(Call& call);
Reply patch_limits(Call& call);
Reply put_neighbour(Call& call);
Reply delete_neighbour(Call& call);

} // namespace isthmus::control
