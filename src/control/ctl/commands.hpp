#pragma once
// The commands of isthmusctl, after their arguments are read. Each prints its output and returns
// why it failed, if it did.

#include "control/ctl/client.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isthmus::ctl {

using Outcome = Result<void>;

// show.cpp
Outcome show_status(Context& context);
Outcome show_edges(Context& context);
Outcome show_counters(Context& context);
Outcome show_drops(Context& context, bool nonzero);
Outcome show_runtime(Context& context);
Outcome show_api(Context& context);
Outcome show_neighbours(Context& context, const ListArguments& list);
Outcome show_interconnects(Context& context, const ListArguments& list);
Outcome show_channels(Context& context, const ListArguments& list);
Outcome show_ports(Context& context, const ListArguments& list);
Outcome show_xstats(Context& context, const std::string& port);

// sizes.cpp
Outcome show_mtu(Context& context);

// capacity.cpp
Outcome show_capacity(Context& context);

// events.cpp
Outcome show_events(Context& context, bool follow);

// usage.cpp
struct UsageArguments {
    std::string from, to, attachment; // empty: all
    std::string format;               // csv, json or table
    bool closed = false;              // only records that do not change any more
};
Outcome show_usage(Context& context, const UsageArguments& arguments);

// attachments.cpp
struct AttachmentArguments {
    std::string name, port, interconnect;
    std::optional<uint32_t> vlan, mtu;
    std::vector<std::string> addresses;
    std::string mss_clamp;                   // off, auto or a number; empty: off
    std::string egress_limit, ingress_limit; // rates; empty: none
};
Outcome add_attachment(Context& context, const AttachmentArguments& arguments);
Outcome put_attachment(Context& context, const std::string& name, const std::string& file);
Outcome show_attachments(Context& context, const ListArguments& list);
Outcome show_attachment(Context& context, const std::string& name);
Outcome delete_attachment(Context& context, const std::string& name);

struct FeatureArguments {
    std::string attachment, channel;
    uint32_t vlan = 0;
    std::optional<uint32_t> mtu;
    std::vector<std::string> addresses, peers;
};
Outcome set_feature(Context& context, const FeatureArguments& arguments);
Outcome delete_feature(Context& context, const std::string& attachment, const std::string& channel);

struct LimitArguments {
    std::string attachment;
    std::string egress, ingress; // a rate or "none"; empty: leave
    std::optional<uint32_t> burst_us;
    std::string peak; // empty: one rate
    std::optional<uint32_t> excess_dscp;
};
Outcome set_limits(Context& context, const LimitArguments& arguments);
Outcome show_limits(Context& context, const std::string& attachment);

// routes.cpp. `via` is "channels", "blackhole" or the address of a next hop in the VPC.
Outcome add_route(Context& context, const std::string& attachment, const std::string& prefix,
                  const std::string& via);
Outcome set_route(Context& context, const std::string& attachment, const std::string& prefix,
                  const std::string& via);
Outcome delete_route(Context& context, const std::string& attachment, const std::string& prefix);
Outcome show_routes(Context& context, const std::string& attachment, const ListArguments& list);
Outcome load_routes(Context& context, const std::string& attachment, const std::string& file);

// The routes of a text, one a line, as a JSON list; `file` is for errors.
[[nodiscard]] Result<std::string> route_list(std::string_view text, const std::string& file);

// channels.cpp
Outcome show_channel(Context& context, const std::string& channel);
Outcome set_channel(Context& context, const std::string& channel, const std::string& state);
Outcome show_port(Context& context, const std::string& port);
Outcome set_port(Context& context, const std::string& port, const std::string& state);

// macsec.cpp
Outcome show_macsec(Context& context, const std::string& channel); // empty: all of the edge

// keys.cpp
struct SaArguments {
    std::string channel, sci, key_file;
    std::optional<uint32_t> an;
    std::optional<uint64_t> pn;
    std::string salt; // empty: none
    std::optional<uint32_t> ssci;
    bool disabled = false; // receive: not in use yet
};
Outcome add_tx_sa(Context& context, const SaArguments& arguments);
Outcome encode_with(Context& context, const SaArguments& arguments);
Outcome delete_tx_sa(Context& context, const SaArguments& arguments);
Outcome add_rx_sa(Context& context, const SaArguments& arguments);
Outcome set_rx_sa(Context& context, const SaArguments& arguments, bool in_use);
Outcome delete_rx_sa(Context& context, const SaArguments& arguments); // no AN: the whole SC
Outcome show_sas(Context& context, const std::string& channel);
void print_sas(const JsonValue& channel);

// channels.cpp
struct NeighbourArguments {
    std::string attachment, address, mac, channel;
};
Outcome add_neighbour(Context& context, const NeighbourArguments& arguments);
Outcome delete_neighbour(Context& context, const NeighbourArguments& arguments);

Outcome set_traffic(Context& context, const std::string& port, const std::string& file);
Outcome show_traffic(Context& context, const std::string& port);

// plan.cpp, export.cpp, validate.cpp
struct DocumentArguments {
    std::string file;
    std::string expect;          // fingerprint of the plan; empty: any
    std::string config;          // of the daemon that is not asked; empty: what the document names
    std::string routes_dir;      // where routes are exported to; empty: into the document
    bool allow_removals = false; // of attachments and receive SCs
};
Outcome plan_document(Context& context, const DocumentArguments& arguments);
Outcome apply_document(Context& context, const DocumentArguments& arguments);
Outcome export_running(Context& context, const DocumentArguments& arguments);
Outcome validate_document(Context& context, const DocumentArguments& arguments);

} // namespace isthmus::ctl
