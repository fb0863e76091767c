#pragma once
// The daemon's log: lines of text, "isthmusd: ...", or one JSON object a line on standard error, or
// entries of systemd's journal. Events of severity debug are not logged: they are for watchers. Any
// thread.

#include "control/config.hpp"
#include "control/events.hpp"

#include <string_view>

namespace isthmus::control {

// What `automatic` is for this process.
[[nodiscard]] LogFormat resolve(LogFormat format);

void write_log(LogFormat format, std::string_view line, Severity severity = Severity::info);
void write_log(LogFormat format, const Event& event);

} // namespace isthmus::control
