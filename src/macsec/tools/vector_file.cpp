#include "macsec/tools/vector_file.hpp"

#include "macsec/tools/vector_checks.hpp"

#include <algorithm>

namespace isthmus::macsec::tools {

using control::JsonArray;
using control::JsonObject;
using control::JsonValue;

namespace {

std::string check(VectorKind kind, const Aead* aead, Record& entry) {
    switch (kind) {
    case VectorKind::protected_frame:
        return check_protected_frame(*aead, entry);
    case VectorKind::invalid_frame:
        return check_invalid_frame(*aead, entry);
    case VectorKind::receive:
        return check_receive(*aead, entry);
    case VectorKind::pn_recovery:
        return check_pn_recovery(entry);
    case VectorKind::salt:
        return check_salt(entry);
    case VectorKind::ssci:
        return check_ssci(entry);
    case VectorKind::unknown:
        break;
    }
    return "is no vector of a known kind";
}

std::string name_of(Record& entry, std::size_t index) {
    return entry.has("name") ? entry.text("name") : "entry " + std::to_string(index + 1);
}

} // namespace

VectorKind kind_of(const Record& entry) {
    if (entry.has("expect"))
        return VectorKind::receive;
    if (entry.has("recovered_pn"))
        return VectorKind::pn_recovery;
    if (entry.has("ks_mi"))
        return VectorKind::salt;
    if (entry.has("scis"))
        return VectorKind::ssci;
    if (entry.has("tag_valid"))
        return VectorKind::invalid_frame;
    return entry.has("plain_frame") ? VectorKind::protected_frame : VectorKind::unknown;
}

bool is_vector_file(std::string_view file_name) {
    return file_name.ends_with(".json") &&
           (file_name.starts_with("macsec_") || file_name.starts_with("rx_counters") ||
            file_name.starts_with("xpn_"));
}

Result<VectorFile> VectorFile::load(const std::string& path) {
    auto root = read_json_file(path);
    if (!root)
        return root.error();
    VectorFile file;
    file.root_ = *std::move(root);
    const auto entries = file.entries();
    const bool objects = std::ranges::all_of(
        entries, [](const JsonValue* entry) { return entry->as<JsonObject>() != nullptr; });
    if (entries.empty() || !objects)
        return Error{ErrorCode::invalid, path + ": is not a list of vectors"};
    return file;
}

std::vector<const JsonValue*> VectorFile::entries() const {
    std::vector<const JsonValue*> entries;
    if (const auto* list = root_.as<JsonArray>())
        for (const JsonValue& entry : *list)
            entries.push_back(&entry);
    else
        entries.push_back(&root_);
    return entries;
}

std::size_t VectorFile::count(bool with_engine) const {
    const auto all = entries();
    return static_cast<std::size_t>(std::ranges::count_if(all, [&](const JsonValue* entry) {
        return needs_engine(kind_of(Record(*entry))) == with_engine;
    }));
}

VectorReport VectorFile::run(const Aead* aead) const {
    VectorReport report;
    std::size_t index = 0;
    for (const JsonValue* object : entries()) {
        Record entry(*object);
        const VectorKind kind = kind_of(entry);
        const std::size_t number = index++;
        if (needs_engine(kind) != (aead != nullptr))
            continue;
        const std::string wrong = check(kind, aead, entry);
        if (wrong.empty())
            ++report.passed;
        else
            report.failures.push_back(name_of(entry, number) + ": " + wrong);
    }
    return report;
}

} // namespace isthmus::macsec::tools
