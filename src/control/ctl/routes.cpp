#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/json_writer.hpp"

#include <algorithm>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::JsonWriter;

constexpr std::size_t kMaxRouteFile = std::size_t{256} << 20;
constexpr std::string_view kBlanks = " \t\r,";

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

// The lines of one change with all routes of a file. Each stands where it does in the file, so that
// errors of the daemon name the file's lines.
Result<std::string> change_from(std::string_view text, const std::string& file) {
    std::string lines;
    for (std::size_t number = 1; !text.empty(); ++number, lines += "\n") {
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
                             ": expected PREFIX and channels, blackhole, an address or remove"};
        JsonWriter json;
        json.begin_object();
        if (via == "remove") {
            json.member("remove", prefix);
        } else {
            json.member("prefix", prefix);
            write_via(json, via);
        }
        lines += json.end_object().take();
    }
    return lines;
}

} // namespace

Result<std::string> route_list(std::string_view text, const std::string& file) {
    const auto lines = change_from(text, file);
    if (!lines)
        return lines;
    std::string list = "[";
    for (std::string_view rest = *lines; !rest.empty();) {
        const auto end = rest.find('\n');
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (!line.empty())
            list.append(list.size() == 1 ? "" : ",").append(line);
    }
    return list + "]";
}

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

Outcome show_routes(Context& context, const std::string& attachment, const ListArguments& list) {
    return context.show_list(
        context.edge_path({"attachments", attachment, "routes"}), "routes", list,
        [](const JsonArray& all) {
            Table table({"PREFIX", "VIA", "NEXT HOP"});
            for (const auto& it : all)
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
    const auto reply = context.client.call("PATCH", *path, *body, true);
    if (!reply)
        return reply.error();
    if (context.json)
        context.print_raw();
    else
        std::printf("%s routes loaded, %s removed, %s in all\n", cell(*reply, "added").c_str(),
                    cell(*reply, "removed").c_str(), cell(*reply, "route_count").c_str());
    return {};
}

} // namespace isthmus::ctl
