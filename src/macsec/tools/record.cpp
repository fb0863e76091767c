#include "macsec/tools/record.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace isthmus::macsec::tools {

using control::JsonValue;

Result<JsonValue> read_json_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    if (!(text << stream.rdbuf()))
        return Error{ErrorCode::not_found, path + ": can not be read, or is empty"};
    auto parsed = control::parse_json(text.view());
    if (!parsed) {
        Error error = parsed.error();
        error.message.replace(0, error.field.size(), path);
        return error;
    }
    return parsed;
}

const JsonValue* Record::find(std::string_view name) const {
    const JsonValue* value = object_->find(name);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

void Record::refuse(std::string_view name, const std::string& why) {
    if (problem_.empty())
        problem_ = std::string(name) + ": " + why;
}

const JsonValue* Record::require(std::string_view name) {
    const JsonValue* value = find(name);
    if (value == nullptr)
        refuse(name, "is missing");
    return value;
}

std::string Record::text(std::string_view name) {
    const JsonValue* value = require(name);
    if (value == nullptr)
        return {};
    if (const auto* text = value->as<control::WipedString>())
        return std::string(text->begin(), text->end());
    refuse(name, value->text() + " is not a text");
    return {};
}

Octets Record::octets(std::string_view name) {
    const std::string digits = text(name);
    auto octets = octets_from_hex(digits);
    if (!octets)
        refuse(name, "is not an even number of hexadecimal digits");
    return octets.value_or(Octets{});
}

uint64_t Record::integer(std::string_view name, uint64_t maximum) {
    // What follows the last extended packet number; ReplayState shows it so too.
    constexpr std::string_view kTwoTo64 = "18446744073709551616";
    const JsonValue* value = require(name);
    if (value == nullptr)
        return 0;
    std::optional<uint64_t> number;
    if (const auto* plain = value->as<uint64_t>())
        number = *plain;
    else if (const auto* digits = value->as<control::WipedString>())
        number = number_from_hex(*digits);
    else if (const auto* other = value->as<control::OtherNumber>();
             other && other->text == kTwoTo64)
        number = UINT64_MAX;
    if (!number)
        refuse(name, "is neither a number nor up to 16 hexadecimal digits");
    else if (*number > maximum)
        refuse(name, std::to_string(*number) + " is over " + std::to_string(maximum));
    return number.value_or(0);
}

bool Record::flag(std::string_view name) {
    const JsonValue* value = require(name);
    if (value == nullptr)
        return false;
    const bool* truth = value->as<bool>();
    if (truth == nullptr)
        refuse(name, value->text() + " is neither true nor false");
    return truth != nullptr && *truth;
}

uint64_t Record::integer_or(std::string_view name, uint64_t otherwise, uint64_t maximum) {
    return has(name) ? integer(name, maximum) : otherwise;
}

bool Record::flag_or(std::string_view name, bool otherwise) {
    return has(name) ? flag(name) : otherwise;
}

std::optional<XpnParameters> read_xpn(Record& record) {
    if (!record.has("salt") && !record.has("ssci"))
        return std::nullopt;
    XpnParameters xpn;
    const Octets salt = record.octets("salt");
    if (salt.size() == xpn.salt.size())
        std::ranges::copy(salt, xpn.salt.begin());
    else
        record.refuse("salt", std::to_string(salt.size()) + " octets, expected 12");
    xpn.ssci = static_cast<uint32_t>(record.integer("ssci", UINT32_MAX));
    return xpn;
}

CipherSuite suite_of(Record& record, const Octets& sak, bool xpn) {
    for (CipherSuite suite : kCipherSuites)
        if (sak_length(suite) == sak.size() && is_xpn(suite) == xpn)
            return suite;
    record.refuse("key", std::to_string(sak.size()) + " octets, expected 16 or 32");
    return CipherSuite::gcm_aes_128;
}

CipherSuite read_suite(Record& record, const Octets& sak, bool xpn) {
    if (!record.has("suite"))
        return suite_of(record, sak, xpn);
    const std::string text = record.text("suite");
    const auto suite = suite_from_name(text);
    if (!suite)
        record.refuse("suite", text + " is not a cipher suite");
    else if (sak_length(*suite) != sak.size())
        record.refuse("key", std::to_string(sak.size()) + " octets, expected " +
                                 std::to_string(sak_length(*suite)) + " for " + text);
    else if (is_xpn(*suite) != xpn)
        record.refuse("salt", (xpn ? "not for " : "is missing for ") + text);
    return suite.value_or(CipherSuite::gcm_aes_128);
}

} // namespace isthmus::macsec::tools
