#include "control/audit.hpp"

#include "control/json_writer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr std::size_t kMaxBodyText = 4096;
constexpr std::size_t kMaxPath = 1024;
constexpr auto kSecrets = std::to_array<std::string_view>({"sak", "cak", "key", "psk", "password"});

void write_audited(JsonWriter& json, const JsonValue& value) {
    if (const auto* flag = value.as<bool>()) {
        json.value(*flag);
    } else if (const auto* number = value.as<uint64_t>()) {
        json.value(*number);
    } else if (const auto* other = value.as<OtherNumber>()) {
        json.value(without_saks(other->text));
    } else if (const auto* text = value.as<WipedString>()) {
        json.value(without_saks(*text));
    } else if (const auto* list = value.as<JsonArray>()) {
        json.begin_array();
        for (const JsonValue& element : *list)
            write_audited(json, element);
        json.end_array();
    } else if (const auto* object = value.as<JsonObject>()) {
        json.begin_object();
        for (const JsonMember& member : *object) {
            json.key(without_saks(member.name));
            if (std::ranges::count(kSecrets, member.name) != 0)
                json.value("(secret)");
            else
                write_audited(json, member.value);
        }
        json.end_object();
    } else {
        json.null();
    }
}

uint64_t audit_time_us() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

// A JSON text as a member: JsonWriter knows no texts that are JSON already.
void add_json(std::string& line, const char* name, const std::string& json) {
    if (!json.empty())
        line.append(",\"").append(name).append("\":").append(json);
}

} // namespace

std::string without_saks(std::string_view text) {
    constexpr std::size_t kLeastSak = 32; // hexadecimal digits
    std::string out;
    while (!text.empty()) {
        const auto is_digit = [](unsigned char c) { return std::isxdigit(c) != 0; };
        const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
        const auto digits = static_cast<std::size_t>(end - text.begin());
        out += digits < kLeastSak ? text.substr(0, digits) : "(secret)";
        const std::size_t taken = std::min(digits + 1, text.size());
        out += text.substr(digits, taken - digits);
        text.remove_prefix(taken);
    }
    return out;
}

std::string audit_body(const JsonValue& body, std::size_t octets) {
    JsonWriter json;
    if (octets > kMaxBodyText)
        json.begin_object().member("octets", octets).end_object();
    else
        write_audited(json, body);
    return json.take();
}

std::string audit_path(const std::string& configured, const std::string& state_path) {
    if (!configured.empty() || state_path == "none")
        return configured.empty() ? "none" : configured;
    return std::filesystem::path(state_path).replace_extension(".audit.jsonl").string();
}

Result<AuditLog> AuditLog::open(const std::string& path, Trouble trouble) {
    AuditLog log(path, std::move(trouble));
    if (path != "none")
        if (auto opened = log.open_file(); !opened)
            return opened.error();
    return log;
}

AuditLog::AuditLog(AuditLog&& other) noexcept
    : path_(std::move(other.path_)), tell_(std::move(other.tell_)),
      trouble_(std::move(other.trouble_)), fd_(std::exchange(other.fd_, -1)),
      records_(other.records_) {}

AuditLog::~AuditLog() {
    if (fd_ >= 0)
        close(fd_);
}

Result<void> AuditLog::open_file() {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat file {};
    if (fd_ >= 0 && fstat(fd_, &file) == 0 && S_ISREG(file.st_mode) && fchmod(fd_, 0600) == 0)
        return {};
    const std::string why = fd_ < 0                  ? std::strerror(errno)
                            : !S_ISREG(file.st_mode) ? "it is not a file"
                                                     : std::strerror(errno);
    if (fd_ >= 0)
        close(std::exchange(fd_, -1));
    return Error{ErrorCode::unavailable, "audit_log " + path_ + ": cannot open: " + why,
                 "audit_log", path_};
}

Result<void> AuditLog::write_line(const std::string& line) {
    struct stat named {
    }, ours{};
    if (fd_ >= 0 && (stat(path_.c_str(), &named) != 0 || fstat(fd_, &ours) != 0 ||
                     named.st_ino != ours.st_ino || named.st_dev != ours.st_dev))
        close(std::exchange(fd_, -1));
    if (fd_ < 0)
        if (auto opened = open_file(); !opened)
            return opened;
    // One call, so that no line of another writer comes between.
    struct stat before {};
    if (fstat(fd_, &before) != 0)
        before.st_size = -1;
    const ssize_t written = write(fd_, line.data(), line.size());
    if (written == static_cast<ssize_t>(line.size()))
        return {};
    std::string why = written < 0 ? std::strerror(errno) : "no room for a whole line";
    // What was written is the end of the file: nobody else writes to it.
    if (written > 0 && (before.st_size < 0 || ftruncate(fd_, before.st_size) != 0))
        why += ", and half a line is left";
    return Error{ErrorCode::unavailable, "audit_log " + path_ + ": cannot write: " + why,
                 "audit_log", path_};
}

void AuditLog::note(const Result<void>& written) {
    const std::string now = written ? std::string() : written.error().message;
    const bool changed = now.empty() != trouble_.empty();
    trouble_ = now;
    if (changed && tell_)
        tell_(trouble_);
}

void AuditLog::record(const HttpRequest& request, const AuditTrail& trail,
                      const HttpResponse& reply) {
    if (path_ == "none" || request.method == "GET" || request.method == "HEAD")
        return;
    JsonWriter json;
    json.begin_object().member("time_us", audit_time_us()).member("record", ++records_);
    if (request.peer)
        json.member("uid", request.peer->uid)
            .member("gid", request.peer->gid)
            .member("pid", request.peer->pid);
    json.member("method", request.method)
        .member("path", without_saks(std::string_view(request.path).substr(0, kMaxPath)))
        .member("status", reply.status)
        .member("outcome", reply.status < 300 ? "done" : "refused");
    json.end_object();
    std::string line = json.take();
    line.pop_back();
    add_json(line, "change", trail.change);
    add_json(line, "before", trail.before);
    add_json(line, "after", trail.after);
    if (reply.status >= 300) // {"error":{...}}
        add_json(line, "reply", without_saks(reply.body));
    line += "}\n";
    note(write_line(line));
}

} // namespace isthmus::control
