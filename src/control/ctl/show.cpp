#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"

#include <cinttypes>
#include <cstdio>
#include <map>

namespace isthmus::ctl {
namespace {

// One member by another, with one decimal; "-" if there is nothing to divide by.
std::string ratio(const JsonValue& item, std::string_view dividend, std::string_view divisor) {
    const auto number = [&](std::string_view name) {
        const JsonValue* found = item.find(name);
        const auto* value = found ? found->as<uint64_t>() : nullptr;
        return value ? static_cast<double>(*value) : 0.0;
    };
    if (number(divisor) == 0)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", number(dividend) / number(divisor));
    return text;
}

std::string microseconds(const JsonValue& item, std::string_view name) {
    const JsonValue* value = item.find(name);
    const auto* ns = value ? value->as<uint64_t>() : nullptr;
    if (!ns)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", static_cast<double>(*ns) / 1e3);
    return text;
}

void print_line(const char* name, const std::string& value) {
    std::printf("%-20s %s\n", name, value.c_str());
}

std::string uptime_text(const JsonValue& status) {
    const JsonValue* found = status.find("uptime_ns");
    const auto* uptime_ns = found ? found->as<uint64_t>() : nullptr;
    const uint64_t seconds = uptime_ns ? *uptime_ns / 1'000'000'000 : 0;
    char text[64];
    std::snprintf(text, sizeof text, "%llu:%02u:%02u",
                  static_cast<unsigned long long>(seconds / 3600),
                  static_cast<unsigned>(seconds / 60 % 60), static_cast<unsigned>(seconds % 60));
    return text;
}

bool chosen(const Context& context, const JsonValue& item) {
    return context.edge.empty() || cell(item, "edge") == context.edge;
}

void print_accounting(const Context& context, const JsonValue& counters) {
    Table table({"EDGE", ">RX", ">ORIGINATED", ">TX", ">DROPPED", ">PUNTED", ">FRAGMENTED",
                 ">FRAGMENTS", ">LOST IN DEVICES", ">UNACCOUNTED"});
    const auto sum = [](const JsonValue* object) {
        uint64_t total = 0;
        if (const auto* members = object ? object->as<JsonObject>() : nullptr)
            for (const auto& [name, value] : *members)
                // Packets that a notice is due for are counted as drops already.
                if (const auto* count = value.as<uint64_t>(); count && name != "notice")
                    total += *count;
        return total;
    };
    for (const auto& edge : elements(counters, "accounting")) {
        if (!chosen(context, edge))
            continue;
        uint64_t lost = 0;
        for (const char* name : {"device_rx_lost", "device_tx_lost"})
            if (const JsonValue* value = edge.find(name))
                lost += value->as<uint64_t>() ? *value->as<uint64_t>() : 0;
        table.add({cell(edge, "edge"), cell(edge, "rx"), cell(edge, "originated"), cell(edge, "tx"),
                   std::to_string(sum(edge.find("drops"))),
                   std::to_string(sum(edge.find("punted"))), cell(edge, "fragmented"),
                   cell(edge, "fragments"), std::to_string(lost), cell(edge, "unaccounted")});
    }
    table.print("no edge of this name");
}

void print_attachment_counters(const Context& context, const JsonValue& counters) {
    Table table({"EDGE", "ATTACHMENT", "DIRECTION", ">RX PACKETS", ">RX BYTES", ">TX PACKETS",
                 ">TX BYTES", ">OVER LIMIT"});
    for (const auto& attachment : elements(counters, "attachments")) {
        if (!chosen(context, attachment))
            continue;
        for (const char* direction : {"egress", "ingress"})
            if (const JsonValue* it = attachment.find(direction))
                table.add({cell(attachment, "edge"), cell(attachment, "name"), direction,
                           cell(*it, "rx_packets"), cell(*it, "rx_bytes"), cell(*it, "tx_packets"),
                           cell(*it, "tx_bytes"), cell(*it, "meter_drop_packets")});
    }
    table.print("no attachments");
}

void print_channel_counters(const Context& context, const JsonValue& counters) {
    Table table({"EDGE", "CHANNEL", ">PROTECTED", ">VALID", ">LATE", ">NOT VALID", ">NOT USING SA",
                 ">NO TAG", ">BAD TAG", ">NO SCI", ">UNTAGGED IN", ">UNTAGGED OUT"});
    const auto sum = [](const JsonValue& channel, std::string_view list,
                        std::initializer_list<std::string_view> names) {
        uint64_t total = 0;
        for (const auto& item : elements(channel, list))
            for (const auto name : names)
                if (const JsonValue* value = item.find(name))
                    total += value->as<uint64_t>() ? *value->as<uint64_t>() : 0;
        return std::to_string(total);
    };
    for (const auto& it : elements(counters, "channels"))
        if (chosen(context, it))
            table.add({cell(it, "edge"), cell(it, "name"),
                       sum(it, "tx_scs", {"out_pkts_protected", "out_pkts_encrypted"}),
                       sum(it, "rx_scs", {"in_pkts_ok"}), sum(it, "rx_scs", {"in_pkts_late"}),
                       sum(it, "rx_scs", {"in_pkts_not_valid"}),
                       sum(it, "rx_scs", {"in_pkts_not_using_sa"}), cell(it, "in_pkts_no_tag"),
                       cell(it, "in_pkts_bad_tag"), cell(it, "in_pkts_no_sci"),
                       cell(it, "in_pkts_untagged"), cell(it, "out_pkts_untagged")});
    table.print("no channels");
}

void print_ports(const JsonArray& ports) {
    Table table({"EDGE", "PORT", "DEVICE", "MAC", ">MTU", "ADMIN", "LINK", ">RX PACKETS",
                 ">TX PACKETS", ">RX MISSED", ">RX ERRORS", ">OVERSIZED", ">RX NO BUFFER",
                 ">TX ERRORS"});
    for (const auto& it : ports)
        table.add({cell(it, "edge"), cell(it, "name"), cell(it, "device"), cell(it, "mac"),
                   cell(it, "mtu"), cell(it, "admin_state"),
                   cell(it, "link_up") == "yes" ? "up" : "down", cell(it, "rx_packets"),
                   cell(it, "tx_packets"), cell(it, "rx_missed"), cell(it, "rx_errors"),
                   cell(it, "rx_oversized"), cell(it, "rx_nombuf"), cell(it, "tx_errors")});
    table.print("no ports");
    for (const auto& it : ports) {
        const JsonValue* found = it.find("frames");
        const auto* frames = found ? found->as<JsonObject>() : nullptr;
        if (frames == nullptr || frames->empty())
            continue;
        std::printf("%s %s: %s; frames:", cell(it, "edge").c_str(), cell(it, "name").c_str(),
                    cell(it, "mode").c_str());
        for (const auto& [name, value] : *frames)
            if (const auto* count = value.as<uint64_t>(); count != nullptr && *count != 0)
                std::printf(" %s %" PRIu64, name.c_str(), *count);
        std::puts("");
    }
}

} // namespace

Outcome show_status(Context& context) {
    return context.show(std::string("/v1/status"), [](const JsonValue& status) {
        print_line("version", cell(status, "version"));
        print_line("uptime", uptime_text(status));
        print_line("generation", cell(status, "generation"));
        print_line("memory", cell(status, "memory"));
        print_line("macsec engine", cell(status, "macsec_engine"));
        print_line("state", cell(status, "state"));
        if (cell(status, "state_ok") != "yes")
            print_line("state problem", cell(status, "state_problem"));
        print_line("SAs are kept", cell(status, "state_keeps_sas"));
        print_line("audit log", cell(status, "audit_log"));
        if (cell(status, "audit_ok") != "yes")
            print_line("audit problem", cell(status, "audit_problem"));
        print_line("usage metered to", cell(status, "usage_metered_to"));
        if (cell(status, "usage_ok") != "yes")
            print_line("usage problem", cell(status, "usage_problem"));
        print_line("worker cores", list_cell(status, "worker_cores"));
        print_line("packet buffers", cell(status, "packet_buffers") + ", " +
                                         cell(status, "packet_buffers_free") + " free");
        std::string edges;
        for (const auto& edge : elements(status, "edges"))
            edges.append(edges.empty() ? "" : ", ").append(cell(edge, "name"));
        print_line("edges", edges);
        std::puts("");
        Table table({"HOST STACK", ">COUNT"});
        if (const JsonValue* host = status.find("host_stack"))
            if (const auto* members = host->as<JsonObject>())
                for (const auto& [name, value] : *members)
                    table.add({name, cell(&value)});
        table.print("");
    });
}

Outcome show_edges(Context& context) {
    return context.show(std::string("/v1/edges"), [](const JsonValue& reply) {
        Table table({"EDGE", "PROVIDER"});
        for (const auto& edge : elements(reply, "edges"))
            table.add({cell(edge, "name"), cell(edge, "provider")});
        table.print("no edges");
    });
}

Outcome show_counters(Context& context) {
    return context.show(std::string("/v1/counters"), [&](const JsonValue& counters) {
        print_accounting(context, counters);
        std::puts("");
        print_attachment_counters(context, counters);
        std::puts("");
        print_channel_counters(context, counters);
    });
}

Outcome show_drops(Context& context, bool nonzero) {
    return context.show(std::string("/v1/drops"), [&](const JsonValue& reply) {
        Table table({"EDGE", "REASON", "STAGE", ">PACKETS", "HELP"});
        for (const auto& drop : elements(reply, "drops")) {
            const JsonValue* packets = drop.find("packets");
            const auto* edges = packets ? packets->as<JsonObject>() : nullptr;
            if (!edges)
                continue;
            for (const auto& [edge, value] : *edges) {
                const auto* count = value.as<uint64_t>();
                if ((context.edge.empty() || edge == context.edge) && count &&
                    (!nonzero || *count != 0))
                    table.add({edge, cell(drop, "reason"), cell(drop, "stage"), cell(&value),
                               cell(drop, "help")});
            }
        }
        table.print("no packets dropped");
    });
}

Outcome show_api(Context& context) {
    const auto path = std::string("/v1/openapi.json");
    return context.show(path, [&](const JsonValue&) { context.print_raw(); });
}

Outcome show_runtime(Context& context) {
    return context.show(std::string("/v1/runtime"), [](const JsonValue& reply) {
        Table table({"CORE", "PIPELINE", "STAGE", ">BURSTS", ">PACKETS", ">PACKETS/BURST",
                     ">CYCLES/PACKET"});
        for (const auto& worker : elements(reply, "workers"))
            for (const auto& it : elements(worker, "stages"))
                table.add({cell(worker, "core"), cell(it, "pipeline"), cell(it, "stage"),
                           cell(it, "bursts"), cell(it, "packets"), ratio(it, "packets", "bursts"),
                           ratio(it, "sampled_cycles", "sampled_packets")});
        table.print("no workers");
        std::puts("");
        Table rounds({"CORE", ">ROUNDS", ">IDLE", ">RESTS", ">WAKES", ">P50 US", ">P99 US",
                      ">P99.9 US", ">MAX US"});
        for (const auto& worker : elements(reply, "workers"))
            if (const JsonValue* times = worker.find("round_ns"))
                rounds.add({cell(worker, "core"), cell(worker, "polls"), cell(worker, "idle_polls"),
                            cell(worker, "rests"), cell(worker, "wakes"),
                            microseconds(*times, "p50"), microseconds(*times, "p99"),
                            microseconds(*times, "p999"), microseconds(*times, "max")});
        rounds.print("");
    });
}

Outcome show_neighbours(Context& context, const ListArguments& list) {
    return context.show_list(
        context.edge_path({"neighbours"}), "neighbours", list, [](const JsonArray& all) {
            Table table({"ATTACHMENT", "CHANNEL", "ADDRESS", "STATE", "MAC", ">CONFIRMED MS AGO"});
            for (const auto& it : all)
                table.add({cell(it, "attachment"), cell(it, "channel"), cell(it, "address"),
                           cell(it, "state"), cell(it, "mac"), cell(it, "confirmed_ms_ago")});
            table.print("no neighbours");
        });
}

Outcome show_interconnects(Context& context, const ListArguments& list) {
    return context.show_list(
        context.edge_path({"interconnects"}), "interconnects", list, [](const JsonArray& all) {
            Table table({"INTERCONNECT", "PEER", "CHANNELS"});
            for (const auto& it : all)
                table.add({cell(it, "name"), cell(it, "peer"), list_cell(it, "channels")});
            table.print("no interconnects");
        });
}

Outcome show_channels(Context& context, const ListArguments& list) {
    return context.show_list(
        context.edge_path({"channels"}), "channels", list, [](const JsonArray& all) {
            Table table({"CHANNEL", "INTERCONNECT", "PORT", "CIPHER SUITE", "PROTECT", "ADMIN",
                         "LINK", "USABLE", "REASON"});
            for (const auto& it : all)
                table.add({cell(it, "name"), cell(it, "interconnect"), cell(it, "port"),
                           cell(it, "cipher_suite"), cell(it, "protect_frames"),
                           cell(it, "admin_state"), cell(it, "link_up") == "yes" ? "up" : "down",
                           cell(it, "usable"), cell(it, "reason")});
            table.print("no channels");
        });
}

Outcome show_ports(Context& context, const ListArguments& list) {
    return context.show_list(context.edge_path({"ports"}), "ports", list, print_ports);
}

Outcome show_xstats(Context& context, const std::string& port) {
    return context.show(context.edge_path({"ports", port, "xstats"}), [](const JsonValue& reply) {
        Table table({"STATISTIC", ">VALUE"});
        if (const JsonValue* xstats = reply.find("xstats"))
            if (const auto* members = xstats->as<JsonObject>())
                for (const auto& [name, value] : *members)
                    table.add({name, cell(&value)});
        table.print("the device counts nothing for itself");
    });
}

} // namespace isthmus::ctl
