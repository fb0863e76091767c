#include "control/event_log.hpp"

#include <cstdio>
#include <string>

namespace isthmus::control {
namespace {

// One call, so that lines of threads and libraries do not meet inside a line.
void put(std::string line) {
    line += '\n';
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

} // namespace

void write_log(bool json, std::string_view line) {
    if (!json)
        return put(std::string("isthmusd: ").append(line));
    JsonWriter out;
    out.begin_object().member("severity", "info").member("message", line).end_object();
    put(out.take());
}

void write_log(bool json, const Event& event) {
    if (info_of(event.kind).severity == Severity::debug)
        return;
    if (json)
        put(event_json(event));
    else
        write_log(false, event.message);
}

} // namespace isthmus::control
