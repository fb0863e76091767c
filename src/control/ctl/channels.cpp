#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::JsonWriter;

constexpr std::size_t kMaxTrafficFile = std::size_t{1} << 20;

Outcome patch_state(Context& context, const Result<std::string>& path, const std::string& state) {
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("admin_state", state).end_object();
    return context.change("PATCH", *path, json.take());
}

void print_channel(const JsonValue& channel) {
    for (const char* name :
         {"name", "edge", "interconnect", "port", "cipher_suite", "protect_frames",
          "validate_frames", "encrypt", "replay_protect", "replay_window", "admin_state", "link_up",
          "usable", "reason", "in_pkts_no_tag", "in_pkts_bad_tag", "in_pkts_no_sci",
          "in_pkts_untagged", "out_pkts_untagged"})
        std::printf("%-20s %s\n", name, cell(channel, name).c_str());
    std::puts("");
    Table table(
        {"SCI", "DIRECTION", ">OK", ">OCTETS", ">DELAYED", ">LATE", ">NOT VALID", ">NOT USING SA"});
    for (const auto& sc : elements(channel, "tx_scs"))
        table.add({cell(sc, "sci"), "transmit", cell(sc, "out_pkts_encrypted"),
                   cell(sc, "out_octets_encrypted"), "-", "-", "-", "-"});
    for (const auto& sc : elements(channel, "rx_scs"))
        table.add({cell(sc, "sci"), "receive", cell(sc, "in_pkts_ok"),
                   cell(sc, "in_octets_decrypted"), cell(sc, "in_pkts_delayed"),
                   cell(sc, "in_pkts_late"), cell(sc, "in_pkts_not_valid"),
                   cell(sc, "in_pkts_not_using_sa")});
    table.print("no SCs");
    std::puts("");
    print_sas(channel);
}

void print_traffic(const JsonValue& report) {
    for (const char* name : {"port", "sent_packets", "sent_bytes", "received_packets",
                             "received_bytes", "foreign_packets", "corrupt_packets",
                             "reordered_packets", "other_packets", "arp_replies", "nd_replies"})
        std::printf("%-20s %s\n", name, cell(report, name).c_str());
    std::puts("");
    Table table({"SOURCE", "DESTINATION", ">RATE", ">FLOWS", "SIZES"});
    if (const JsonValue* spec = report.find("spec"))
        for (const auto& stream : elements(*spec, "streams")) {
            std::string sizes;
            for (const auto& size : elements(stream, "sizes"))
                sizes.append(sizes.empty() ? "" : ",")
                    .append(cell(size, "ip_bytes"))
                    .append("*")
                    .append(cell(size, "weight"));
            const JsonValue* rate = stream.find("rate_bps");
            const auto* bps = rate ? rate->as<uint64_t>() : nullptr;
            table.add({cell(stream, "source"), cell(stream, "destination"),
                       bps && *bps != 0 ? rate_text(*bps) : "unpaced", cell(stream, "flows"),
                       sizes});
        }
    table.print("no streams");
}

} // namespace

Outcome show_channel(Context& context, const std::string& channel) {
    return context.show(context.edge_path({"channels", channel}), print_channel);
}

Outcome set_channel(Context& context, const std::string& channel, const std::string& state) {
    return patch_state(context, context.edge_path({"channels", channel}), state);
}

Outcome set_port(Context& context, const std::string& port, const std::string& state) {
    return patch_state(context, context.edge_path({"ports", port}), state);
}

Outcome show_port(Context& context, const std::string& port) {
    return context.show(context.edge_path({"ports", port}), [](const JsonValue& reply) {
        if (const auto* members = reply.as<JsonObject>())
            for (const auto& [name, value] : *members)
                std::printf("%-20s %s\n", name.c_str(), cell(&value).c_str());
    });
}

Outcome add_neighbour(Context& context, const NeighbourArguments& arguments) {
    const auto path =
        context.edge_path({"attachments", arguments.attachment, "neighbours", arguments.address});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("mac", arguments.mac);
    if (!arguments.channel.empty())
        json.member("channel", arguments.channel);
    json.end_object();
    return context.change("PUT", *path, json.take());
}

Outcome delete_neighbour(Context& context, const NeighbourArguments& arguments) {
    const auto path =
        context.edge_path({"attachments", arguments.attachment, "neighbours", arguments.address});
    if (!path)
        return path.error();
    const std::string query =
        arguments.channel.empty() ? "" : "?channel=" + control::percent_encode(arguments.channel);
    return context.change("DELETE", *path + query);
}

Outcome set_traffic(Context& context, const std::string& port, const std::string& file) {
    const auto body = read_file(file, kMaxTrafficFile);
    if (!body)
        return body.error();
    const auto path = context.edge_path({"ports", port, "traffic"});
    return path ? context.change("PUT", *path, *body) : path.error();
}

Outcome show_traffic(Context& context, const std::string& port) {
    return context.show(context.edge_path({"ports", port, "traffic"}), print_traffic);
}

} // namespace isthmus::ctl
