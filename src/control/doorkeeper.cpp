#include "control/doorkeeper.hpp"

#include "isthmus/clock.hpp"

namespace isthmus::control {
namespace {

constexpr unsigned kRefusalsTold = 10; // each second
constexpr uint64_t kNsPerSecond = 1'000'000'000;

} // namespace

std::optional<HttpResponse> Doorkeeper::operator()(const HttpRequest& request) {
    auto refusal = roles.refuse(request);
    if (!refusal)
        return refusal;
    audit.record(request, {}, *refusal);
    const uint64_t now = monotonic_ns() / kNsPerSecond;
    if (now != second)
        told = 0;
    second = now;
    if (told++ < kRefusalsTold) {
        const std::string who =
            request.peer ? "uid " + std::to_string(request.peer->uid) : std::string("unknown peer");
        events.emit(EventKind::client_refused, who,
                    who + " has not the role for " + request.method + " " +
                        without_saks(request.path),
                    request.method);
    }
    return refusal;
}

void tell_audit(EventLog& events, const std::string& why) {
    if (why.empty())
        events.emit(EventKind::audit_recovered, "", "the audit log is written again");
    else
        events.emit(EventKind::audit_trouble, "", "changes are made but not noted: " + why, why);
}

} // namespace isthmus::control
