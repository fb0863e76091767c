#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"

#include <charconv>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::JsonWriter;

constexpr std::size_t kMaxAttachmentFile = std::size_t{64} << 20;

// A limit as a member; "none" takes it away.
Outcome write_limit(JsonWriter& json, const std::string& direction, const std::string& rate,
                    const LimitArguments& limits) {
    json.key(direction);
    if (rate == "none") {
        json.null();
        return {};
    }
    const auto bps = parse_rate(rate, direction);
    if (!bps)
        return bps.error();
    json.begin_object().member("rate_bps", *bps);
    if (limits.burst_us)
        json.member("burst_us", *limits.burst_us);
    if (!limits.peak.empty()) {
        const auto peak = parse_rate(limits.peak, "peak");
        if (!peak)
            return peak.error();
        json.member("peak_bps", *peak);
    }
    if (limits.excess_dscp)
        json.member("excess_dscp", *limits.excess_dscp);
    json.end_object();
    return {};
}

Outcome write_limits(JsonWriter& json, const LimitArguments& limits) {
    json.begin_object();
    if (!limits.egress.empty())
        if (auto written = write_limit(json, "egress", limits.egress, limits); !written)
            return written;
    if (!limits.ingress.empty())
        if (auto written = write_limit(json, "ingress", limits.ingress, limits); !written)
            return written;
    json.end_object();
    return {};
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
    json.key(name).begin_array();
    for (const auto& text : texts)
        json.value(text);
    json.end_array();
}

const JsonValue* find_limit(const JsonValue& attachment, std::string_view direction) {
    const JsonValue* limits = attachment.find("limits");
    return limits ? limits->find(direction) : nullptr;
}

// `field` of a limit, "none" if there is none.
std::string rate_cell(const JsonValue& attachment, std::string_view direction,
                      std::string_view field) {
    const JsonValue* limit = find_limit(attachment, direction);
    const JsonValue* rate = limit ? limit->find(field) : nullptr;
    const auto* bps = rate ? rate->as<uint64_t>() : nullptr;
    return bps ? rate_text(*bps) : "none";
}

std::string limit_text(const JsonValue& attachment, std::string_view direction) {
    return rate_cell(attachment, direction, "rate_bps");
}

std::string limit_cell(const JsonValue& attachment, std::string_view direction,
                       std::string_view field) {
    const JsonValue* limit = find_limit(attachment, direction);
    return limit ? cell(*limit, field) : "-";
}

// A number goes as one, so that the daemon says what is wrong with it; anything else as a text.
void write_mss_clamp(JsonWriter& json, const std::string& text) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    json.key("mss_clamp");
    if (error == std::errc{} && end == text.data() + text.size())
        json.value(number);
    else
        json.value(text);
}

void add_attachment_row(Table& table, const JsonValue& it) {
    table.add({cell(it, "name"), cell(it, "interconnect"), cell(it, "port"), cell(it, "vlan"),
               cell(it, "mtu"), list_cell(it, "addresses"), limit_text(it, "egress"),
               limit_text(it, "ingress"), cell(it, "route_count")});
}

Table attachment_table() {
    return Table({"ATTACHMENT", "INTERCONNECT", "PORT", ">VLAN", ">MTU", "ADDRESSES",
                  ">EGRESS LIMIT", ">INGRESS LIMIT", ">ROUTES"});
}

void print_attachment(const JsonValue& attachment) {
    Table summary = attachment_table();
    add_attachment_row(summary, attachment);
    summary.print("");
    std::puts("");
    Table features({"CHANNEL", ">VLAN", ">MTU", "ADDRESSES", "PEER IPV4", "PEER IPV6"});
    if (const JsonValue* all = attachment.find("features"))
        if (const auto* members = all->as<JsonObject>())
            for (const auto& [channel, it] : *members)
                features.add({channel, cell(it, "vlan"), cell(it, "mtu"),
                              list_cell(it, "addresses"), cell(it, "peer_ipv4"),
                              cell(it, "peer_ipv6")});
    features.print("no features");
    std::puts("");
    Table counters({"DIRECTION", ">RX PACKETS", ">RX BYTES", ">TX PACKETS", ">TX BYTES",
                    ">OVER LIMIT", ">BYTES OVER LIMIT"});
    const JsonValue* all = attachment.find("counters");
    for (const char* direction : {"egress", "ingress"})
        if (const JsonValue* it = all ? all->find(direction) : nullptr)
            counters.add({direction, cell(*it, "rx_packets"), cell(*it, "rx_bytes"),
                          cell(*it, "tx_packets"), cell(*it, "tx_bytes"),
                          cell(*it, "meter_drop_packets"), cell(*it, "meter_drop_bytes")});
    counters.print("no counters");
}

