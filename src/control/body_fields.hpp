#pragma once
// Reads JSON objects by a list of fields, one row each: the refusal of unknown, missing and wrong
// fields, with their path, comes from the rows. Used by the body_*.cpp files alone.

#include "control/json_value.hpp"
#include "control/need.hpp"
#include "isthmus/address.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace isthmus::control {

// Where a value stands, as a chain up to the body. Made on the stack for every field, made into
// text ("routes[3].via") only for an error.
struct FieldPath {
    const FieldPath* parent = nullptr;
    std::string_view name; // empty: an element of a list
    std::size_t index = 0;

    [[nodiscard]] std::string text() const {
        const std::string before = parent ? parent->text() : "";
        if (name.empty())
            return parent ? before + "[" + std::to_string(index) + "]" : "";
        return before.empty() ? std::string(name) : before + "." + std::string(name);
    }
    [[nodiscard]] Error error(std::string value, std::string limit) const {
        const std::string field = text();
        return invalid_value(field.empty() ? "body" : field, std::move(value), std::move(limit));
    }
};

template <class T> struct Field {
    std::string_view name;
    Need need;
    Result<void> (*read)(T&, const JsonValue&, const FieldPath&);
};

template <class T> [[nodiscard]] std::string names_of(std::span<const Field<T>> fields) {
    std::string names;
    for (const auto& field : fields)
        names += (names.empty() ? "" : ", ") + std::string(field.name);
    return names.empty() ? "no fields" : names;
}

// Fields are read in the order of the rows, whatever their order in the text, so that a row may
// rely on earlier ones.
template <class T>
[[nodiscard]] Result<void> read_object(T& out, const JsonValue& value,
                                       std::span<const Field<T>> fields, const FieldPath& path) {
    const auto* members = value.as<JsonObject>();
    if (!members)
        return path.error(value.text(), "an object with " + names_of(fields));
    for (const auto& [name, ignored] : *members) {
        bool known = false;
        for (const auto& field : fields)
            known = known || field.name == name;
        if (known)
            continue;
        const std::string where = FieldPath{&path, name}.text();
        return Error{ErrorCode::invalid,
                     where + ": unknown field, expected one of " + names_of(fields),
                     where,
                     {},
                     names_of(fields)};
    }
    for (const auto& field : fields) {
        const FieldPath here{&path, field.name};
        if (const JsonValue* found = value.find(field.name)) {
            if (auto read = field.read(out, *found, here); !read)
                return read;
        } else if (field.need == Need::required) {
            return Error{ErrorCode::invalid, here.text() + ": the field is missing", here.text()};
        }
    }
    return {};
}

[[nodiscard]] inline Result<uint64_t> read_unsigned(const JsonValue& value, const FieldPath& path,
                                                    uint64_t min, uint64_t max) {
    const auto* number = value.as<uint64_t>();
    if (!number || *number < min || *number > max)
        return path.error(value.text(), std::to_string(min) + ".." + std::to_string(max));
    return *number;
}

[[nodiscard]] inline Result<std::string_view>
read_text(const JsonValue& value, const FieldPath& path, std::string_view expected) {
    const auto* text = value.as<WipedString>();
    if (!text)
        return path.error(value.text(), std::string(expected));
    return std::string_view(*text);
}

// A reader for a row: an integer member with its range.
template <class T, auto Member, uint64_t Min, uint64_t Max>
Result<void> integer(T& out, const JsonValue& value, const FieldPath& path) {
    const auto number = read_unsigned(value, path, Min, Max);
    if (!number)
        return number.error();
    using Integer = std::remove_cvref_t<decltype(out.*Member)>;
    out.*Member = static_cast<Integer>(*number);
    return {};
}

// A reader for a row: a text member that `Parse` of address.hpp makes a value.
template <class T, auto Member, auto Parse>
Result<void> parsed(T& out, const JsonValue& value, const FieldPath& path) {
    const auto text = read_text(value, path, "a text");
    if (!text)
        return text.error();
    auto result = Parse(*text, {});
    if (!result)
        return Parse(*text, path.text()).error(); // a path is made into text only for an error
    out.*Member = *std::move(result);
    return {};
}

// Every element of a list by `read(element, path)`.
template <class Read>
[[nodiscard]] Result<void> read_list(const JsonValue& value, const FieldPath& path, std::size_t max,
                                     const Read& read) {
    const auto* list = value.as<JsonArray>();
    if (!list)
        return path.error(value.text(), "a list");
    if (list->size() > max)
        return path.error("a list of " + std::to_string(list->size()),
                          "at most " + std::to_string(max) + " elements");
    for (std::size_t i = 0; i < list->size(); ++i)
        if (Result<void> done = read((*list)[i], FieldPath{&path, {}, i}); !done)
            return done;
    return {};
}

} // namespace isthmus::control
