// Attachments, their features and limits.

#include "control/body.hpp"
#include "control/body_fields.hpp"
#include "control/body_routes.hpp"
#include "control/validate.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace isthmus::control {
namespace {

constexpr uint64_t kMinMtu = 576; // RFC 791; ports and IPv6 bound it further
constexpr uint64_t kMaxMtu = kMaxPortMtu;

Result<void> read_addresses(LinkAddresses& out, const JsonValue& value, const FieldPath& path) {
    return read_list(value, path, 2, [&](const JsonValue& item, const FieldPath& here) {
        const auto text = read_text(item, here, "an address with its prefix length");
        if (!text)
            return Result<void>{text.error()};
        const auto own = parse_interface(*text, here.text());
        if (!own)
            return Result<void>{own.error()};
        const auto* v4 = std::get_if<Ipv4Prefix>(&*own);
        const auto* v6 = std::get_if<Ipv6Prefix>(&*own);
        if ((v4 && out.ipv4) || (v6 && out.ipv6))
            return Result<void>{here.error(item.text(), "one address of each family")};
        if (v4)
            out.ipv4 = *v4;
        else
            out.ipv6 = *v6;
        return Result<void>{};
    });
}

template <class T, auto Member>
Result<void> addresses(T& out, const JsonValue& value, const FieldPath& path) {
    return read_addresses(out.*Member, value, path);
}

constexpr auto kFeatureFields = std::to_array<Field<Feature>>({
    {"vlan", Need::required, integer<Feature, &Feature::vlan, kMinFeatureVlan, kMaxVlan>},
    {"addresses", Need::required, addresses<Feature, &Feature::local>},
    {"peer_ipv4", Need::optional, parsed<Feature, &Feature::peer_ipv4, parse_ipv4>},
    {"peer_ipv6", Need::optional, parsed<Feature, &Feature::peer_ipv6, parse_ipv6>},
    {"mtu", Need::optional, integer<Feature, &Feature::mtu, kMinMtu, kMaxMtu>},
});

constexpr auto kLimitFields = std::to_array<Field<Limit>>({
    {"rate_bps", Need::required, integer<Limit, &Limit::rate_bps, kMinRateBps, kMaxRateBps>},
    {"burst_us", Need::optional, integer<Limit, &Limit::burst_us, kMinBurstUs, kMaxBurstUs>},
    {"peak_bps", Need::optional, integer<Limit, &Limit::peak_bps, kMinRateBps, kMaxRateBps>},
    {"excess_dscp", Need::optional, integer<Limit, &Limit::excess_dscp, 0, kMaxDscp>},
});

template <auto Member>
Result<void> limit(LimitsChange& out, const JsonValue& value, const FieldPath& path) {
    auto& change = out.*Member;
    change.emplace();
    if (value.is_null())
        return {};
    return read_object<Limit>(change->emplace(), value, kLimitFields, path);
}

constexpr auto kLimitsFields = std::to_array<Field<LimitsChange>>({
    {"egress", Need::optional, limit<&LimitsChange::egress>},
    {"ingress", Need::optional, limit<&LimitsChange::ingress>},
});

struct AttachmentBody : Attachment {
    const Config* config = nullptr;
};

Result<void> read_name(AttachmentBody& out, const JsonValue& value, const FieldPath& path) {
    const auto text = read_text(value, path, "a name");
    if (!text)
        return text.error();
    if (!out.name.empty() && out.name != *text)
        return path.error(value.text(), out.name + ", the name in the path");
    out.name = *text;
    return {};
}

Result<void> read_interconnect(AttachmentBody& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "the name of an interconnect of this edge";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    const auto& all = out.config->interconnects;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].edge == out.edge && all[i].name == *text) {
            out.interconnect = InterconnectId{i};
            return {};
        }
    return path.error(value.text(), std::string(kExpected));
}

Result<void> read_port(AttachmentBody& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "the name of a port of this edge";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    const auto port = find_port(*out.config, out.edge, *text);
    if (!port)
        return path.error(value.text(), std::string(kExpected));
    out.port = *port;
    return {};
}

