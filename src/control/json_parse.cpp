// The one place that sees nlohmann/json: its lexer and parser, not its tree.

#include "control/json_value.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

namespace isthmus::control {
namespace {

// The string of the library's lexer, so that its own copies are wiped as well. The library also
// wants to make it of its messages.
struct LexerString : WipedString {
    using WipedString::WipedString;
    LexerString(const std::string& text) : WipedString(text.begin(), text.end()) {}
};
using Nlohmann = nlohmann::basic_json<std::map, std::vector, LexerString>;

constexpr std::size_t kShown = 64;

// Builds a JsonValue from the parser's events; each returns false to stop at the first error.
class TreeBuilder {
  public:
    bool null() { return add({}) != nullptr; }
    bool boolean(bool value) { return add({value}) != nullptr; }
    bool number_integer(int64_t value) {
        return add({OtherNumber{std::to_string(value)}}) != nullptr;
    }
    bool number_unsigned(uint64_t value) { return add({value}) != nullptr; }
    bool number_float(double, const LexerString& text) {
        return add({OtherNumber{std::string(text.substr(0, kShown))}}) != nullptr;
    }
    bool string(LexerString& text) { return add({WipedString(std::move(text))}) != nullptr; }
    bool binary(Nlohmann::binary_t&) { return false; } // not in a text
    bool start_object(std::size_t) { return open({JsonObject{}}); }
    bool end_object() { return close(); }
    bool start_array(std::size_t) { return open({JsonArray{}}); }
    bool end_array() { return close(); }

    bool key(LexerString& text) {
        auto& members = std::get<JsonObject>(open_.back()->data);
        const std::string_view name = text;
        if (std::ranges::any_of(members, [&](const auto& member) { return member.name == name; }))
            return fail("an object has the name " + shown(name) + " twice");
        if (members.size() == kMaxJsonMembers)
            return fail("an object has over " + std::to_string(kMaxJsonMembers) + " names");
        members.push_back({std::string(name), {}});
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
        position_ = position;
        return false;
    }

    [[nodiscard]] JsonValue take() { return std::move(root_); }
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] std::size_t position() const { return position_; }

  private:
    static std::string shown(std::string_view name) {
        return fmt::format("'{}'", name.substr(0, kShown));
    }

    bool fail(std::string problem) {
        problem_ = std::move(problem);
        return false;
    }

    JsonValue* add(JsonValue value) {
        if (++count_ > kMaxJsonValues) {
            fail("over " + std::to_string(kMaxJsonValues) + " values");
            return nullptr;
        }
        JsonValue* place = &root_;
        if (!open_.empty()) {
            if (auto* list = std::get_if<JsonArray>(&open_.back()->data))
                place = &list->emplace_back();
            else
                place = &std::get<JsonObject>(open_.back()->data).back().value;
        }
        *place = std::move(value);
        return place;
    }

    bool open(JsonValue value) {
        if (open_.size() == kMaxJsonDepth)
            return fail("nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
        JsonValue* place = add(std::move(value));
        if (place)
            open_.push_back(place);
        return place != nullptr;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    JsonValue root_;
    // The lists and objects around the next value. Each is the last one of its parent, which grows
    // again only after it is closed, so the pointers hold.
    std::vector<JsonValue*> open_;
    std::size_t count_ = 0;
    std::size_t position_ = 0;
    std::string problem_;
};

std::string place_of(std::string_view text, std::size_t position) {
    const auto before = text.substr(0, position == 0 ? 0 : std::min(position, text.size()) - 1);
    const auto line = std::ranges::count(before, '\n') + 1;
    const auto start = before.rfind('\n');
    const auto column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

} // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
    if (const auto* members = as<JsonObject>())
        for (const auto& [key, value] : *members)
            if (key == name)
                return &value;
    return nullptr;
}

std::string JsonValue::text() const {
    if (const auto* text = as<WipedString>()) {
        const std::string shown(text->substr(0, kShown));
        return shown.empty() ? "an empty text" : text->size() > kShown ? shown + "..." : shown;
    }
    if (const auto* number = as<uint64_t>())
        return std::to_string(*number);
    if (const auto* number = as<OtherNumber>())
        return number->text;
    if (const auto* truth = as<bool>())
        return *truth ? "true" : "false";
    return is_null() ? "null" : as<JsonArray>() ? "a list" : "an object";
}

Result<JsonValue> parse_json(std::string_view text) {
    TreeBuilder builder;
    if (Nlohmann::sax_parse(text, &builder))
        return builder.take();
    if (!builder.problem().empty())
        return Error{ErrorCode::invalid, "body: " + builder.problem(), "body"};
    return Error{ErrorCode::invalid, "body: not JSON at " + place_of(text, builder.position()),
                 "body"};
}

} // namespace isthmus::control
