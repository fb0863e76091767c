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

// Written by hand, so that the SAK is in no memory but what is wiped.
Result<WipedString> sa_body(const SaArguments& arguments, std::string_view pn_name) {
    const auto sak = read_key_file(arguments.key_file);
    if (!sak)
        return sak;
    const std::string tail =
        arguments.pn ? ",\"" + std::string(pn_name) + "\":" + std::to_string(*arguments.pn) : "";
    WipedString body;
    body.reserve(sak->size() + tail.size() + 32);
    body += "{\"an\":";
    body += std::to_string(arguments.an.value_or(0)).c_str();
    body += ",\"sak\":\"";
    body += *sak;
    body += "\"";
    body += tail.c_str();
    body += "}";
    return body;
}

// SCIs are shown in lower case.
bool same_sci(std::string_view a, std::string_view b) {
    return std::ranges::equal(
        a, b, [](char x, char y) { return control::hex_digit(x) == control::hex_digit(y); });
}

void print_sas(const JsonValue& channel) {
    Table table({"DIRECTION", "SCI", ">AN", "ENCODING", ">NEXT PN", ">LOWEST PN", ">PACKETS",
                 "FINGERPRINT"});
    for (const auto& sc : elements(channel, "tx_scs"))
        for (const auto& sa : elements(channel, "tx_sas"))
            table.add({"transmit", cell(sc, "sci"), cell(sa, "an"), cell(sa, "encoding"),
                       cell(sa, "next_pn"), "-", cell(sa, "packets"), cell(sa, "fingerprint")});
    for (const auto& sc : elements(channel, "rx_scs")) {
        if (elements(sc, "sas").empty())
            table.add({"receive", cell(sc, "sci"), "-", "-", "-", "-", "-", "no SA"});
        for (const auto& sa : elements(sc, "sas"))
            table.add({"receive", cell(sc, "sci"), cell(sa, "an"), "-", "-", cell(sa, "lowest_pn"),
                       cell(sa, "packets"), cell(sa, "fingerprint")});
    }
    table.print("no SAs");
}

void print_channel(const JsonValue& channel) {
    for (const char* name :
         {"name", "edge", "interconnect", "port", "cipher_suite", "protect", "replay_protect",
          "replay_window", "admin_state", "link_up", "usable", "reason", "in_pkts_no_tag",
          "in_pkts_bad_tag", "in_pkts_no_sci", "in_pkts_untagged", "out_pkts_untagged"})
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

Outcome add_tx_sa(Context& context, const SaArguments& arguments) {
    const auto body = sa_body(arguments, "next_pn");
    if (!body)
        return body.error();
    const auto path = context.edge_path({"channels", arguments.channel, "tx-sas"});
    return path ? context.change("POST", *path, *body) : path.error();
}

Outcome encode_with(Context& context, const SaArguments& arguments) {
    const auto path = context.edge_path({"channels", arguments.channel, "tx-sas"});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("encoding_an", arguments.an.value_or(0)).end_object();
    return context.change("PATCH", *path, json.take());
}

Outcome delete_tx_sa(Context& context, const SaArguments& arguments) {
    const auto path = context.edge_path(
        {"channels", arguments.channel, "tx-sas", std::to_string(arguments.an.value_or(0))});
    return path ? context.change("DELETE", *path) : path.error();
}

Outcome add_rx_sa(Context& context, const SaArguments& arguments) {
    const auto body = sa_body(arguments, "lowest_pn");
    if (!body)
        return body.error();
    const auto channel = context.edge_path({"channels", arguments.channel});
    if (!channel)
        return channel.error();
    const auto now = context.client.get(*channel);
    if (!now)
        return now.error();
    const auto& scs = elements(*now, "rx_scs");
    const bool known = std::ranges::any_of(
        scs, [&](const JsonValue& sc) { return same_sci(cell(sc, "sci"), arguments.sci); });
    if (!known) {
        JsonWriter json;
        json.begin_object().member("sci", arguments.sci).end_object();
        if (const auto made = context.client.call("POST", *channel + "/rx-scs", json.take()); !made)
            return made.error();
    }
    const std::string sc = *channel + "/rx-scs/" + control::percent_encode(arguments.sci);
    auto added = context.change("POST", sc + "/sas", *body);
    // What this command made goes with it; whether that fails is not what the operator asked.
    if (!added && !known)
        static_cast<void>(context.client.call("DELETE", sc).has_value());
    return added;
}

Outcome delete_rx_sa(Context& context, const SaArguments& arguments) {
    const auto sc = context.edge_path({"channels", arguments.channel, "rx-scs", arguments.sci});
    if (!sc)
        return sc.error();
    return context.change("DELETE",
                          arguments.an ? *sc + "/sas/" + std::to_string(*arguments.an) : *sc);
}

Outcome show_sas(Context& context, const std::string& channel) {
    return context.show(context.edge_path({"channels", channel}), print_sas);
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
