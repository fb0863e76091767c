#pragma once
// JSON trees as texts, and what stands before the field of an error. Any thread.

#include "control/json_value.hpp"
#include "control/json_writer.hpp"

#include <string>

namespace isthmus::control {

void write_value(JsonWriter& json, const JsonValue& value);
[[nodiscard]] std::string text_of_value(const JsonValue& value);

// The same error of something inside `place` ("edges[0].attachments[2]"): of its field and in its
// message.
[[nodiscard]] Error inside(const std::string& place, Error error);

} // namespace isthmus::control
