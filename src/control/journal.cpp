#include "control/journal.hpp"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace isthmus::control {
namespace {

constexpr sockaddr_un kJournal{AF_UNIX, "/run/systemd/journal/socket"};
constexpr std::array<char, 5> kPriorities = {'7', '6', '5', '4', '3'}; // syslog's, by Severity

void put(std::string& entry, std::string_view name, std::string_view value) {
    entry.append(name);
    if (value.find('\n') == std::string_view::npos) {
        entry.append("=").append(value).append("\n");
        return;
    }
    // A value of several lines: its length, 64 bits with the least octet first.
    entry += '\n';
    for (unsigned bits = 0; bits < 64; bits += 8)
        entry += static_cast<char>(uint64_t{value.size()} >> bits);
    entry.append(value).append("\n");
}

bool send(int socket, std::string_view entry) {
    return sendto(socket, entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&kJournal), sizeof kJournal) >= 0;
}

std::string lost_entry(uint64_t lost) {
    return journal_entry(Severity::warning,
                         fmt::format("{} lines of the log were lost: the journal took none", lost));
}

} // namespace

std::string journal_entry(Severity severity, std::string_view line) {
    std::string entry;
    put(entry, "MESSAGE", line);
    put(entry, "PRIORITY", {&kPriorities.at(static_cast<std::size_t>(severity)), 1});
    put(entry, "SYSLOG_IDENTIFIER", "isthmusd");
    put(entry, "SYSLOG_FACILITY", "3"); // daemon
    return entry;
}

std::string journal_entry(const Event& event) {
    const EventKindInfo& kind = info_of(event.kind);
    std::string entry = journal_entry(kind.severity, event.message);
    put(entry, "ISTHMUS_EVENT", kind.name);
    put(entry, "ISTHMUS_OBJECT_KIND", kind.object);
    put(entry, "ISTHMUS_OBJECT", event.object);
    if (!event.reason.empty())
        put(entry, "ISTHMUS_REASON", event.reason);
    put(entry, "ISTHMUS_SEQUENCE", std::to_string(event.sequence));
    put(entry, "ISTHMUS_TIME_US", std::to_string(event.time_us));
    put(entry, "ISTHMUS_GENERATION", std::to_string(event.generation));
    return entry;
}

bool is_journal(int fd, const char* journal_stream) {
    struct stat file {};
    return journal_stream != nullptr && fstat(fd, &file) == 0 &&
           fmt::format("{}:{}", file.st_dev, file.st_ino) == journal_stream;
}

bool send_to_journal(std::string_view entry) {
    static const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    static std::atomic<uint64_t> lost = 0;
    if (const uint64_t before = lost.exchange(0); before != 0 && !send(socket, lost_entry(before)))
        lost += before;
    if (send(socket, entry))
        return true;
    if (errno != EAGAIN && errno != ENOBUFS)
        return false;
    ++lost;
    return true;
}

} // namespace isthmus::control
