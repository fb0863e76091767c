#pragma once
// Reads one TOML table by a list of options, so that parsing, defaults in error texts and the
// refusal of unknown keys come from one row per key. Included by config.cpp alone: it pulls in
// toml++.

#include "control/need.hpp"
#include "isthmus/result.hpp"

#include <toml++/toml.h>

#include <cstdint>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>

namespace isthmus::control {

// What the two kinds of texts and everything that is not a plain scalar are read by. `read` gives
// false for a value that `expected` does not describe.
template <class T> struct Special {
    std::string_view expected;
    bool (*read)(T&, const toml::node&);
};

template <class T>
using OptionTarget = std::variant<bool T::*, uint16_t T::*, uint32_t T::*, Special<T>>;

// `min` and `max` bound integers only; `help` says what the key is for, and for a limit that may
// surprise, why it is so.
template <class T> struct Option {
    std::string_view name;
    Need need;
    OptionTarget<T> target;
    int64_t min = 0;
    int64_t max = 0;
    std::string_view note = {};
};

// Where a table begins and where its keys' values stand, for errors found after reading.
struct Place {
    const std::string* file = nullptr;
    const toml::table* table = nullptr;
    std::string_view kind; // "[[port]]"; empty: the top level

    [[nodiscard]] uint32_t line(std::string_view key = {}) const {
        const toml::node* node = key.empty() ? nullptr : table->get(key);
        return node ? node->source().begin.line : table->source().begin.line;
    }
};

[[nodiscard]] inline Error at_line(const std::string& file, uint32_t line, Error error) {
    error.message = file + ":" + std::to_string(line) + ": " + error.message;
    return error;
}

// The error for a key whose value is wrong by itself or beside other ones.
[[nodiscard]] inline Error wrong_value(const Place& place, std::string_view key, std::string value,
                                       std::string expected) {
    return at_line(*place.file, place.line(key),
                   invalid_value(std::string(key), std::move(value), std::move(expected)));
}

[[nodiscard]] inline std::string text_of(const toml::node& node) {
    if (const auto* text = node.as_string())
        return text->get().empty() ? "an empty text" : text->get();
    std::ostringstream out;
    out << toml::node_view<const toml::node>{node};
    return out.str();
}

template <class T> [[nodiscard]] std::string names_of(std::span<const Option<T>> options) {
    std::string names;
    for (const auto& option : options)
        names += (names.empty() ? "" : ", ") + std::string(option.name);
    return names;
}

template <class T, class Integer>
bool read_into(T& out, Integer T::*member, const Option<T>& option, const toml::node& node) {
    if constexpr (std::is_same_v<Integer, bool>) {
        const auto* value = node.as_boolean();
        if (value)
            out.*member = value->get();
        return value != nullptr;
    } else {
        const auto* value = node.as_integer();
        if (!value || value->get() < option.min || value->get() > option.max)
            return false;
        out.*member = static_cast<Integer>(value->get());
        return true;
    }
}

template <class T>
bool read_into(T& out, const Special<T>& special, const Option<T>&, const toml::node& node) {
    return special.read(out, node);
}

template <class T> [[nodiscard]] std::string expected_of(const Option<T>& option) {
    std::string expected;
    if (const auto* special = std::get_if<Special<T>>(&option.target))
        expected = special->expected;
    else if (std::holds_alternative<bool T::*>(option.target))
        expected = "true or false";
    else
        expected =
            "an integer in " + std::to_string(option.min) + ".." + std::to_string(option.max);
    if (!option.note.empty())
        expected += " (" + std::string(option.note) + ")";
    return expected;
}

// Reads every key of the table into `out`.
template <class T>
[[nodiscard]] Result<void> read_table(T& out, std::span<const Option<T>> options,
                                      const Place& place) {
    const std::string kind = place.kind.empty() ? "" : " in " + std::string(place.kind);
    for (const auto& [key, value] : *place.table) {
        const std::string_view name = key.str();
        const toml::node& node = value; // clang 14 captures no structured binding
        const Option<T>* option = nullptr;
        for (const auto& candidate : options)
            if (candidate.name == name)
                option = &candidate;
        if (!option)
            return at_line(*place.file, node.source().begin.line,
                           {ErrorCode::invalid,
                            "unknown key '" + std::string(name) + "'" + kind +
                                ", expected one of " + names_of(options),
                            std::string(name)});
        const bool good =
            std::visit([&](const auto& target) { return read_into(out, target, *option, node); },
                       option->target);
        if (!good)
            return wrong_value(place, name, text_of(node), expected_of(*option));
    }
    for (const auto& option : options)
        if (option.need == Need::required && !place.table->contains(option.name))
            return at_line(*place.file, place.line(),
                           {ErrorCode::invalid,
                            "key '" + std::string(option.name) + "' is missing" + kind +
                                ", expected " + expected_of(option),
                            std::string(option.name)});
    return {};
}

} // namespace isthmus::control
