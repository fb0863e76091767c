// What is said of channels, ports and neighbours.

#include "control/body.hpp"
#include "control/body_fields.hpp"
#include "control/url.hpp"

#include <array>

namespace isthmus::control {
namespace {

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
