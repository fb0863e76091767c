#pragma once
// A file of known-answer vectors: which kind each entry is, and all of them in one go.

#include "control/json_value.hpp"
#include "macsec/aead.hpp"
#include "macsec/tools/record.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::macsec::tools {

enum class VectorKind : uint8_t {
    protected_frame,
    invalid_frame,
    receive,
    pn_recovery,
    salt,
    ssci,
    unknown,
};
// By the fields that an entry has, whatever its file is called.
[[nodiscard]] VectorKind kind_of(const Record& entry);
[[nodiscard]] constexpr bool needs_engine(VectorKind kind) {
    return kind <= VectorKind::receive;
}

// macsec_*.json, rx_counters*.json and xpn_*.json.
[[nodiscard]] bool is_vector_file(std::string_view file_name);

struct VectorReport {
    std::size_t passed = 0;
    std::vector<std::string> failures; // "NAME: what is wrong"
};

class VectorFile {
  public:
    // A list of objects, or a single one. Errors name the file.
    [[nodiscard]] static Result<VectorFile> load(const std::string& path);

    // How many entries need an engine, or do not.
    [[nodiscard]] std::size_t count(bool with_engine) const;
    // Entries that need an engine, by `aead`; if that is null, those that need none.
    [[nodiscard]] VectorReport run(const Aead* aead) const;

  private:
    [[nodiscard]] std::vector<const control::JsonValue*> entries() const;

    control::JsonValue root_;
};

} // namespace isthmus::macsec::tools
