#pragma once
// Writes a JSON text piece by piece; commas are its own business. Any thread.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus::control {

class JsonWriter {
  public:
    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& null();
    JsonWriter& value(std::string_view text); // UTF-8; other octets are replaced
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& number(std::string_view text) { return raw(text); } // as it stands
    template <std::integral T> JsonWriter& value(T number) {
        if constexpr (std::same_as<T, bool>)
            return raw(number ? "true" : "false");
        else
            return raw(std::to_string(number));
    }
    template <class T> JsonWriter& member(std::string_view name, const T& what) {
        key(name);
        return value(what);
    }

    [[nodiscard]] std::string take() { return std::move(out_); }

  private:
    JsonWriter& raw(std::string_view text);
    void before_value();

    std::string out_;
    bool fresh_ = true; // nothing stands before the next value in its object or list
};

} // namespace isthmus::control
