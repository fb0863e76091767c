#include "control/json_writer.hpp"

#include <cstdio>

namespace isthmus::control {
namespace {

// Octets of the well-formed UTF-8 sequence at the front (Unicode, table 3-7); 0: there is none.
std::size_t sequence_length(std::string_view text) {
    const auto at = [&](std::size_t i) {
        return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
    };
    const auto follows = [&](std::size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) {
        return at(i) >= low && at(i) <= high;
    };
    const uint8_t first = at(0);
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
        const uint8_t high = first == 0xed ? 0x9f : 0xbf;
        return follows(1, low, high) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const uint8_t low = first == 0xf0 ? 0x90 : 0x80;
        const uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
        return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

} // namespace

void JsonWriter::before_value() {
    if (!fresh_)
        out_ += ',';
    fresh_ = false;
}

JsonWriter& JsonWriter::raw(std::string_view text) {
    before_value();
    out_ += text;
    return *this;
}

JsonWriter& JsonWriter::begin_object() {
    raw("{");
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    raw("[");
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    out_ += '}';
    fresh_ = false;
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    out_ += ']';
    fresh_ = false;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    value(name);
    out_ += ':';
    fresh_ = true;
    return *this;
}

JsonWriter& JsonWriter::null() {
    return raw("null");
}

JsonWriter& JsonWriter::value(std::string_view text) {
    before_value();
    out_ += '"';
    while (!text.empty()) {
        const char c = text[0];
        const std::size_t length = sequence_length(text);
        if (length == 0) {
            out_ += "\xef\xbf\xbd"; // U+FFFD
        } else if (c == '"' || c == '\\') {
            out_ += '\\';
            out_ += c;
        } else if (static_cast<uint8_t>(c) < 0x20) {
            char escaped[7];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
            out_ += escaped;
        } else {
            out_ += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out_ += '"';
    return *this;
}

} // namespace isthmus::control
