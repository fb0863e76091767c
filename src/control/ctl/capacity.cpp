#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"

#include <cstdio>
#include <string>

namespace isthmus::ctl {
namespace {

// Capacity may be negative, a word of OtherNumber to the JSON reader.
std::string rate_cell(const JsonValue& object, std::string_view member) {
    const JsonValue* value = object.find(member);
    const auto* bps = value != nullptr ? value->as<uint64_t>() : nullptr;
    if (bps != nullptr)
        return rate_text(*bps);
    const std::string text = cell(object, member);
    uint64_t below = 0;
    for (std::size_t i = 1; i < text.size() && text[0] == '-'; ++i)
        below = below * 10 + static_cast<uint64_t>(text[i] - '0');
    return below == 0 ? text : std::string("-").append(rate_text(below));
}

void print_interconnects(const JsonArray& interconnects) {
    Table table({"INTERCONNECT", "SELL", "DIRECTION", ">STAGED", ">SELLABLE", ">SOLD", ">FREE",
                 ">N-1 HEADROOM", ">ATTACHMENTS", ">UNLIMITED"});
    for (const auto& it : interconnects)
        for (const char* direction : {"egress", "ingress"}) {
            const JsonValue* way = it.find(direction);
            if (way == nullptr)
                continue;
            table.add({cell(it, "name"), cell(it, "sell"), direction, rate_cell(it, "staged_bps"),
                       rate_cell(it, "sellable_bps"), rate_cell(*way, "sold_bps"),
                       rate_cell(*way, "free_bps"), rate_cell(*way, "headroom_n1_bps"),
                       cell(it, "attachments"), cell(*way, "unlimited_attachments")});
        }
    table.print("no interconnects");
}

std::string share_text(const JsonValue& channel) {
    const JsonValue* share = channel.find("share_permille");
    const auto* permille = share != nullptr ? share->as<uint64_t>() : nullptr;
    if (permille == nullptr)
        return "-";
    return std::to_string(*permille / 10) + "." + std::to_string(*permille % 10) + " %";
}

void print_channels(const JsonArray& interconnects) {
    Table table({"INTERCONNECT", "CHANNEL", ">CAPACITY", ">SHARE", "ADMIN"});
    for (const auto& it : interconnects)
        for (const auto& channel : elements(it, "channels"))
            table.add({cell(it, "name"), cell(channel, "name"), rate_cell(channel, "capacity_bps"),
                       share_text(channel), cell(channel, "admin_state")});
    table.print("no channels");
}

} // namespace

Outcome show_capacity(Context& context) {
    return context.show(context.edge_path({"capacity"}), [](const JsonValue& reply) {
        print_interconnects(elements(reply, "interconnects"));
        std::puts("");
        print_channels(elements(reply, "interconnects"));
    });
}

} // namespace isthmus::ctl
