#pragma once
// Texts of the command line: rates, tables, files. One thread.

#include "control/json_value.hpp"
#include "control/wipe.hpp"
#include "isthmus/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::ctl {

// "64000", "300M", "1.5G": bits per second; k, M and G are powers of 1000.
[[nodiscard]] Result<uint64_t> parse_rate(std::string_view text, std::string field);
// The shortest form that parse_rate reads back as the same number.
[[nodiscard]] std::string rate_text(uint64_t bps);

// Rows of columns, each as wide as its widest cell. A title that begins with '>' is of a column
// aligned right; the '>' is not shown.
class Table {
  public:
    explicit Table(std::vector<std::string> titles);
    void add(std::vector<std::string> cells);
    // Nothing but `empty` if there is no row.
    void print(std::string_view empty) const;

  private:
    std::vector<std::string> titles_;
    std::vector<std::vector<std::string>> rows_;
};

// A value of a reply as a cell: "-" for null, nothing or an empty text; yes or no.
[[nodiscard]] std::string cell(const control::JsonValue* value);
[[nodiscard]] std::string cell(const control::JsonValue& object, std::string_view member);
// The texts of a list, with commas.
[[nodiscard]] std::string list_cell(const control::JsonValue& object, std::string_view member);
// The elements of a list member; empty if there is none.
[[nodiscard]] const control::JsonArray& elements(const control::JsonValue& object,
                                                 std::string_view member);

// A whole file, or standard input for "-", in memory that is wiped.
[[nodiscard]] Result<control::WipedString> read_file(const std::string& path,
                                                     std::size_t max_octets);
// The hexadecimal digits of a SAK in a file; blanks and line ends are left out. Errors show
// nothing of the content.
[[nodiscard]] Result<control::WipedString> read_key_file(const std::string& path);

} // namespace isthmus::ctl
