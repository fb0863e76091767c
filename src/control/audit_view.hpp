#pragma once
// What a request is about to change, and has changed, as JSON for the audit log. Without routes,
// of which there may be millions, and without counters. Control thread.

#include "control/api_call.hpp"

#include <string>

namespace isthmus::control {

// Empty: nothing is there. `path` is the row's, with placeholders.
[[nodiscard]] std::string audit_view(const Call& call, std::string_view path);

} // namespace isthmus::control
