#pragma once
// Percent encoding of request targets (RFC 3986, section 2.1). Any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

// Nothing if a '%' is not followed by two hexadecimal digits, or if the octet 0 is in the result.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);
// Encodes everything but unreserved characters, so '/' too.
[[nodiscard]] std::string percent_encode(std::string_view text);

// "/v1/edges/a%2Fb" gives {"v1", "edges", "a/b"}: an encoded '/' does not separate. Nothing if a
// segment is empty or does not decode, or the path does not begin with '/'.
[[nodiscard]] std::optional<std::vector<std::string>> split_path(std::string_view path);

// The value of a hexadecimal digit, or -1.
[[nodiscard]] constexpr int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace isthmus::control
