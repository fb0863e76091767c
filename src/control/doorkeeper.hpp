#pragma once
// What happens to requests of those who lack the role: refused, told and noted. Control thread.

#include "control/audit.hpp"
#include "control/events.hpp"
#include "control/roles.hpp"

#include <optional>
#include <string>

namespace isthmus::control {

// All three outlive it.
struct Doorkeeper {
    const Roles& roles;
    EventLog& events;
    AuditLog& audit;
    uint64_t second = 0; // of the last refusal
    unsigned told = 0;   // in it

    std::optional<HttpResponse> operator()(const HttpRequest& request);
};

// For AuditLog: an empty reason says that it is written again.
void tell_audit(EventLog& events, const std::string& why);

} // namespace isthmus::control
