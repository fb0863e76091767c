#include "control/ctl/apply_document.hpp"

#include "control/ctl/text.hpp"
#include "control/document_value.hpp"

namespace isthmus::ctl {
namespace {

bool is_json(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '{';
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

Result<DocumentFile> DocumentFile::load(const std::string& path) {
    DocumentFile out;
    out.path_ = path == "-" ? "standard input" : path;
    const auto text = read_file(path, kMaxDocumentFile);
    if (!text)
        return text.error();
    control::JsonValue tree;
    if (is_json(*text)) {
        auto parsed = control::parse_json(*text);
        if (!parsed)
            return out.locate(parsed.error());
        tree = *std::move(parsed);
    } else {
        auto parsed = parse_toml(*text, out.path_);
        if (!parsed)
            return parsed.error();
        tree = std::move(parsed->tree);
        out.line_of_ = std::move(parsed->line_of);
    }
    if (auto good = resolve_references(tree, folder_of(path)); !good)
        return out.locate(good.error());
    out.body_ = control::text_of_value(tree);
    return out;
}

Error DocumentFile::locate(Error error) const {
    std::string place = path_ + ":";
    if (const uint32_t line = line_of_ ? line_of_(error.field) : 0)
        place.append(std::to_string(line)).append(":");
    error.message = place.append(" ").append(error.message);
    return error;
}

} // namespace isthmus::ctl
