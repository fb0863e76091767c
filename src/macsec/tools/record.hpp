#pragma once
// One JSON object of a file of vectors or keys, read field by field. The first field that is
// missing or malformed is remembered, so that a caller reads all it needs and asks once.

#include "control/json_value.hpp"
#include "macsec/secy.hpp"
#include "macsec/tools/octets.hpp"

#include <string>
#include <string_view>

namespace isthmus::macsec::tools {

// Errors name the file.
[[nodiscard]] Result<control::JsonValue> read_json_file(const std::string& path);

class Record {
  public:
    explicit Record(const control::JsonValue& object) : object_(&object) {}

    // There and not null.
    [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
    [[nodiscard]] const control::JsonValue* find(std::string_view name) const;

    // Each returns an empty value and remembers the problem if the field can not be read.
    [[nodiscard]] std::string text(std::string_view name);
    [[nodiscard]] Octets octets(std::string_view name);
    // A number, or a string of hexadecimal digits.
    [[nodiscard]] uint64_t integer(std::string_view name, uint64_t maximum = UINT64_MAX);
    [[nodiscard]] bool flag(std::string_view name);
    // As `integer` and `flag`, but for a field that may be missing or null.
    [[nodiscard]] uint64_t integer_or(std::string_view name, uint64_t otherwise,
                                      uint64_t maximum = UINT64_MAX);
    [[nodiscard]] bool flag_or(std::string_view name, bool otherwise);

    void refuse(std::string_view name, const std::string& why);
    // Empty if every field so far could be read.
    [[nodiscard]] const std::string& problem() const { return problem_; }

  private:
    const control::JsonValue* require(std::string_view name);

    const control::JsonValue* object_;
    std::string problem_;
};

// `salt` and `ssci`: both or neither.
[[nodiscard]] std::optional<XpnParameters> read_xpn(Record& record);
// What the length of the SAK and `xpn` tell.
[[nodiscard]] CipherSuite suite_of(Record& record, const Octets& sak, bool xpn);
// `suite` if it is there; it must agree with them.
[[nodiscard]] CipherSuite read_suite(Record& record, const Octets& sak, bool xpn);

} // namespace isthmus::macsec::tools
