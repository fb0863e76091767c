#include "macsec/tools/octets.hpp"

#include <charconv>

namespace isthmus::macsec::tools {

std::optional<uint64_t> number_from_hex(std::string_view digits) {
    uint64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number, 16);
    if (digits.empty() || digits.front() == '-' || error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

std::optional<Octets> octets_from_hex(std::string_view digits) {
    if (digits.size() % 2 != 0)
        return std::nullopt;
    Octets octets;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const auto octet = number_from_hex(digits.substr(i, 2));
        if (!octet)
            return std::nullopt;
        octets.push_back(static_cast<uint8_t>(*octet));
    }
    return octets;
}

std::string to_hex(std::span<const uint8_t> octets) {
    std::string text;
    for (uint8_t octet : octets) {
        text += "0123456789abcdef"[octet >> 4];
        text += "0123456789abcdef"[octet & 0xf];
    }
    return text;
}

} // namespace isthmus::macsec::tools
