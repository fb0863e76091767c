#pragma once
// Who changed what: one line of JSON for each request that is not a GET or HEAD, refused ones
// included. Secrets are left out. Control thread only.

#include "control/http_message.hpp"
#include "control/json_value.hpp"
#include "isthmus/result.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace isthmus::control {

class AuditLog;

// What a request was to change. Each text is JSON, or empty.
struct AuditTrail {
    const AuditLog* log = nullptr; // where it goes; null: nowhere
    std::string change = {};       // the body, by audit_body
    std::string before = {}, after = {};
};

// Without what could be a SAK, which may stand where none belongs: in a path, a wrong field, or the
// reply that refuses it.
[[nodiscard]] std::string without_saks(std::string_view text);

// The body as JSON with every secret replaced by "(secret)"; of a long one only its size.
[[nodiscard]] std::string audit_body(const JsonValue& body, std::size_t octets);

class AuditLog {
  public:
    // Called with the reason when writing begins to fail, and with an empty text when it succeeds
    // again.
    using Trouble = std::function<void(const std::string&)>;

    // Opens the file for appending (mode 0600), or says why it can not. "none": nothing is kept.
    [[nodiscard]] static Result<AuditLog> open(const std::string& path, Trouble trouble);
    AuditLog(AuditLog&& other) noexcept;
    AuditLog& operator=(AuditLog&&) = delete;
    ~AuditLog();

    // Nothing for reads. A file that was moved away, by logrotate for instance, is made anew.
    void record(const HttpRequest& request, const AuditTrail& trail, const HttpResponse& reply);
    // Why the last record was not written; empty: it was.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    AuditLog(std::string path, Trouble tell) : path_(std::move(path)), tell_(std::move(tell)) {}
    [[nodiscard]] Result<void> open_file();
    [[nodiscard]] Result<void> write_line(const std::string& line);
    void note(const Result<void>& written);

    std::string path_;
    Trouble tell_;
    std::string trouble_;
    int fd_ = -1;
    uint64_t records_ = 0;
};

// The path that the configuration means.
[[nodiscard]] std::string audit_path(const std::string& configured, const std::string& state_path);

} // namespace isthmus::control
