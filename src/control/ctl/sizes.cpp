#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"

#include <cstdio>

namespace isthmus::ctl {
namespace {

void print_ports(const JsonArray& ports) {
    Table table({"PORT", "CHANNEL", ">MTU", ">+VLAN TAG", ">+SECTAG", ">+ICV", ">=PAYLOAD",
                 ">+ETHERNET", ">=FRAME"});
    for (const auto& it : ports)
        table.add({cell(it, "name"), cell(it, "channel"), cell(it, "mtu"), cell(it, "vlan_tag"),
                   cell(it, "sectag"), cell(it, "icv"), cell(it, "l2_payload"),
                   cell(it, "ethernet"), cell(it, "max_frame")});
    table.print("no ports");
}

std::string feature_mtus(const JsonValue& attachment) {
    std::string text;
    for (const auto& it : elements(attachment, "features"))
        text.append(text.empty() ? "" : ",")
            .append(cell(it, "channel"))
            .append(":")
            .append(cell(it, "mtu"));
    return text.empty() ? "-" : text;
}

// "auto:1360", a number, or "off".
std::string clamp_text(const JsonValue& attachment, std::string_view family) {
    const std::string clamp = cell(attachment, "mss_clamp");
    return clamp == "auto" ? clamp + ":" + cell(attachment, family) : clamp;
}

void print_attachments(const JsonArray& attachments) {
    Table table({"ATTACHMENT", "PORT", ">MTU", "FEATURES", "DIRECTION", ">EFFECTIVE MTU",
                 ">MSS IPV4", ">MSS IPV6", ">CLAMP IPV4", ">CLAMP IPV6"});
    for (const auto& it : attachments)
        for (const char* direction : {"egress", "ingress"}) {
            const JsonValue* way = it.find(direction);
            const auto of_way = [way](std::string_view member) {
                return way == nullptr || way->is_null() ? std::string("-") : cell(*way, member);
            };
            table.add({cell(it, "name"), cell(it, "port"), cell(it, "mtu"), feature_mtus(it),
                       direction, of_way("mtu"), of_way("mss_ipv4"), of_way("mss_ipv6"),
                       clamp_text(it, "clamp_ipv4"), clamp_text(it, "clamp_ipv6")});
        }
    table.print("no attachments");
}

} // namespace

Outcome show_mtu(Context& context) {
    return context.show(context.edge_path({"mtu"}), [](const JsonValue& reply) {
        print_ports(elements(reply, "ports"));
        std::puts("");
        print_attachments(elements(reply, "attachments"));
    });
}

} // namespace isthmus::ctl
