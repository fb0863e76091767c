#pragma once
// A document in a file, with what it refers to: routes in other files, SAKs in files or in the
// environment. One thread.

#include "control/json_value.hpp"
#include "isthmus/result.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::ctl {

inline constexpr std::size_t kMaxDocumentFile = std::size_t{64} << 20;

// The line of the value that a path of a document names, or of what is next around it; 0: unknown.
using LineOf = std::function<uint32_t(std::string_view path)>;

// apply_toml.cpp
struct TomlDocument {
    control::JsonValue tree;
    LineOf line_of;
};
[[nodiscard]] Result<TomlDocument> parse_toml(std::string_view text, const std::string& file);

class DocumentFile {
  public:
    // TOML, or JSON if it begins with a brace; "-" is standard input.
    [[nodiscard]] static Result<DocumentFile> load(const std::string& path);

    // As the daemon takes it.
    [[nodiscard]] const std::string& body() const { return body_; }
    // Where in the file the value stands that an error is about, put in front of it.
    [[nodiscard]] Error locate(Error error) const;

  private:
    std::string path_;
    std::string body_;
    LineOf line_of_; // empty for JSON
};

// Whether an error is about a value in the document.
[[nodiscard]] inline bool is_of_document(const Error& error) {
    return error.field.starts_with("edges") || error.field == "body";
}

// apply_references.cpp: routes_file becomes routes, and references to SAKs become SAKs. Files are
// looked for from `folder`.
[[nodiscard]] Result<void> resolve_references(control::JsonValue& document,
                                              const std::string& folder);

} // namespace isthmus::ctl
