#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"
#include "control/usage_time.hpp"

#include <fmt/format.h>

#include <functional>

namespace isthmus::ctl {
namespace {

constexpr const char* kLimit = "?limit=10000";

// The columns of a CSV file, in this order; all that a record has.
constexpr const char* kColumns[] = {"edge",
                                    "attachment",
                                    "life",
                                    "interval",
                                    "interval_end",
                                    "from",
                                    "to",
                                    "open",
                                    "complete",
                                    "egress_packets",
                                    "egress_bytes",
                                    "ingress_packets",
                                    "ingress_bytes",
                                    "egress_packets_total",
                                    "egress_bytes_total",
                                    "ingress_packets_total",
                                    "ingress_bytes_total",
                                    "starts",
                                    "unknown_from",
                                    "unknown_to",
                                    "unknown_ms",
                                    "flags",
                                    "measurement_point"};

// RFC 4180: quoted if a comma, a quote or a line end is in it.
std::string csv_field(std::string text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos)
        return text;
    for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2)
        text.insert(at, 1, '"');
    return fmt::format("\"{}\"", text);
}

std::string csv_value(const JsonValue* value) {
    if (value == nullptr)
        return "";
    if (const auto* list = value->as<JsonArray>()) {
        std::string all;
        for (const JsonValue& item : *list)
            all.append(all.empty() ? "" : " ").append(cell(&item));
        return all;
    }
    if (const bool* truth = value->as<bool>())
        return *truth ? "true" : "false";
    const std::string text = cell(value);
    return text == "-" ? "" : csv_field(text);
}

void print_csv_line(const JsonValue* record) {
    std::string line;
    for (const char* column : kColumns)
        line.append(line.empty() ? "" : ",")
            .append(record ? csv_value(record->find(column)) : column);
    fmt::print("{}\r\n", line);
}

void write_json(control::JsonWriter& json, const JsonValue* value) {
    if (const auto* list = value ? value->as<JsonArray>() : nullptr) {
        json.begin_array();
        for (const JsonValue& item : *list)
            json.value(cell(&item));
        json.end_array();
    } else if (const bool* truth = value ? value->as<bool>() : nullptr) {
        json.value(*truth);
    } else if (const auto* number = value ? value->as<uint64_t>() : nullptr) {
        json.value(*number);
    } else if (cell(value) == "-") {
        json.null();
    } else {
        json.value(cell(value));
    }
}

// A document of its own, whatever number of pages there were.
class JsonOutput {
  public:
    void begin(const JsonValue& page) {
        control::JsonWriter json;
        json.begin_object();
        for (const char* name : {"measurement_point", "measurement", "interval_s", "metered_to"}) {
            json.key(name);
            write_json(json, page.find(name));
        }
        fmt::print("{},\"usage\":[", json.take());
    }
    void add(const JsonValue& record) {
        control::JsonWriter json;
        json.begin_object();
        for (const char* column : kColumns) {
            json.key(column);
            write_json(json, record.find(column));
        }
        json.end_object();
        fmt::print("{}\n{}", std::exchange(first_, false) ? "" : ",", json.take());
    }
    void end() { fmt::print("\n]}}\n"); }

  private:
    bool first_ = true;
};

Table usage_table() {
    return Table({"ATTACHMENT", ">LIFE", "INTERVAL", ">EGRESS PACKETS", ">EGRESS BYTES",
                  ">INGRESS PACKETS", ">INGRESS BYTES", "STATE", ">UNKNOWN MS"});
}

void add_row(Table& table, const JsonValue& record) {
    const bool open = cell(record, "open") == "yes";
    table.add({cell(record, "attachment"), cell(record, "life"), cell(record, "interval"),
               cell(record, "egress_packets"), cell(record, "egress_bytes"),
               cell(record, "ingress_packets"), cell(record, "ingress_bytes"),
               open                                ? "open"
               : cell(record, "complete") == "yes" ? "complete"
                                                   : "partial",
               cell(record, "unknown_ms")});
}

// Each page as it comes: a month of all attachments does not fit into memory.
Outcome each_page(Context& context, const std::string& path, const std::string& query,
                  const std::function<void(const JsonValue&)>& take) {
    for (std::string after;;) {
        const auto page = context.client.get(path + kLimit + query + after);
        if (!page)
            return page.error();
        take(*page);
        const JsonValue* next = page->find("next");
        const auto* cursor = next ? next->as<WipedString>() : nullptr;
        if (!cursor)
            return {};
        after = "&after=" + control::percent_encode(*cursor);
    }
}

// Wrong times are found before the daemon is asked.
Result<std::string> query_of(const UsageArguments& arguments) {
    std::string query;
    for (const auto& [name, text] : {std::pair{"from", &arguments.from}, {"to", &arguments.to}}) {
        if (text->empty())
            continue;
        if (const auto time = control::parse_time(*text, name); !time)
            return time.error();
        query += fmt::format("&{}={}", name, control::percent_encode(*text));
    }
    if (!arguments.attachment.empty())
        query += "&name=" + control::percent_encode(arguments.attachment);
    return query;
}

} // namespace

Outcome show_usage(Context& context, const UsageArguments& arguments) {
    const auto query = query_of(arguments);
    if (!query)
        return query.error();
    const auto path = context.edge_path({"usage"});
    if (!path)
        return path.error();
    const bool json = context.json || arguments.format == "json";
    const bool csv = !json && arguments.format == "csv";
    Table table = usage_table();
    JsonOutput output;
    bool begun = false;
    auto done = each_page(context, *path, *query, [&](const JsonValue& page) {
        if (json && !begun)
            output.begin(page);
        if (csv && !begun)
            print_csv_line(nullptr);
        begun = true;
        for (const JsonValue& record : elements(page, "usage")) {
            if (arguments.closed && cell(record, "open") == "yes")
                continue;
            if (json)
                output.add(record);
            else if (csv)
                print_csv_line(&record);
            else
                add_row(table, record);
        }
    });
    // An export that breaks off is no export: no end of the document, and an exit code.
    if (!done)
        return done;
    if (json)
        output.end();
    else if (!csv)
        table.print("no records");
    return {};
}

} // namespace isthmus::ctl
