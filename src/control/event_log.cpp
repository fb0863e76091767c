#include "control/event_log.hpp"

#include "control/journal.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace isthmus::control {
namespace {

// One call, so that lines of threads and libraries do not meet inside a line.
void put(std::string line) {
    line += '\n';
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

} // namespace

LogFormat resolve(LogFormat format) {
    if (format != LogFormat::automatic)
        return format;
    return is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM")) ? LogFormat::journald
                                                                    : LogFormat::text;
}

void write_log(LogFormat format, std::string_view line, Severity severity) {
    if (format == LogFormat::journald && send_to_journal(journal_entry(severity, line)))
        return;
    if (format != LogFormat::json)
        return put(std::string("isthmusd: ").append(line));
    JsonWriter out;
    out.begin_object().member("severity", severity_name(severity)).member("message", line);
    put(out.end_object().take());
}

void write_log(LogFormat format, const Event& event) {
    if (info_of(event.kind).severity == Severity::debug)
        return;
    if (format == LogFormat::journald && send_to_journal(journal_entry(event)))
        return;
    if (format == LogFormat::json)
        put(event_json(event));
    else
        write_log(LogFormat::text, event.message);
}

} // namespace isthmus::control