Result<void> read_mss_clamp(AttachmentBody& out, const JsonValue& value, const FieldPath& path) {
    const std::string expected =
        "'off', 'auto' or " + std::to_string(kMinMss) + ".." + std::to_string(kMaxMss);
    out.mss_clamp = {};
    if (const auto* number = value.as<uint64_t>()) {
        if (*number < kMinMss || *number > kMaxMss)
            return path.error(value.text(), expected);
        out.mss_clamp = {MssClamp::Mode::value, static_cast<uint16_t>(*number)};
        return {};
    }
    const auto text = read_text(value, path, expected);
    if (!text)
        return text.error();
    if (*text == "auto")
        out.mss_clamp.mode = MssClamp::Mode::automatic;
    else if (*text != "off")
        return path.error(value.text(), expected);
    return {};
}

Result<void> read_attachment_limits(AttachmentBody& out, const JsonValue& value,
                                    const FieldPath& path) {
    LimitsChange limits;
    if (auto read = read_object<LimitsChange>(limits, value, kLimitsFields, path); !read)
        return read;
    out.egress_limit = limits.egress.value_or(std::nullopt);
    out.ingress_limit = limits.ingress.value_or(std::nullopt);
    return {};
}

Result<void> read_features(AttachmentBody& out, const JsonValue& value, const FieldPath& path) {
    const auto* members = value.as<JsonObject>();
    if (!members)
        return path.error(value.text(), "an object by channel name");
    for (const auto& [name, member] : *members) {
        const FieldPath here{&path, name};
        const auto channel = find_channel(*out.config, out.edge, name);
        if (!channel)
            return here.error(name, "the name of a channel of this edge");
        if (auto read = read_object<Feature>(out.features[*channel], member, kFeatureFields, here);
            !read)
            return read;
    }
    return {};
}

Result<void> read_attachment_routes(AttachmentBody& out, const JsonValue& value,
                                    const FieldPath& path) {
    return read_routes(out.routes, value, path);
}

constexpr auto kAttachmentFields = std::to_array<Field<AttachmentBody>>({
    {"name", Need::optional, read_name},
    {"interconnect", Need::optional, read_interconnect},
    {"port", Need::required, read_port},
    {"vlan", Need::optional, integer<AttachmentBody, &AttachmentBody::vlan, 0, kMaxVlan>},
    {"mtu", Need::optional, integer<AttachmentBody, &AttachmentBody::mtu, kMinMtu, kMaxMtu>},
    {"mss_clamp", Need::optional, read_mss_clamp},
    {"addresses", Need::required, addresses<AttachmentBody, &AttachmentBody::local>},
    {"limits", Need::optional, read_attachment_limits},
    {"features", Need::optional, read_features},
    {"routes", Need::optional, read_attachment_routes},
});

// The edge's only interconnect, if it has one.
InterconnectId only_interconnect(const Config& config, EdgeId edge) {
    InterconnectId found;
    for (std::size_t i = 0; i < config.interconnects.size(); ++i)
        if (config.interconnects[i].edge == edge) {
            if (found.valid())
                return {};
            found = InterconnectId{i};
        }
    return found;
}

} // namespace

Result<Attachment> read_attachment(const JsonValue& body, const Config& config, EdgeId edge,
                                   std::optional<std::string> name) {
    AttachmentBody out;
    out.config = &config;
    out.edge = edge;
    out.interconnect = only_interconnect(config, edge);
    if (name)
        out.name = std::move(*name);
    if (auto read = read_object<AttachmentBody>(out, body, kAttachmentFields, {}); !read)
        return read.error();
    if (out.name.empty())
        return Error{ErrorCode::invalid, "name: the field is missing", "name"};
    if (!out.interconnect.valid())
        return Error{ErrorCode::invalid,
                     "interconnect: the field is missing, the edge has not exactly one",
                     "interconnect"};
    return Attachment(std::move(out));
}

Result<Feature> read_feature(const JsonValue& body) {
    Feature out;
    if (auto read = read_object<Feature>(out, body, kFeatureFields, {}); !read)
        return read.error();
    return out;
}

Result<LimitsChange> read_limits(const JsonValue& body) {
    LimitsChange out;
    if (auto read = read_object<LimitsChange>(out, body, kLimitsFields, {}); !read)
        return read.error();
    return out;
}

} // namespace isthmus::control
