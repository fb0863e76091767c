#pragma once
// The daemon's log on standard error: lines of text, "isthmusd: ...", or one JSON object a line.
// Events of severity debug are not logged: they are for watchers. Any thread.

#include "control/events.hpp"

#include <string_view>

namespace isthmus::control {

void write_log(bool json, std::string_view line);
void write_log(bool json, const Event& event);

} // namespace isthmus::control
