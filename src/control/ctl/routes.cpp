#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"

#include <algorithm>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::JsonWriter;

// What one request may hold; a line is shorter than its JSON.
constexpr std::size_t kMaxRouteFile = std::size_t{64} << 20;
constexpr std::string_view kBlanks = " \t\r";

// The members "via" and "next_hop" of an open object.
void write_via(JsonWriter& json, std::string_view via) {
    if (via == "channels" || via == "blackhole")
        json.member("via", via);
    else
        json.member("via", "vpc").member("next_hop", via);
}

std::string_view next_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    const auto word = line.substr(0, line.find_first_of(kBlanks));
    line.remove_prefix(word.size());
    return word;
}

// The body of one change with all routes of a file.
Result<std::string> change_from(std::string_view text, const std::string& file) {
    JsonWriter json;
    json.begin_object().key("add").begin_array();
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        line = line.substr(0, line.find('#'));
        const auto prefix = next_word(line);
        const auto via = next_word(line);
        if (prefix.empty())
            continue;
        if (via.empty() || !next_word(line).empty())
            return Error{ErrorCode::invalid,
                         file + ":" + std::to_string(number) +
                             ": expected PREFIX and channels, blackhole or an address"};
        json.begin_object().member("prefix", prefix);
        write_via(json, via);
        json.end_object();
    }
    json.end_array().end_object();
    return json.take();
}

} // namespace

Outcome add_route(Context& context, const std::string& attachment, const std::string& prefix,
                  const std::string& via) {
    const auto path = context.edge_path({"attachments", attachment, "routes"});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object().member("prefix", prefix);
    write_via(json, via);
    json.end_object();
    return context.change("POST", *path, json.take());
}

Outcome set_route(Context& context, const std::string& attachment, const std::string& prefix,
                  const std::string& via) {
    const auto path = context.edge_path({"attachments", attachment, "routes", prefix});
    if (!path)
        return path.error();
    JsonWriter json;
    json.begin_object();
    write_via(json, via);
    json.end_object();
    return context.change("PUT", *path, json.take());
}

Outcome delete_route(Context& context, const std::string& attachment, const std::string& prefix) {
    const auto path = context.edge_path({"attachments", attachment, "routes", prefix});
    return path ? context.change("DELETE", *path) : path.error();
}

Outcome show_routes(Context& context, const std::string& attachment) {
    return context.show(
        context.edge_path({"attachments", attachment, "routes"}), [](const JsonValue& reply) {
            Table table({"PREFIX", "VIA", "NEXT HOP"});
            for (const auto& it : elements(reply, "routes"))
                table.add({cell(it, "prefix"), cell(it, "via"), cell(it, "next_hop")});
            table.print("no routes");
        });
}

Outcome load_routes(Context& context, const std::string& attachment, const std::string& file) {
    const auto text = read_file(file, kMaxRouteFile);
    if (!text)
        return text.error();
    const auto body = change_from(*text, file);
    if (!body)
        return body.error();
    const auto path = context.edge_path({"attachments", attachment, "routes"});
    if (!path)
        return path.error();
    const auto reply = context.client.call("PATCH", *path, *body);
    if (!reply)
        return reply.error();
    if (context.json)
        context.print_raw();
    else
        std::printf("%s routes loaded, %s in all\n", cell(*reply, "added").c_str(),
                    cell(*reply, "route_count").c_str());
    return {};
}

} // namespace isthmus::ctl
