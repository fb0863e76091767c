#include "control/ctl/text.hpp"

#include "control/url.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace isthmus::ctl {
namespace {

using control::JsonArray;
using control::JsonValue;
using control::WipedString;

constexpr std::size_t kMaxKeyFile = 4096;

constexpr std::array<std::pair<char, uint64_t>, 3> kUnits{
    {{'k', 1'000}, {'M', 1'000'000}, {'G', 1'000'000'000}}};

uint64_t unit_of(char suffix) {
    for (const auto& [name, unit] : kUnits)
        if (name == suffix || (name == 'k' && suffix == 'K'))
            return unit;
    return 0;
}

// Adds a decimal digit; false on overflow.
bool push_digit(uint64_t& value, char digit) {
    const auto amount = static_cast<uint64_t>(digit - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - amount) / 10)
        return false;
    value = value * 10 + amount;
    return true;
}

Error cannot_read(const std::string& path) {
    return {ErrorCode::unavailable, path + ": cannot read: " + std::strerror(errno)};
}

} // namespace

Result<uint64_t> parse_rate(std::string_view text, std::string field) {
    const Error wrong =
        invalid_value(std::move(field), std::string(text), "bits per second like 300M or 1.5G");
    uint64_t unit = 1;
    std::string_view number = text;
    if (!number.empty())
        if (const uint64_t given = unit_of(number.back())) {
            unit = given;
            number.remove_suffix(1);
        }
    uint64_t value = 0; // of the digits, without the point
    bool point = false;
    std::size_t digits = 0;
    for (const char c : number) {
        if (c == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || !push_digit(value, c) || (point && unit == 1))
            return wrong;
        ++digits;
        if (point && unit % 10 == 0)
            unit /= 10;
    }
    if (digits == 0 || number.ends_with('.') ||
        (value != 0 && unit > std::numeric_limits<uint64_t>::max() / value))
        return wrong;
    return value * unit;
}

std::string rate_text(uint64_t bps) {
    for (const auto& [name, unit] : {kUnits[2], kUnits[1], kUnits[0]})
        if (bps != 0 && bps % unit == 0)
            return std::to_string(bps / unit) + name;
    return std::to_string(bps);
}

Table::Table(std::vector<std::string> titles) : titles_(std::move(titles)) {}

void Table::add(std::vector<std::string> cells) {
    cells.resize(titles_.size());
    rows_.push_back(std::move(cells));
}

void Table::print(std::string_view empty) const {
    if (rows_.empty()) {
        std::printf("%.*s\n", static_cast<int>(empty.size()), empty.data());
        return;
    }
    std::vector<bool> right;
    std::vector<std::vector<std::string>> lines(1);
    for (const auto& title : titles_) {
        right.push_back(title.starts_with('>'));
        lines[0].push_back(title.substr(right.back() ? 1 : 0));
    }
    lines.insert(lines.end(), rows_.begin(), rows_.end());
    std::vector<std::size_t> widths(titles_.size(), 0);
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], line[i].size());
    for (const auto& line : lines) {
        std::string out;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string space(widths[i] - line[i].size(), ' ');
            out.append(i == 0 ? "" : "  ").append(right[i] ? space + line[i] : line[i] + space);
        }
        out.erase(out.find_last_not_of(' ') + 1);
        std::puts(out.c_str());
    }
}

std::string cell(const JsonValue* value) {
    if (!value || value->is_null())
        return "-";
    if (const auto* text = value->as<WipedString>())
        return text->empty() ? "-" : std::string(*text);
    if (const auto* truth = value->as<bool>())
        return *truth ? "yes" : "no";
    return value->text();
}

std::string cell(const JsonValue& object, std::string_view member) {
    return cell(object.find(member));
}

const JsonArray& elements(const JsonValue& object, std::string_view member) {
    static const JsonArray kNone;
    const JsonValue* found = object.find(member);
    const auto* list = found ? found->as<JsonArray>() : nullptr;
    return list ? *list : kNone;
}

std::string list_cell(const JsonValue& object, std::string_view member) {
    std::string out;
    for (const auto& item : elements(object, member))
        out.append(out.empty() ? "" : ",").append(cell(&item));
    return out.empty() ? "-" : out;
}

Result<WipedString> read_file(const std::string& path, std::size_t max_octets) {
    const bool standard_input = path == "-";
    const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_read(path);
    WipedString text;
    WipedString piece(64 * 1024, '\0');
    ssize_t got = 0;
    while (text.size() <= max_octets && (got = read(fd, piece.data(), piece.size())) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    const Error unreadable = cannot_read(path);
    if (!standard_input)
        close(fd);
    if (got < 0)
        return unreadable;
    if (text.size() > max_octets)
        return Error{ErrorCode::invalid, path + ": over " + std::to_string(max_octets) + " octets"};
    return text;
}

Result<WipedString> read_key_file(const std::string& path) {
    const auto text = read_file(path, kMaxKeyFile);
    if (!text)
        return text;
    WipedString digits;
    digits.reserve(text->size());
    for (const char c : *text) {
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (control::hex_digit(c) < 0)
            return Error{ErrorCode::invalid, path + ": not only hexadecimal digits"};
        digits += c;
    }
    if (digits.empty())
        return Error{ErrorCode::invalid, path + ": no hexadecimal digits"};
    return digits;
}

} // namespace isthmus::ctl
