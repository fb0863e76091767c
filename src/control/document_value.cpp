#include "control/document_value.hpp"

namespace isthmus::control {

void write_value(JsonWriter& json, const JsonValue& value) {
    if (const auto* members = value.as<JsonObject>()) {
        json.begin_object();
        for (const auto& [name, member] : *members)
            write_value(json.key(name), member);
        json.end_object();
    } else if (const auto* list = value.as<JsonArray>()) {
        json.begin_array();
        for (const JsonValue& item : *list)
            write_value(json, item);
        json.end_array();
    } else if (const auto* text = value.as<WipedString>()) {
        json.value(std::string_view(*text));
    } else if (const auto* number = value.as<uint64_t>()) {
        json.value(*number);
    } else if (const auto* other = value.as<OtherNumber>()) {
        json.number(other->text);
    } else if (const auto* truth = value.as<bool>()) {
        json.value(*truth);
    } else {
        json.null();
    }
}

std::string text_of_value(const JsonValue& value) {
    JsonWriter json;
    write_value(json, value);
    return json.take();
}

Error inside(const std::string& place, Error error) {
    if (place.empty())
        return error;
    const bool of_all = error.field.empty() || error.field == "body";
    const bool names_field = !error.field.empty() && error.message.starts_with(error.field);
    const std::string rest = names_field ? error.message.substr(error.field.size()) : "";
    const std::string field = of_all ? place : place + "." + error.field;
    error.message = names_field ? field + rest : field + ": " + error.message;
    error.field = field;
    return error;
}

} // namespace isthmus::control
