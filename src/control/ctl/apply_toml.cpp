// TOML as the JSON that the daemon takes, and the lines of its values. The one file of isthmusctl
// that sees toml++.

#include "control/ctl/apply_document.hpp"

#include <toml++/toml.h>

#include <charconv>
#include <memory>

namespace isthmus::ctl {
namespace {

using control::JsonArray;
using control::JsonObject;
using control::JsonValue;
using control::OtherNumber;
using control::WipedString;

Error at_line(const std::string& file, uint32_t line, const std::string& message) {
    return {ErrorCode::invalid, file + ":" + std::to_string(line) + ": " + message};
}

Result<JsonValue> json_of(const toml::node& node, const std::string& file) {
    if (const auto* table = node.as_table()) {
        JsonObject members;
        for (const auto& [key, value] : *table) {
            auto inner = json_of(value, file);
            if (!inner)
                return inner;
            members.push_back({std::string(key.str()), *std::move(inner)});
        }
        return JsonValue{std::move(members)};
    }
    if (const auto* array = node.as_array()) {
        JsonArray list;
        for (const toml::node& item : *array) {
            auto inner = json_of(item, file);
            if (!inner)
                return inner;
            list.push_back(*std::move(inner));
        }
        return JsonValue{std::move(list)};
    }
    if (const auto* text = node.as_string())
        return JsonValue{WipedString(text->get().begin(), text->get().end())};
    if (const auto* truth = node.as_boolean())
        return JsonValue{truth->get()};
    if (const auto* number = node.as_integer()) {
        if (number->get() >= 0)
            return JsonValue{static_cast<uint64_t>(number->get())};
        return JsonValue{OtherNumber{std::to_string(number->get())}};
    }
    return at_line(file, node.source().begin.line,
                   "no field is a date, a time or a number with a fraction");
}

// The member of a table that the path goes on with: the longest name, since names have dots.
const toml::node* member(const toml::table& table, std::string_view& path) {
    if (path.starts_with('.'))
        path.remove_prefix(1);
    const toml::node* found = nullptr;
    std::size_t length = 0;
    for (const auto& [key, value] : table) {
        const std::string_view name = key.str();
        const bool named =
            path.starts_with(name) &&
            (path.size() == name.size() || path[name.size()] == '.' || path[name.size()] == '[');
        if (named && (!found || name.size() > length)) {
            found = &value;
            length = name.size();
        }
    }
    path.remove_prefix(length);
    return found;
}

// "[3]", or "[10.0.0.0/8]": the element with that prefix.
const toml::node* element(const toml::array& array, std::string_view& path) {
    const auto end = path.find(']');
    if (!path.starts_with('[') || end == std::string_view::npos)
        return nullptr;
    const std::string_view text = path.substr(1, end - 1);
    path.remove_prefix(end + 1);
    std::size_t index = 0;
    const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (problem == std::errc{} && rest == text.data() + text.size())
        return array.get(index);
    for (const toml::node& item : array)
        if (const auto* table = item.as_table();
            table && (*table)["prefix"].value<std::string_view>() == text)
            return &item;
    return nullptr;
}

uint32_t line_of(const toml::table& root, std::string_view path) {
    const toml::node* here = &root;
    while (!path.empty()) {
        const auto* table = here->as_table();
        const auto* array = here->as_array();
        const toml::node* next = table   ? member(*table, path)
                                 : array ? element(*array, path)
                                         : nullptr;
        if (!next)
            break;
        here = next;
    }
    return here == &root ? 0 : here->source().begin.line;
}

} // namespace

Result<TomlDocument> parse_toml(std::string_view text, const std::string& file) {
    try {
        const auto root = std::make_shared<const toml::table>(toml::parse(text, file));
        auto tree = json_of(*root, file);
        if (!tree)
            return tree.error();
        return TomlDocument{*std::move(tree),
                            [root](std::string_view path) { return line_of(*root, path); }};
    } catch (const toml::parse_error& error) {
        return at_line(file, error.source().begin.line, std::string(error.description()));
    }
}

} // namespace isthmus::ctl
