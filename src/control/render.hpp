#pragma once
// What the API tells, as JSON: the resources of the model under the field names of their bodies,
// and the counters. Names of counters are those of the structs. Control thread.

#include "control/control_plane.hpp"
#include "control/json_writer.hpp"

namespace isthmus::control {

void write_edge(JsonWriter& json, const EdgeConfig& edge);
void write_interconnect(JsonWriter& json, const Config& config, InterconnectId interconnect);
void write_port(JsonWriter& json, const Config& config, const PortInfo& port);
void write_channel(JsonWriter& json, const Config& config, const ChannelInfo& channel);
// Without routes and counters, as an open object: the caller may add members and ends it.
void begin_attachment(JsonWriter& json, const Config& config, const Attachment& attachment);
// The members of an open object that an attachment's body may have, but for routes.
void write_parameters(JsonWriter& json, const Config& config, const Attachment& attachment);
void write_limits(JsonWriter& json, const Attachment& attachment);
void write_mss_clamp(JsonWriter& json, const MssClamp& clamp); // the member "mss_clamp"
void write_route(JsonWriter& json, const IpPrefix& prefix, const Route& route);
void write_routes(JsonWriter& json, const Attachment& attachment); // a list
void write_neighbour(JsonWriter& json, const Model& model, const Neighbour& neighbour,
                     uint64_t now_ns);
void write_traffic(JsonWriter& json, const PortConfig& port, const sim::TrafficReport& report);

[[nodiscard]] std::string_view admin_state_name(AdminState state);
// What capacity_of says of an edge's interconnects.
void write_capacity(JsonWriter& json, const Model& model, EdgeId edge);

// What port_sizes and attachment_sizes say of an edge's ports and attachments.
void write_sizes(JsonWriter& json, const Model& model, EdgeId edge);

void write_status(JsonWriter& json, const Config& config, const Status& status);
void write_accounting(JsonWriter& json, const Config& config, const EdgeAccounting& accounting);
// The members "egress" and "ingress" of an open object.
void write_directions(JsonWriter& json, const AttachmentCounters& counters);

} // namespace isthmus::control
