// The running state as a document in TOML.

#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/document_value.hpp"

#include <algorithm>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::text_of_value;

bool is_table(const JsonValue& value) {
    return value.as<JsonObject>() != nullptr;
}

// A list of tables that have tables or lists of their own, each under a title. An empty one is
// written like a value: that it is there says something.
bool is_titled_list(std::string_view name, const JsonValue& value) {
    const auto* list = value.as<JsonArray>();
    return list && !list->empty() &&
           (name == "edges" || name == "channels" || name == "attachments");
}

std::string key_text(const std::string& name) {
    const bool bare = !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
    return bare ? name : text_of_value(JsonValue{WipedString(name.begin(), name.end())});
}

// Texts of JSON are texts of TOML, and so are its whole numbers.
std::string inline_text(const JsonValue& value) {
    if (const auto* members = value.as<JsonObject>()) {
        std::string text;
        for (const auto& [name, member] : *members)
            text += (text.empty() ? "{ " : ", ") + key_text(name) + " = " + inline_text(member);
        return text.empty() ? "{}" : text + " }";
    }
    const auto* list = value.as<JsonArray>();
    if (!list)
        return text_of_value(value);
    const bool lines = std::ranges::any_of(*list, is_table);
    std::string text = "[";
    for (const JsonValue& item : *list)
        text += (lines ? "\n  " : text.size() == 1 ? "" : " ") + inline_text(item) + ",";
    if (!list->empty() && !lines)
        text.pop_back();
    return text + (lines ? "\n]" : "]");
}

class TomlWriter {
  public:
    void table(const std::string& title, const JsonValue& value) {
        const auto& members = *value.as<JsonObject>();
        for (const auto& [name, member] : members)
            if (!member.is_null() && !is_table(member) && !is_titled_list(name, member))
                out_ += key_text(name) + " = " + inline_text(member) + "\n";
        for (const auto& [name, member] : members) {
            const std::string path = (title.empty() ? "" : title + ".") + key_text(name);
            if (is_titled_list(name, member))
                tables(path, *member.as<JsonArray>());
            else if (is_table(member))
                one_table(path, member);
        }
    }
    [[nodiscard]] const std::string& text() const { return out_; }

  private:
    void tables(const std::string& path, const JsonArray& list) {
        for (const JsonValue& item : list) {
            out_ += "\n[[" + path + "]]\n";
            table(path, item);
        }
    }
    void one_table(const std::string& path, const JsonValue& value) {
        out_ += "\n[" + path + "]\n";
        table(path, value);
    }

    std::string out_;
};

Outcome write_file(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    const bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if ((file && std::fclose(file) != 0) || !written)
        return Error{ErrorCode::unavailable, path + ": cannot write"};
    return {};
}

// Puts the routes of an attachment into a file, and its name in their place.
Outcome move_routes(JsonValue& attachment, const std::string& path) {
    std::string lines;
    for (const JsonValue& route : elements(attachment, "routes")) {
        const JsonValue* next_hop = route.find("next_hop");
        lines += cell(route, "prefix") + " " + (next_hop ? cell(next_hop) : cell(route, "via"));
        lines += '\n';
    }
    for (auto& [name, member] : std::get<JsonObject>(attachment.data))
        if (name == "routes") {
            name = "routes_file";
            member.data = WipedString(path.begin(), path.end());
        }
    return write_file(path, lines);
}

} // namespace

Outcome export_running(Context& context, const DocumentArguments& arguments) {
    auto reply = context.client.get("/v1/export");
    if (!reply)
        return reply.error();
    auto& edges = std::get<JsonArray>(std::get<JsonObject>(reply->data).at(0).value.data);
    if (!context.edge.empty())
        std::erase_if(edges,
                      [&](const JsonValue& edge) { return cell(edge, "name") != context.edge; });
    if (edges.empty())
        return Error{ErrorCode::invalid, "this daemon has no edge " + context.edge};
    if (!arguments.routes_dir.empty())
        for (JsonValue& edge : edges)
            for (auto& [name, list] : std::get<JsonObject>(edge.data)) {
                if (name != "attachments")
                    continue;
                for (JsonValue& attachment : std::get<JsonArray>(list.data))
                    if (auto moved = move_routes(attachment,
                                                 arguments.routes_dir + "/" + cell(edge, "name") +
                                                     "-" + cell(attachment, "name") + ".routes");
                        !moved)
                        return moved;
            }
    if (context.json) {
        std::puts(text_of_value(*reply).c_str());
        return {};
    }
    TomlWriter toml;
    toml.table("", *reply);
    std::fputs("# The state of isthmusd, without keys. See docs/declarative.md.\n", stdout);
    std::fputs(toml.text().c_str(), stdout);
    return {};
}

} // namespace isthmus::ctl