// The family of an address follows from its form; the daemon checks the rest.
Outcome write_peers(JsonWriter& json, const std::vector<std::string>& peers) {
    bool seen[2] = {false, false};
    for (const auto& peer : peers) {
        const bool v6 = peer.find(':') != std::string::npos;
        if (seen[v6])
            return invalid_value("--peer", peer, "one peer of each family");
        seen[v6] = true;
        json.member(v6 ? "peer_ipv6" : "peer_ipv4", peer);
    }
    return {};
}

} // namespace

Outcome add_attachment(Context& context, const AttachmentArguments& arguments) {
    const auto path = context.edge_path({"attachments"});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("name", arguments.name).member("port", arguments.port);
    if (!arguments.interconnect.empty())
        json.member("interconnect", arguments.interconnect);
    if (arguments.vlan)
        json.member("vlan", *arguments.vlan);
    if (arguments.mtu)
        json.member("mtu", *arguments.mtu);
    if (!arguments.mss_clamp.empty())
        write_mss_clamp(json, arguments.mss_clamp);
    write_texts(json, "addresses", arguments.addresses);
    json.key("limits");
    LimitArguments limits;
    limits.egress = arguments.egress_limit;
    limits.ingress = arguments.ingress_limit;
    if (auto written = write_limits(json, limits); !written)
        return written;
    json.end_object();
    return context.change("POST", *path, json.take());
}

Outcome put_attachment(Context& context, const std::string& name, const std::string& file) {
    const auto body = read_file(file, kMaxAttachmentFile);
    if (!body)
        return body.error();
    const auto path = context.edge_path({"attachments", name});
    if (!path)
        return path.error();
    return context.change("PUT", *path, *body);
}

Outcome show_attachments(Context& context, const ListArguments& list) {
    return context.show_list(context.edge_path({"attachments"}), "attachments", list,
                             [](const JsonArray& all) {
                                 Table table = attachment_table();
                                 for (const auto& it : all)
                                     add_attachment_row(table, it);
                                 table.print("no attachments");
                             });
}

Outcome show_attachment(Context& context, const std::string& name) {
    return context.show(context.edge_path({"attachments", name}), print_attachment);
}

Outcome delete_attachment(Context& context, const std::string& name) {
    const auto path = context.edge_path({"attachments", name});
    return path ? context.change("DELETE", *path) : path.error();
}

Outcome set_feature(Context& context, const FeatureArguments& arguments) {
    const auto path =
        context.edge_path({"attachments", arguments.attachment, "features", arguments.channel});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("vlan", arguments.vlan);
    write_texts(json, "addresses", arguments.addresses);
    if (auto written = write_peers(json, arguments.peers); !written)
        return written;
    if (arguments.mtu)
        json.member("mtu", *arguments.mtu);
    json.end_object();
    return context.change("PUT", *path, json.take());
}

Outcome delete_feature(Context& context, const std::string& attachment,
                       const std::string& channel) {
    const auto path = context.edge_path({"attachments", attachment, "features", channel});
    return path ? context.change("DELETE", *path) : path.error();
}

Outcome set_limits(Context& context, const LimitArguments& arguments) {
    if (arguments.egress.empty() && arguments.ingress.empty())
        return Error{ErrorCode::invalid, "nothing to set: give --egress, --ingress or both"};
    const auto path = context.edge_path({"attachments", arguments.attachment, "limits"});
    if (!path)
        return path.error();
    JsonWriter json;
    if (auto written = write_limits(json, arguments); !written)
        return written;
    return context.change("PATCH", *path, json.take());
}

Outcome show_limits(Context& context, const std::string& attachment) {
    return context.show(context.edge_path({"attachments", attachment}), [](const JsonValue& reply) {
        Table table({"DIRECTION", ">LIMIT", ">BURST US", ">PEAK", ">EXCESS DSCP"});
        for (const char* direction : {"egress", "ingress"})
            table.add({direction, limit_text(reply, direction),
                       limit_cell(reply, direction, "burst_us"),
                       rate_cell(reply, direction, "peak_bps"),
                       limit_cell(reply, direction, "excess_dscp")});
        table.print("");
    });
}

} // namespace isthmus::ctl
