#include "control/api_call.hpp"
#include "control/usage_page.hpp"
#include "control/usage_time.hpp"

#include <charconv>

namespace isthmus::control {
namespace {

// "INTERVAL.LIFE" of the last record.
Result<void> read_cursor(UsageRequest& request, const std::string& text) {
    if (text.empty())
        return {};
    const char* const end = text.data() + text.size();
    const auto interval = std::from_chars(text.data(), end, request.after_interval_ms);
    if (interval.ec == std::errc{} && interval.ptr != end && *interval.ptr == '.') {
        const auto life = std::from_chars(interval.ptr + 1, end, request.after_life);
        if (life.ec == std::errc{} && life.ptr == end)
            return {};
    }
    return invalid_value("after", text, "what `next` of the page before was");
}

void write_time(JsonWriter& json, std::string_view name, int64_t ms) {
    json.key(name);
    if (ms == 0)
        json.null();
    else
        json.value(time_text(ms));
}

void write_totals(JsonWriter& json, const UsageTotals& totals, const std::string& behind) {
    json.member("egress_packets" + behind, totals.egress_packets)
        .member("egress_bytes" + behind, totals.egress_bytes)
        .member("ingress_packets" + behind, totals.ingress_packets)
        .member("ingress_bytes" + behind, totals.ingress_bytes);
}

void write_row(JsonWriter& json, const std::string& edge, const UsageRow& row) {
    const UsageRecord& record = row.record;
    json.begin_object()
        .member("edge", edge)
        .member("attachment", row.name)
        .member("life", row.life)
        .member("interval", time_text(record.interval_ms))
        .member("interval_end", time_text(record.interval_end_ms))
        .member("from", time_text(record.from_ms))
        .member("to", time_text(record.to_ms))
        .member("open", row.open)
        .member("complete", !row.open && record.complete());
    write_totals(json, record.after - record.before, "");
    write_totals(json, record.after, "_total");
    json.member("starts", record.starts);
    write_time(json, "unknown_from", record.unknown_from_ms);
    write_time(json, "unknown_to", record.unknown_to_ms);
    json.member("unknown_ms", record.unknown_ms).key("flags").begin_array();
    for (const auto& [flag, name] : kUsageFlags)
        if (record.flags & flag)
            json.value(name);
    json.end_array().member("measurement_point", kMeasurementPoint).end_object();
}

} // namespace

Reply get_usage(Call& call) {
    UsageRequest request;
    request.edge = call.config().edges[call.edge.value].name;
    if (!call.query.name.empty())
        request.name = call.query.name;
    request.from_ms = call.query.from_ms.value_or(request.from_ms);
    request.to_ms = call.query.to_ms.value_or(request.to_ms);
    request.limit = call.query.limit;
    if (request.to_ms < request.from_ms)
        return invalid_value("to", time_text(request.to_ms),
                             "not before `from`, which is " + time_text(request.from_ms));
    if (auto good = read_cursor(request, call.query.after); !good)
        return good.error();
    const auto page = call.control.usage(request);
    if (!page)
        return page.error();
    JsonWriter json;
    json.begin_object()
        .member("measurement_point", kMeasurementPoint)
        .member("measurement", kMeasurementText)
        .member("interval_s", call.config().usage.interval_s)
        .member("metered_to", time_text(call.control.status().usage_metered_to_ms.value_or(0)))
        .key("usage")
        .begin_array();
    for (const UsageRow& row : page->rows)
        write_row(json, request.edge, row);
    json.end_array().key("next");
    if (page->more)
        json.value(std::to_string(page->last_interval_ms) + "." + std::to_string(page->last_life));
    else
        json.null();
    json.end_object();
    return HttpResponse{200, json.take()};
}

} // namespace isthmus::control
