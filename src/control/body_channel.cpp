// What is said of channels, ports, keys and neighbours.

#include "control/body.hpp"
#include "control/body_fields.hpp"
#include "control/url.hpp"

#include <array>

namespace isthmus::control {
namespace {

constexpr uint64_t kMaxAn = macsec::kAssociationNumbers - 1;

Result<void> read_channel_state(AdminState& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "'up', 'drain' or 'down'";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    if (*text == "up")
        out = AdminState::up;
    else if (*text == "drain")
        out = AdminState::drain;
    else if (*text == "down")
        out = AdminState::down;
    else
        return path.error(value.text(), std::string(kExpected));
    return {};
}

constexpr auto kChannelFields = std::to_array<Field<AdminState>>({
    {"admin_state", Need::required, read_channel_state},
});

Result<void> read_port_state(bool& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "'up' or 'down'";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    if (*text != "up" && *text != "down")
        return path.error(value.text(), std::string(kExpected));
    out = *text == "up";
    return {};
}

constexpr auto kPortFields = std::to_array<Field<bool>>({
    {"admin_state", Need::required, read_port_state},
});

struct SaDraft : SaBody {
    macsec::CipherSuite suite{};
};

Result<void> read_sak(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    const std::size_t octets = macsec::sak_length(out.suite);
    const std::string expected = std::to_string(2 * octets) + " hexadecimal digits for " +
                                 std::string(macsec::name(out.suite));
    const auto* text = value.as<WipedString>();
    if (!text)
        return path.error("this type", expected);
    if (text->size() != 2 * octets)
        return path.error("a length of " + std::to_string(text->size()), expected);
    out.sak.reserve(octets);
    for (std::size_t i = 0; i < octets; ++i) {
        const int high = hex_digit((*text)[2 * i]);
        const int low = hex_digit((*text)[2 * i + 1]);
        if (high < 0 || low < 0)
            return path.error("the text given", expected);
        out.sak.push_back(static_cast<uint8_t>(high << 4 | low));
    }
    return {};
}

Result<void> read_pn(SaDraft& out, const JsonValue& value, const FieldPath& path) {
    const auto pn = read_unsigned(value, path, 1, macsec::last_pn(out.suite));
    if (!pn)
        return pn.error();
    out.pn = *pn;
    return {};
}

constexpr auto kTxSaFields = std::to_array<Field<SaDraft>>({
    {"an", Need::required, integer<SaDraft, &SaDraft::an, 0, kMaxAn>},
    {"sak", Need::required, read_sak},
    {"next_pn", Need::optional, read_pn},
});

constexpr auto kRxSaFields = std::to_array<Field<SaDraft>>({
    {"an", Need::required, integer<SaDraft, &SaDraft::an, 0, kMaxAn>},
    {"sak", Need::required, read_sak},
    {"lowest_pn", Need::optional, read_pn},
});

Result<SaBody> read_sa(const JsonValue& body, macsec::CipherSuite suite,
                       std::span<const Field<SaDraft>> fields) {
    SaDraft out;
    out.suite = suite;
    if (auto read = read_object<SaDraft>(out, body, fields, {}); !read)
        return read.error();
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

Result<void> read_sci(macsec::Sci& out, const JsonValue& value, const FieldPath& path) {
    const auto text = read_text(value, path, "16 hexadecimal digits");
    if (!text)
        return text.error();
    const auto sci = parse_sci(*text, path.text());
    if (!sci)
        return sci.error();
    out = *sci;
    return {};
}

constexpr auto kRxScFields = std::to_array<Field<macsec::Sci>>({
    {"sci", Need::required, read_sci},
});

struct NeighbourDraft : NeighbourBody {
    const Config* config = nullptr;
    EdgeId edge;
};

Result<void> read_channel_name(NeighbourDraft& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "the name of a channel of this edge";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    const auto channel = find_channel(*out.config, out.edge, *text);
    if (!channel)
        return path.error(value.text(), std::string(kExpected));
    out.channel = *channel;
    return {};
}

constexpr auto kNeighbourFields = std::to_array<Field<NeighbourDraft>>({
    {"mac", Need::required, parsed<NeighbourDraft, &NeighbourDraft::mac, parse_mac>},
    {"channel", Need::optional, read_channel_name},
});

template <class T> Result<T> read_whole(const JsonValue& body, std::span<const Field<T>> fields) {
    T out{};
    if (auto read = read_object<T>(out, body, fields, {}); !read)
        return read.error();
    return out;
}

} // namespace

Result<AdminState> read_channel_admin(const JsonValue& body) {
    return read_whole<AdminState>(body, kChannelFields);
}

Result<bool> read_port_admin(const JsonValue& body) {
    return read_whole<bool>(body, kPortFields);
}

Result<SaBody> read_tx_sa(const JsonValue& body, macsec::CipherSuite suite) {
    return read_sa(body, suite, kTxSaFields);
}

Result<SaBody> read_rx_sa(const JsonValue& body, macsec::CipherSuite suite) {
    return read_sa(body, suite, kRxSaFields);
}

Result<uint8_t> read_encoding_an(const JsonValue& body) {
    return read_whole<uint8_t>(body, kEncodingFields);
}

Result<macsec::Sci> read_rx_sc(const JsonValue& body) {
    return read_whole<macsec::Sci>(body, kRxScFields);
}

Result<NeighbourBody> read_neighbour(const JsonValue& body, const Config& config, EdgeId edge) {
    NeighbourDraft out;
    out.config = &config;
    out.edge = edge;
    if (auto read = read_object<NeighbourDraft>(out, body, kNeighbourFields, {}); !read)
        return read.error();
    return NeighbourBody(out);
}

Result<uint8_t> parse_an(std::string_view text) {
    if (text.size() != 1 || text[0] < '0' || text[0] > static_cast<char>('0' + kMaxAn))
        return invalid_value("an", std::string(text.substr(0, 64)), "0.." + std::to_string(kMaxAn));
    return static_cast<uint8_t>(text[0] - '0');
}

Result<macsec::Sci> parse_sci(std::string_view text, std::string field) {
    macsec::Sci sci;
    bool good = text.size() == 16;
    for (const char c : text) {
        const int digit = hex_digit(c);
        good = good && digit >= 0;
        if (good)
            sci.value = sci.value << 4 | static_cast<uint64_t>(digit);
    }
    if (!good)
        return invalid_value(std::move(field), std::string(text.substr(0, 64)),
                             "16 hexadecimal digits");
    return sci;
}

std::optional<PortId> find_port(const Config& config, EdgeId edge, std::string_view name) {
    for (std::size_t i = 0; i < config.ports.size(); ++i)
        if (config.ports[i].edge == edge && config.ports[i].name == name)
            return PortId{i};
    return std::nullopt;
}

std::optional<ChannelId> find_channel(const Config& config, EdgeId edge, std::string_view name) {
    for (std::size_t i = 0; i < config.channels.size(); ++i)
        if (config.channels[i].edge == edge && config.channels[i].name == name)
            return ChannelId{i};
    return std::nullopt;
}

} // namespace isthmus::control
