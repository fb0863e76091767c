#pragma once
// Refusals as replies. Any thread.

#include "control/http_message.hpp"
#include "isthmus/result.hpp"

#include <string_view>

namespace isthmus::control {

// {"error":{"code","field","value","limit","message"}}; parts that are empty are left out.
[[nodiscard]] HttpResponse render_error(unsigned status, std::string_view code, const Error& error);
// Status and code follow from error.code.
[[nodiscard]] HttpResponse render_error(const Error& error);

} // namespace isthmus::control
