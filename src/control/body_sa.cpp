// What is said of SAs. Errors show nothing of a SAK.

#include "control/body.hpp"
#include "control/body_fields.hpp"
#include "control/url.hpp"

#include <array>

namespace isthmus::control {
namespace {

constexpr uint64_t kMaxAn = macsec::kAssociationNumbers - 1;
constexpr std::size_t kSaltOctets = sizeof(macsec::XpnParameters::salt);

struct SaDraft : SaBody {
    macsec::CipherSuite suite{};
    macsec::XpnParameters parameters;
    bool has_salt = false, has_ssci = false;
};

// `octets` as hexadecimal digits; false if the text is anything else.
bool read_octets(std::string_view text, std::span<uint8_t> octets) {
    if (text.size() != 2 * octets.size())
        return false;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        octets[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return true;
}

Result<void> read_sak(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    const std::size_t octets = macsec::sak_length(out.suite);
    const std::string expected = std::to_string(2 * octets) + " hexadecimal digits for " +
                                 std::string(macsec::name(out.suite));
    const auto* text = value.as<WipedString>();
    if (!text)
        return path.error("this type", expected);
    if (text->size() != 2 * octets)
        return path.error("a length of " + std::to_string(text->size()), expected);
    out.sak.resize(octets);
    if (!read_octets(*text, out.sak))
        return path.error("the text given", expected);
    return {};
}

Result<void> read_pn(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    const auto pn = read_unsigned(value, path, 1, macsec::last_pn(out.suite));
    if (!pn)
        return pn.error();
    out.pn = *pn;
    return {};
}

std::string no_xpn(const SaDraft& draft) {
    return "no such field with " + std::string(macsec::name(draft.suite));
}

// Public, so an error may show it.
Result<void> read_salt(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    if (!macsec::is_xpn(out.suite))
        return path.error(value.text(), no_xpn(out));
    const auto* text = value.as<WipedString>();
    if (!text || !read_octets(*text, out.parameters.salt))
        return path.error(value.text(), std::to_string(2 * kSaltOctets) + " hexadecimal digits");
    out.has_salt = true;
    return {};
}

Result<void> read_ssci(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    if (!macsec::is_xpn(out.suite))
        return path.error(value.text(), no_xpn(out));
    const auto ssci = read_unsigned(value, path, 1, UINT32_MAX);
    if (!ssci)
        return ssci.error();
    out.parameters.ssci = static_cast<uint32_t>(*ssci);
    out.has_ssci = true;
    return {};
}

Result<void> read_truth(bool& out, const JsonValue& value, const FieldPath& path) {
    const auto* truth = value.as<bool>();
    if (!truth)
        return path.error(value.text(), "true or false");
    out = *truth;
    return {};
}

Result<void> read_sa_in_use(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    return read_truth(out.in_use, value, path);
}

constexpr auto kTxSaFields = std::to_array<Field<SaDraft>>({
    {"an", Need::required, integer<SaDraft, &SaDraft::an, 0, kMaxAn>},
    {"sak", Need::required, read_sak},
    {"next_pn", Need::optional, read_pn},
    {"salt", Need::optional, read_salt},
    {"ssci", Need::optional, read_ssci},
});

constexpr auto kRxSaFields = std::to_array<Field<SaDraft>>({
    {"an", Need::required, integer<SaDraft, &SaDraft::an, 0, kMaxAn>},
    {"sak", Need::required, read_sak},
    {"lowest_pn", Need::optional, read_pn},
    {"salt", Need::optional, read_salt},
    {"ssci", Need::optional, read_ssci},
    {"in_use", Need::optional, read_sa_in_use},
});

Error needed(const char* field, macsec::CipherSuite suite) {
    return {ErrorCode::invalid,
            std::string(field) + ": the field is missing, " + std::string(macsec::name(suite)) +
                " needs it",
            field};
}

Result<SaBody> read_sa(const JsonValue& body, macsec::CipherSuite suite,
                       std::span<const Field<SaDraft>> fields) {
    SaDraft out;
    out.suite = suite;
    if (auto read = read_object<SaDraft>(out, body, fields, {}); !read)
        return read.error();
    if (macsec::is_xpn(suite)) {
        if (!out.has_salt || !out.has_ssci)
            return needed(out.has_salt ? "ssci" : "salt", suite);
        out.xpn = out.parameters;
    }
    return SaBody(std::move(out));
}

Result<void> read_an(uint8_t& out, const JsonValue& value, const FieldPath& path) {
    const auto an = read_unsigned(value, path, 0, kMaxAn);
    if (!an)
        return an.error();
    out = static_cast<uint8_t>(*an);
    return {};
}

constexpr auto kEncodingFields = std::to_array<Field<uint8_t>>({
    {"encoding_an", Need::required, read_an},
});
constexpr auto kInUseFields = std::to_array<Field<bool>>({
    {"in_use", Need::required, read_truth},
});

} // namespace

Result<SaBody> read_tx_sa(const JsonValue& body, macsec::CipherSuite suite) {
    return read_sa(body, suite, kTxSaFields);
}

Result<SaBody> read_rx_sa(const JsonValue& body, macsec::CipherSuite suite) {
    return read_sa(body, suite, kRxSaFields);
}

Result<bool> read_in_use(const JsonValue& body) {
    bool in_use = false;
    if (auto read = read_object<bool>(in_use, body, kInUseFields, {}); !read)
        return read.error();
    return in_use;
}

Result<uint8_t> read_encoding_an(const JsonValue& body) {
    uint8_t an = 0;
    if (auto read = read_object<uint8_t>(an, body, kEncodingFields, {}); !read)
        return read.error();
    return an;
}

Result<uint8_t> parse_an(std::string_view text) {
    if (text.size() != 1 || text[0] < '0' || text[0] > static_cast<char>('0' + kMaxAn))
        return invalid_value("an", std::string(text.substr(0, 64)), "0.." + std::to_string(kMaxAn));
    return static_cast<uint8_t>(text[0] - '0');
}

} // namespace isthmus::control
