// Secure associations: installing, using and retiring them.

#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"

#include <algorithm>

namespace isthmus::ctl {
namespace {

using control::JsonWriter;

// Written by hand, so that the SAK is in no memory but what is wiped.
Result<WipedString> sa_body(const SaArguments& arguments, std::string_view pn_name) {
    const auto sak = read_key_file(arguments.key_file);
    if (!sak)
        return sak;
    JsonWriter rest; // all members but the SAK: an object, whose first brace is left out
    rest.begin_object().member("an", arguments.an.value_or(0));
    if (arguments.pn)
        rest.member(pn_name, *arguments.pn);
    if (!arguments.salt.empty())
        rest.member("salt", arguments.salt);
    if (arguments.ssci)
        rest.member("ssci", *arguments.ssci);
    if (arguments.disabled)
        rest.member("in_use", false);
    const std::string tail = rest.end_object().take().substr(1);
    WipedString body;
    body.reserve(sak->size() + tail.size() + 16);
    body += "{\"sak\":\"";
    body += *sak;
    body += "\",";
    body += tail.c_str();
    return body;
}

// SCIs are shown in lower case.
bool same_sci(std::string_view a, std::string_view b) {
    return std::ranges::equal(
        a, b, [](char x, char y) { return control::hex_digit(x) == control::hex_digit(y); });
}

uint64_t count(const JsonValue& sa, std::string_view member) {
    const JsonValue* value = sa.find(member);
    const auto* number = value ? value->as<uint64_t>() : nullptr;
    return number ? *number : 0;
}

std::string tx_state(const JsonValue& sa) {
    if (cell(sa, "exhausted") == "yes")
        return "exhausted";
    if (cell(sa, "pending_exhaustion") == "yes")
        return "pending";
    return cell(sa, "encoding") == "yes" ? "encoding" : "ready";
}

} // namespace

void print_sas(const JsonValue& channel) {
    Table table({"DIRECTION", "SCI", ">AN", "STATE", ">NEXT PN", ">LOWEST PN", ">PACKETS", ">SSCI",
                 "FINGERPRINT"});
    for (const auto& sc : elements(channel, "tx_scs"))
        for (const auto& sa : elements(channel, "tx_sas"))
            table.add(
                {"transmit", cell(sc, "sci"), cell(sa, "an"), tx_state(sa), cell(sa, "next_pn"),
                 "-",
                 std::to_string(count(sa, "out_pkts_protected") + count(sa, "out_pkts_encrypted")),
                 cell(sa, "ssci"), cell(sa, "fingerprint")});
    for (const auto& sc : elements(channel, "rx_scs")) {
        if (elements(sc, "sas").empty())
            table.add({"receive", cell(sc, "sci"), "-", "-", "-", "-", "-", "-", "no SA"});
        for (const auto& sa : elements(sc, "sas"))
            table.add({"receive", cell(sc, "sci"), cell(sa, "an"),
                       cell(sa, "in_use") == "yes" ? "in use" : "disabled", cell(sa, "next_pn"),
                       cell(sa, "lowest_pn"), cell(sa, "in_pkts_ok"), cell(sa, "ssci"),
                       cell(sa, "fingerprint")});
    }
    table.print("no SAs");
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

Outcome set_rx_sa(Context& context, const SaArguments& arguments, bool in_use) {
    const auto path = context.edge_path({"channels", arguments.channel, "rx-scs", arguments.sci,
                                         "sas", std::to_string(arguments.an.value_or(0))});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("in_use", in_use).end_object();
    return context.change("PATCH", *path, json.take());
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

} // namespace isthmus::ctl
