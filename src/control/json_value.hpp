#pragma once
// A JSON text as a tree, read strictly (RFC 8259) and from untrusted input: duplicate names, depth
// and size are limited. Strings are wiped when the tree goes, for they may be SAKs. Any thread.

#include "control/wipe.hpp"
#include "isthmus/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kMaxJsonDepth = 16;
// Of one object. Lists may be long, objects are records or keyed by channel.
inline constexpr std::size_t kMaxJsonMembers = 128;
// Bounds the memory that a body of "0,0,0,..." takes.
inline constexpr std::size_t kMaxJsonValues = std::size_t{1} << 23;

struct JsonValue;
struct JsonMember;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<JsonMember>; // in order, names differ

// A number that is negative, has a fraction or an exponent, or does not fit 64 bits.
struct OtherNumber {
    std::string text;
};

struct JsonValue {
    std::variant<std::monostate, bool, uint64_t, OtherNumber, WipedString, JsonArray, JsonObject>
        data;

    template <class T> [[nodiscard]] const T* as() const { return std::get_if<T>(&data); }
    [[nodiscard]] bool is_null() const { return data.index() == 0; }
    // The member of an object; nullptr if there is none, or this is no object.
    [[nodiscard]] const JsonValue* find(std::string_view name) const;
    // For messages: numbers and words as they stand, strings cut to 64 octets, "a
    // list", "an object".
    [[nodiscard]] std::string text() const;
};

struct JsonMember {
    std::string name;
    JsonValue value;
};

// Errors have the field "body" and name line and column, never octets of the text.
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text);

} // namespace isthmus::control
