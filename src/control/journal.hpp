#pragma once
// Lines of the log for systemd's journal, in its native protocol: one datagram an entry. Not by
// libsystemd, whose socket waits for a journald that stands still. Any thread; never waits.
// Source: systemd.io/JOURNAL_NATIVE_PROTOCOL.

#include "control/events.hpp"

#include <string>
#include <string_view>

namespace isthmus::control {

[[nodiscard]] std::string journal_entry(Severity severity, std::string_view line);
[[nodiscard]] std::string journal_entry(const Event& event);

// JOURNAL_STREAM, which systemd sets, names the file that standard error is: "DEVICE:INODE".
[[nodiscard]] bool is_journal(int fd, const char* journal_stream);

// Entries that a journald which is there does not take at once are counted, and the count is an
// entry of its own before the next one that it takes. False: there is no journald to take it.
[[nodiscard]] bool send_to_journal(std::string_view entry);

} // namespace isthmus::control
