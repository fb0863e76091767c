#include "control/api.hpp"

#include "control/api_call.hpp"
#include "control/http_error.hpp"
#include "control/url.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>

#include <strings.h>

namespace isthmus::control {
namespace {

enum class Body : uint8_t { none, json };

// Segments of a path in capitals are placeholders: their resolvers are in kPlaceholders.
struct Row {
    std::string_view verb;
    std::string_view path;
    Body body;
    CallHandler handler;
    std::string_view query = {}; // the one query field that is allowed
};

constexpr auto kRows = std::to_array<Row>({
    {"GET", "/v1/status", Body::none, get_status},
    {"GET", "/v1/edges", Body::none, get_edges},
    {"GET", "/v1/counters", Body::none, get_counters},
    {"GET", "/v1/drops", Body::none, get_drops},
    {"GET", "/v1/runtime", Body::none, get_runtime},
    {"GET", "/v1/edges/EDGE/mtu", Body::none, get_sizes},
    {"GET", "/v1/edges/EDGE/capacity", Body::none, get_capacity},
    {"GET", "/v1/edges/EDGE/ports", Body::none, get_ports},
    {"PATCH", "/v1/edges/EDGE/ports/PORT", Body::json, patch_port},
    {"GET", "/v1/edges/EDGE/ports/PORT/traffic", Body::none, get_traffic},
    {"PUT", "/v1/edges/EDGE/ports/PORT/traffic", Body::json, put_traffic},
    {"GET", "/v1/edges/EDGE/interconnects", Body::none, get_interconnects},
    {"GET", "/v1/edges/EDGE/channels", Body::none, get_channels},
    {"GET", "/v1/edges/EDGE/channels/CHANNEL", Body::none, get_channel},
    {"PATCH", "/v1/edges/EDGE/channels/CHANNEL", Body::json, patch_channel},
    {"POST", "/v1/edges/EDGE/channels/CHANNEL/tx-sas", Body::json, post_tx_sa},
    {"PATCH", "/v1/edges/EDGE/channels/CHANNEL/tx-sas", Body::json, patch_tx_sas},
    {"DELETE", "/v1/edges/EDGE/channels/CHANNEL/tx-sas/AN", Body::none, delete_tx_sa},
    {"POST", "/v1/edges/EDGE/channels/CHANNEL/rx-scs", Body::json, post_rx_sc},
    {"DELETE", "/v1/edges/EDGE/channels/CHANNEL/rx-scs/SCI", Body::none, delete_rx_sc},
    {"POST", "/v1/edges/EDGE/channels/CHANNEL/rx-scs/SCI/sas", Body::json, post_rx_sa},
    {"PATCH", "/v1/edges/EDGE/channels/CHANNEL/rx-scs/SCI/sas/AN", Body::json, patch_rx_sa},
    {"DELETE", "/v1/edges/EDGE/channels/CHANNEL/rx-scs/SCI/sas/AN", Body::none, delete_rx_sa},
    {"GET", "/v1/edges/EDGE/attachments", Body::none, get_attachments},
    {"POST", "/v1/edges/EDGE/attachments", Body::json, post_attachment},
    {"GET", "/v1/edges/EDGE/attachments/NAME", Body::none, get_attachment},
    {"PUT", "/v1/edges/EDGE/attachments/NAME", Body::json, put_attachment},
    {"DELETE", "/v1/edges/EDGE/attachments/NAME", Body::none, delete_attachment},
    {"PUT", "/v1/edges/EDGE/attachments/NAME/features/CHANNEL", Body::json, put_feature},
    {"DELETE", "/v1/edges/EDGE/attachments/NAME/features/CHANNEL", Body::none, delete_feature},
    {"GET", "/v1/edges/EDGE/attachments/NAME/routes", Body::none, get_routes},
    {"POST", "/v1/edges/EDGE/attachments/NAME/routes", Body::json, post_route},
    {"PATCH", "/v1/edges/EDGE/attachments/NAME/routes", Body::json, patch_routes},
    {"PUT", "/v1/edges/EDGE/attachments/NAME/routes/PREFIX", Body::json, put_route},
    {"DELETE", "/v1/edges/EDGE/attachments/NAME/routes/PREFIX", Body::none, delete_route},
    {"PATCH", "/v1/edges/EDGE/attachments/NAME/limits", Body::json, patch_limits},
    {"GET", "/v1/edges/EDGE/neighbours", Body::none, get_neighbours},
    {"PUT", "/v1/edges/EDGE/attachments/NAME/neighbours/ADDRESS", Body::json, put_neighbour},
    {"DELETE", "/v1/edges/EDGE/attachments/NAME/neighbours/ADDRESS", Body::none, delete_neighbour,
     "channel"},
});

Error no_such(std::string what, const std::string& value) {
    return {ErrorCode::not_found, what + " '" + value + "' does not exist", what, value};
}

Result<void> resolve_edge(Call& call, const std::string& text) {
    const auto& edges = call.config().edges;
    const auto found = std::ranges::find(edges, text, &EdgeConfig::name);
    if (found == edges.end())
        return no_such("edge", text);
    call.edge = EdgeId{static_cast<std::size_t>(found - edges.begin())};
    return {};
}

Result<void> resolve_port(Call& call, const std::string& text) {
    const auto port = find_port(call.config(), call.edge, text);
    if (!port)
        return no_such("port", text);
    call.port = *port;
    return {};
}

Result<void> resolve_channel(Call& call, const std::string& text) {
    const auto channel = find_channel(call.config(), call.edge, text);
    if (!channel)
        return no_such("channel", text);
    call.channel = *channel;
    return {};
}

Result<void> resolve_attachment(Call& call, const std::string& text) {
    if (const auto id = call.model().index.named(call.edge, text)) {
        call.attachment = *id;
        return {};
    }
    return no_such("attachment", text);
}

template <auto Member, auto Parse>
Result<void> resolve_value(Call& call, const std::string& text, const char* field) {
    const auto value = Parse(text, field);
    if (!value)
        return value.error();
    call.*Member = *value;
    return {};
}

Result<void> resolve_prefix(Call& call, const std::string& text) {
    return resolve_value<&Call::prefix, parse_prefix>(call, text, "prefix");
}

Result<void> resolve_address(Call& call, const std::string& text) {
    return resolve_value<&Call::address, parse_ip>(call, text, "address");
}

Result<void> resolve_sci(Call& call, const std::string& text) {
    return resolve_value<&Call::sci, parse_sci>(call, text, "sci");
}

Result<void> resolve_an(Call& call, const std::string& text) {
    const auto an = parse_an(text);
    if (!an)
        return an.error();
    call.an = *an;
    return {};
}

struct Placeholder {
    std::string_view segment;
    Result<void> (*resolve)(Call&, const std::string&);
};
constexpr auto kPlaceholders = std::to_array<Placeholder>({
    {"EDGE", resolve_edge},
    {"PORT", resolve_port},
    {"CHANNEL", resolve_channel},
    {"NAME", resolve_attachment},
    {"PREFIX", resolve_prefix},
    {"ADDRESS", resolve_address},
    {"SCI", resolve_sci},
    {"AN", resolve_an},
});

const Placeholder* placeholder_of(std::string_view segment) {
    const auto found = std::ranges::find(kPlaceholders, segment, &Placeholder::segment);
    return found == kPlaceholders.end() ? nullptr : &*found;
}

// Calls visit(segment of the pattern, index) for each; false if one call was.
template <class Visit> bool each_segment(std::string_view pattern, const Visit& visit) {
    for (std::size_t i = 0; !pattern.empty(); ++i) {
        pattern.remove_prefix(1);
        const auto end = std::min(pattern.find('/'), pattern.size());
        if (!visit(pattern.substr(0, end), i))
            return false;
        pattern.remove_prefix(end);
    }
    return true;
}

bool matches(std::string_view pattern, const std::vector<std::string>& path) {
    const auto slashes = std::ranges::count(pattern, '/');
    return static_cast<std::size_t>(slashes) == path.size() &&
           each_segment(pattern, [&](std::string_view segment, std::size_t i) {
               return placeholder_of(segment) || segment == path[i];
           });
}

Result<void> resolve(Call& call, const Row& row, const std::vector<std::string>& path) {
    Result<void> result;
    each_segment(row.path, [&](std::string_view segment, std::size_t i) {
        if (const auto* placeholder = placeholder_of(segment))
            result = placeholder->resolve(call, path[i]);
        return result.has_value();
    });
    return result;
}

Result<void> check_query(const HttpRequest& request, const Row& row) {
    for (std::size_t i = 0; i < request.query.size(); ++i)
        if (request.query[i].first != row.query || i > 0)
            return invalid_value("query", request.query[i].first,
                                 row.query.empty() ? "no query"
                                                   : std::string(row.query) + ", once");
    return {};
}

bool is_json(std::string_view content_type) {
    constexpr std::string_view kJson = "application/json";
    auto type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t'))
        type.remove_suffix(1);
    return type.size() == kJson.size() && strncasecmp(type.data(), kJson.data(), type.size()) == 0;
}

// The body as the row wants it; a reply if it is not so.
std::optional<HttpResponse> read_body(Call& call, const Row& row) {
    const HttpRequest& request = call.request;
    if (row.body == Body::none) {
        if (request.body.empty())
            return std::nullopt;
        return render_error(invalid_value("body", "a body", "none"));
    }
    if (!request.content_type.empty() && !is_json(request.content_type))
        return render_error(
            415, "unsupported_media_type",
            invalid_value("Content-Type", request.content_type, "application/json"));
    auto body = parse_json(request.body);
    if (!body)
        return render_error(body.error());
    call.body = *std::move(body);
    return std::nullopt;
}

HttpResponse run(ControlPlane& control, const HttpRequest& request, const Row& row,
                 const std::vector<std::string>& path) {
    Call call{control, request, {}, {}, {}, {}, {}, {}, {}, {}};
    if (auto good = check_query(request, row); !good)
        return render_error(good.error());
    if (auto found = resolve(call, row, path); !found)
        return render_error(found.error());
    if (auto refusal = read_body(call, row))
        return std::move(*refusal);
    Reply reply = row.handler(call);
    return reply ? *std::move(reply) : render_error(reply.error());
}

HttpResponse dispatch(ControlPlane& control, const HttpRequest& request) {
    const auto path = split_path(request.path);
    if (!path)
        return render_error(
            invalid_value("path", request.path, "percent-encoded segments that are not empty"));
    // HEAD is GET whose body the server does not send (RFC 9110, section 9.3.2).
    std::string_view verb = request.method;
    if (verb == "HEAD")
        verb = "GET";
    std::string allow;
    for (const auto& row : kRows) {
        if (!matches(row.path, *path))
            continue;
        if (row.verb == verb)
            return run(control, request, row, *path);
        allow += allow.empty() ? "" : ", ";
        allow += row.verb == "GET" ? "GET, HEAD" : row.verb;
    }
    if (allow.empty())
        return render_error(no_such("path", request.path));
    auto refusal =
        render_error(405, "method_not_allowed", invalid_value("method", request.method, allow));
    refusal.allow = std::move(allow);
    return refusal;
}

} // namespace

HttpResponse Api::handle(const HttpRequest& request) {
    try {
        return dispatch(control_, request);
    } catch (const std::exception& failure) {
        return render_error({ErrorCode::internal, failure.what()});
    }
}

} // namespace isthmus::control
