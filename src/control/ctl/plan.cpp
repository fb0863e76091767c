// What a document would change, and changing it.

#include "control/ctl/apply_document.hpp"
#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/document_value.hpp"
#include "control/url.hpp"

#include <array>
#include <cstdio>

namespace isthmus::ctl {
namespace {

constexpr int kDiffers = 2;

struct Sign {
    std::string_view action, sign, word;
};
constexpr auto kSigns = std::to_array<Sign>(
    {{"add", "+", "add"}, {"change", "~", "change"}, {"remove", "-", "REMOVE"}});

const Sign& sign_of(const JsonValue& change) {
    const std::string action = cell(change, "action");
    for (const Sign& sign : kSigns)
        if (sign.action == action)
            return sign;
    return kSigns[1];
}

std::string shown(const JsonValue* value) {
    return !value || value->is_null() ? "-" : control::text_of_value(*value);
}

uint64_t number(const JsonValue& object, std::string_view name) {
    const JsonValue* found = object.find(name);
    const auto* value = found ? found->as<uint64_t>() : nullptr;
    return value ? *value : 0;
}

void print_routes(const JsonValue& change) {
    const JsonValue* routes = change.find("routes");
    if (!routes)
        return;
    const uint64_t all =
        number(*routes, "added") + number(*routes, "changed") + number(*routes, "removed");
    if (all == 0)
        return;
    std::printf("      routes: %s added, %s changed, %s removed\n", cell(*routes, "added").c_str(),
                cell(*routes, "changed").c_str(), cell(*routes, "removed").c_str());
    const auto& first = elements(*routes, "first");
    for (const JsonValue& line : first)
        std::printf("        %s\n", cell(&line).c_str());
    if (all > first.size())
        std::printf("        ... and %llu more\n",
                    static_cast<unsigned long long>(all - first.size()));
}

void print_change(const JsonValue& change) {
    const Sign& sign = sign_of(change);
    const std::string kind = cell(change, "kind");
    std::printf("  %s %s %s%s\n", sign.sign.data(), kind == "rx_sc" ? "receive SC" : kind.c_str(),
                cell(change, "name").c_str(), sign.sign == "-" ? "  REMOVED" : "");
    for (const JsonValue& field : elements(change, "fields")) {
        const std::string before = shown(field.find("before")), after = shown(field.find("after"));
        std::printf("      %s: %s\n", cell(field, "field").c_str(),
                    sign.sign == "+" ? after.c_str() : (before + " -> " + after).c_str());
    }
    print_routes(change);
}

void print_plan(const JsonValue& plan) {
    std::array<std::size_t, kSigns.size()> counts{};
    std::string edge;
    for (const JsonValue& change : elements(plan, "changes")) {
        if (const std::string here = cell(change, "edge"); here != edge) {
            std::printf("edge %s\n", here.c_str());
            edge = here;
        }
        print_change(change);
        ++counts.at(static_cast<std::size_t>(&sign_of(change) - kSigns.data()));
    }
    for (const JsonValue& note : elements(plan, "notes"))
        std::printf("note: %s\n", cell(&note).c_str());
    if (edge.empty()) {
        std::puts("Nothing to change: the running state is as the document says.");
        return;
    }
    std::printf("%zu to add, %zu to change, %zu to remove\n", counts[0], counts[1], counts[2]);
    const auto& removals = elements(plan, "removals");
    for (const JsonValue& removal : removals)
        std::printf("REMOVES %s\n", cell(&removal).c_str());
    std::printf("fingerprint %s\n", cell(plan, "fingerprint").c_str());
}

// The field that the last refusal is about.
std::string refused_field(const Client& client) {
    const auto reply = control::parse_json(client.raw());
    const JsonValue* error = reply ? reply->find("error") : nullptr;
    const std::string field = error ? cell(*error, "field") : "";
    return field;
}

Result<JsonValue> send(Context& context, const DocumentArguments& arguments,
                       const std::string& query) {
    const auto document = DocumentFile::load(arguments.file);
    if (!document)
        return document.error();
    auto reply = context.client.call("POST", "/v1/apply" + query, document->body());
    if (reply)
        return reply;
    Error error = reply.error();
    error.field = refused_field(context.client);
    if (error.field == "allow_removals")
        error.message += " (--allow-removals)";
    return is_of_document(error) ? document->locate(std::move(error)) : error;
}

} // namespace

Outcome plan_document(Context& context, const DocumentArguments& arguments) {
    context.exit_code = 0;
    const auto plan = send(context, arguments, "?dry_run=true");
    if (!plan)
        return plan.error();
    if (context.json)
        context.print_raw();
    else
        print_plan(*plan);
    if (cell(*plan, "changed") == "yes")
        context.exit_code = kDiffers;
    return {};
}

Outcome apply_document(Context& context, const DocumentArguments& arguments) {
    context.exit_code = 0;
    std::string query = arguments.allow_removals ? "?allow_removals=true" : "";
    if (!arguments.expect.empty())
        query.append(query.empty() ? "?" : "&")
            .append("expect=")
            .append(control::percent_encode(arguments.expect));
    const auto plan = send(context, arguments, query);
    if (!plan)
        return plan.error();
    if (context.json) {
        context.print_raw();
        return {};
    }
    print_plan(*plan);
    if (cell(*plan, "changed") == "yes")
        std::puts("Applied.");
    return {};
}

} // namespace isthmus::ctl
