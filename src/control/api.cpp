#include "control/api.hpp"

#include "control/api_row.hpp"
#include "control/audit_view.hpp"
#include "control/body_lines.hpp"
#include "control/http_error.hpp"
#include "control/http_tags.hpp"
#include "control/url.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>

#include <strings.h>

namespace isthmus::control {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kLines = "application/x-ndjson";

#define EDGE_PATH "/v1/edges/EDGE/"
#define CHANNEL_PATH EDGE_PATH "channels/CHANNEL"
#define ATTACHMENT_PATH EDGE_PATH "attachments/NAME"
constexpr auto kRows = std::to_array<Row>({
    {"GET", "/v1/openapi.json", get_openapi, "", "OpenApi", "", "this file"},
    {"GET", "/v1/status", get_status, "", "Status", "", "version, memory, workers, host stack"},
    {"GET", "/v1/events", get_events, "", "Events", "since", "what happened lately"},
    {"GET", "/v1/watch", get_watch, "", "Watch", "since", "what happens, as Server-Sent Events"},
    {"GET", "/v1/edges", get_edges, "", "Edges", "", "the edges of this daemon"},
    {"GET", "/v1/export", get_export, "", "Document", "", "the running state as a document"},
    {"POST", "/v1/apply", post_apply, "Document", "Plan", "dry_run allow_removals expect",
     "makes the running state as a document says, in one step"},
    {"GET", "/v1/counters", get_counters, "", "Counters", "", "everything that counts"},
    {"GET", "/v1/drops", get_drops, "", "Drops", "", "all drop reasons, with packets by edge"},
    {"GET", "/v1/runtime", get_runtime, "", "Runtime", "", "what workers and their stages cost"},
    {"GET", EDGE_PATH "mtu", get_sizes, "", "Sizes", "", "sizes of ports and attachments"},
    {"GET", EDGE_PATH "capacity", get_capacity, "", "Capacity", "",
     "what is sold and free on each interconnect"},
    {"GET", EDGE_PATH "usage", get_usage, "", "Usage", "limit after from to name",
     "what attachments are billed by: records in the order of intervals"},
    {"GET", EDGE_PATH "ports", get_ports, "", "Ports", "limit after name_prefix", "ports"},
    {"GET", EDGE_PATH "ports/PORT", get_port, "", "Port", "", "a port"},
    {"PATCH", EDGE_PATH "ports/PORT", patch_port, "PortState", "Port", "",
     "sets the admin state; a port that is down is not polled"},
    {"GET", EDGE_PATH "ports/PORT/xstats", get_port_statistics, "", "Xstats", "",
     "what the device counts, under its driver's names"},
    {"GET", EDGE_PATH "ports/PORT/traffic", get_traffic, "", "TrafficReport", "",
     "what a generator sent and received"},
    {"PUT", EDGE_PATH "ports/PORT/traffic", put_traffic, "Traffic", "TrafficReport", "",
     "what a generator sends; no streams: nothing"},
    {"GET", EDGE_PATH "interconnects", get_interconnects, "", "Interconnects",
     "limit after name_prefix", "interconnects and their channels"},
    {"GET", EDGE_PATH "channels", get_channels, "", "Channels",
     "limit after name_prefix interconnect", "channels, as each by itself"},
    {"GET", CHANNEL_PATH, get_channel, "", "Channel", "", "a channel with SCs, SAs and counters"},
    {"PATCH", CHANNEL_PATH, patch_channel, "ChannelState", "Channel", "", "sets the admin state"},
    {"POST", CHANNEL_PATH "/tx-sas", post_tx_sa, "TxSa", "Channel", "", "installs a transmit SA"},
    {"PATCH", CHANNEL_PATH "/tx-sas", patch_tx_sas, "EncodingAn", "Channel", "",
     "protects with this SA from now on"},
    {"DELETE", CHANNEL_PATH "/tx-sas/AN", delete_tx_sa, "", "", "", "removes a transmit SA"},
    {"POST", CHANNEL_PATH "/rx-scs", post_rx_sc, "RxSc", "Channel", "", "makes a receive SC"},
    {"DELETE", CHANNEL_PATH "/rx-scs/SCI", delete_rx_sc, "", "", "",
     "removes a receive SC and its SAs"},
    {"POST", CHANNEL_PATH "/rx-scs/SCI/sas", post_rx_sa, "RxSa", "Channel", "",
     "installs a receive SA"},
    {"PATCH", CHANNEL_PATH "/rx-scs/SCI/sas/AN", patch_rx_sa, "InUse", "Channel", "",
     "accepts what this SA protects, or refuses it"},
    {"DELETE", CHANNEL_PATH "/rx-scs/SCI/sas/AN", delete_rx_sa, "", "", "", "removes a receive SA"},
    {"GET", EDGE_PATH "attachments", get_attachments, "", "Attachments",
     "limit after name_prefix port interconnect channel", "attachments without their routes"},
    {"POST", EDGE_PATH "attachments", post_attachment, "Attachment", "AttachmentState", "",
     "makes an attachment"},
    {"GET", ATTACHMENT_PATH, get_attachment, "", "AttachmentState", "", "an attachment"},
    {"PUT", ATTACHMENT_PATH, put_attachment, "AttachmentPut", "AttachmentState", "",
     "makes or replaces an attachment; counters stay, and static neighbours that still fit", true},
    {"DELETE", ATTACHMENT_PATH, delete_attachment, "", "", "", "removes an attachment"},
    {"PUT", ATTACHMENT_PATH "/features/CHANNEL", put_feature, "Feature", "AttachmentState", "",
     "sets an attachment's parameters on a channel", true},
    {"DELETE", ATTACHMENT_PATH "/features/CHANNEL", delete_feature, "", "", "",
     "takes an attachment off a channel"},
    {"GET", ATTACHMENT_PATH "/routes", get_routes, "", "Routes", "limit after within covers via",
     "routes in order; as NDJSON: all of them, unless there is a limit", false, true},
    {"POST", ATTACHMENT_PATH "/routes", post_route, "Route", "Route", "",
     "adds a route; a conflict if there is one"},
    {"PATCH", ATTACHMENT_PATH "/routes", patch_routes, "RouteChange", "RouteCounts", "",
     "adds, replaces and removes any number of routes in one step", false, true},
    {"PUT", ATTACHMENT_PATH "/routes/PREFIX", put_route, "RouteVia", "Route", "",
     "adds or replaces a route", true},
    {"DELETE", ATTACHMENT_PATH "/routes/PREFIX", delete_route, "", "", "", "removes a route"},
    {"PATCH", ATTACHMENT_PATH "/limits", patch_limits, "Limits", "LimitsState", "",
     "sets limits; null: none; what is left out stays"},
    {"GET", EDGE_PATH "neighbours", get_neighbours, "", "Neighbours",
     "limit after attachment channel", "neighbours of all links"},
    {"PUT", ATTACHMENT_PATH "/neighbours/ADDRESS", put_neighbour, "Neighbour", "", "",
     "makes a static entry"},
    {"DELETE", ATTACHMENT_PATH "/neighbours/ADDRESS", delete_neighbour, "", "", "channel",
     "removes a static entry, or forgets a learnt one; without channel: on the VPC side"},
});
#undef EDGE_PATH
#undef CHANNEL_PATH
#undef ATTACHMENT_PATH

bool matches(std::string_view pattern, const std::vector<std::string>& path) {
    const auto slashes = std::ranges::count(pattern, '/');
    return static_cast<std::size_t>(slashes) == path.size() &&
           each_segment(pattern, [&](std::string_view segment, std::size_t i) {
               return placeholder_of(segment) || segment == path[i];
           });
}

// A media type, whatever its parameters are.
bool is_type(std::string_view content_type, std::string_view wanted) {
    auto type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t'))
        type.remove_suffix(1);
    return type.size() == wanted.size() &&
           strncasecmp(type.data(), wanted.data(), type.size()) == 0;
}

// The body as the row wants it; a reply if it is not so.
std::optional<HttpResponse> read_body(Call& call, const Row& row) {
    const HttpRequest& request = call.request;
    if (row.body.empty()) {
        if (request.body.empty())
            return std::nullopt;
        return render_error(invalid_value("body", "a body", "none"));
    }
    if (call.lines)
        return std::nullopt;
    if (!request.content_type.empty() && !is_type(request.content_type, kJson))
        return render_error(
            415, "unsupported_media_type",
            invalid_value("Content-Type", request.content_type,
                          std::string(kJson) + (row.lines ? " or " + std::string(kLines) : "")));
    auto body = parse_json(request.body);
    if (!body)
        return render_error(body.error());
    call.body = *std::move(body);
    return std::nullopt;
}

// What the path names exists; of rows that may create it.
bool exists(const Call& call, const Row& row) {
    if (row.path.ends_with("/PREFIX"))
        return call.attached().routes.contains(call.prefix);
    if (row.path.ends_with("/CHANNEL"))
        return call.attached().features.contains(call.channel);
    return call.attachment.valid();
}

HttpResponse precondition_failed(const char* field, const std::string& given, std::string tag) {
    auto refusal = render_error(
        412, "precondition_failed",
        invalid_value(field, given.substr(0, 64), tag.empty() ? "nothing is there" : tag));
    refusal.etag = std::move(tag);
    return refusal;
}

// What If-Match and If-None-Match ask for; a refusal if it is not so.
std::optional<HttpResponse> check_conditions(const Call& call, const Row& row,
                                             const std::string& tag) {
    const HttpRequest& request = call.request;
    if (request.if_match) {
        const auto wanted = parse_entity_tags(*request.if_match, "If-Match");
        if (!wanted)
            return render_error(wanted.error());
        if (tag.empty() || !(wanted->any || std::ranges::count(wanted->strong, tag) != 0))
            return precondition_failed("If-Match", *request.if_match, tag);
    }
    if (!request.if_none_match || row.verb == "GET")
        return std::nullopt;
    const auto unwanted = parse_entity_tags(*request.if_none_match, "If-None-Match");
    if (!unwanted)
        return render_error(unwanted.error());
    if (!unwanted->any || !row.creates)
        return render_error(invalid_value("If-None-Match", request.if_none_match->substr(0, 64),
                                          row.creates ? "*" : "none with this method and path"));
    if (exists(call, row))
        return precondition_failed("If-None-Match", *request.if_none_match, tag);
    return std::nullopt;
}

// Everything but the body.
std::optional<HttpResponse> prepare(Call& call, const Row& row,
                                    const std::vector<std::string>& path, const ObjectTags& tags) {
    if (auto found = resolve_path(call, row, path); !found)
        return render_error(found.error());
    if (auto good = read_query(call, row); !good)
        return render_error(good.error());
    return check_conditions(call, row, tags.of(call));
}

Call make_call(ControlPlane& control, const HttpRequest& request) {
    return {control, request, {}, nullptr, {}, {},    {},    {}, {},
            {},      {},      {}, {},      0,  false, false, {}, nullptr};
}

HttpResponse run(ControlPlane& control, ObjectTags& tags, const HttpRequest& request,
                 const Row& row, const std::vector<std::string>& path, RouteLines* lines,
                 AuditTrail& trail) {
    Call call = make_call(control, request);
    call.lines = lines;
    call.audit = trail.log;
    if (auto refusal = prepare(call, row, path, tags))
        return std::move(*refusal);
    if (auto refusal = read_body(call, row))
        return std::move(*refusal);
    const bool noted = row.verb != "GET";
    if (noted && !row.body.empty() && !lines)
        trail.change = audit_body(call.body, request.body.size());
    if (noted)
        trail.before = audit_view(call, row.path);
    Reply reply = row.handler(call);
    // A change that a worker has not confirmed is made.
    const bool made = noted && (reply || reply.error().code == ErrorCode::unavailable);
    if (made)
        trail.after = audit_view(call, row.path);
    if (made && !call.unchanged)
        tags.changed(call);
    if (!reply)
        return render_error(reply.error());
    HttpResponse response = *std::move(reply);
    if (row.handler != delete_attachment)
        response.etag = tags.of(call);
    return response;
}

// The row of a request; all that its path has, if there is none for the method.
struct Found {
    const Row* row = nullptr;
    std::string allow = {};
};
Found find_row(const std::vector<std::string>& path, std::string_view verb) {
    Found found;
    for (const auto& row : kRows) {
        if (!matches(row.path, path))
            continue;
        if (row.verb == verb)
            return {&row};
        found.allow += found.allow.empty() ? "" : ", ";
        found.allow += row.verb == "GET" ? "GET, HEAD" : row.verb;
    }
    return found;
}

HttpResponse dispatch(ControlPlane& control, ObjectTags& tags, const HttpRequest& request,
                      RouteLines* lines, AuditTrail& trail) {
    const auto path = split_path(request.path);
    if (!path)
        return render_error(
            invalid_value("path", request.path, "percent-encoded segments that are not empty"));
    // HEAD is GET whose body the server does not send (RFC 9110, section 9.3.2).
    auto [row, allow] = find_row(*path, request.method == "HEAD" ? "GET" : request.method);
    if (row)
        return run(control, tags, request, *row, *path, lines, trail);
    if (allow.empty())
        return render_error({ErrorCode::not_found, "path '" + request.path + "' does not exist",
                             "path", request.path});
    auto refusal =
        render_error(405, "method_not_allowed", invalid_value("method", request.method, allow));
    refusal.allow = std::move(allow);
    return refusal;
}

// What is named is looked up again when the last line is here: it may have gone meanwhile.
class RouteUpload : public BodySink {
  public:
    RouteUpload(Api& api, HttpRequest request) : api_(api), request_(std::move(request)) {}
    void take(std::string_view piece) override { lines_.take(piece); }
    HttpResponse finish() override { return api_.handle(request_, &lines_); }

  private:
    Api& api_;
    HttpRequest request_;
    RouteLines lines_;
};

} // namespace

std::span<const Row> api_rows() {
    return kRows;
}

std::vector<unsigned> statuses_of(const Row& row) {
    const bool change = row.verb != "GET";
    const bool adds = row.verb == "POST" && row.handler != post_apply;
    std::vector<unsigned> all;
    const auto add = [&](bool condition, unsigned status) {
        if (condition)
            all.push_back(status);
    };
    add(!row.answer.empty() && !adds, 200);
    add(adds || row.handler == put_attachment, 201);
    add(row.answer.empty(), 204);
    add(true, 400);
    add(true, 403);
    add(row.path.find("EDGE") != std::string_view::npos, 404);
    add(true, 408);
    add(change || row.path.ends_with("/traffic"), 409);
    add(true, 412);
    add(!row.body.empty(), 413);
    add(!row.body.empty(), 415);
    for (const unsigned status : {429u, 431u, 500u, 503u})
        add(true, status);
    add(change, 507);
    return all;
}

HttpResponse Api::handle(const HttpRequest& request, RouteLines* lines) {
    AuditTrail trail{audit_};
    HttpResponse response;
    try {
        response = dispatch(control_, tags_, request, lines, trail);
    } catch (const std::exception& failure) {
        response = render_error({ErrorCode::internal, failure.what()});
    }
    if (audit_)
        audit_->record(request, trail, response);
    return response;
}

HttpServer::Opening Api::open(const HttpRequest& request) {
    if (!is_type(request.content_type, kLines))
        return {};
    const auto path = split_path(request.path);
    const Row* row = path ? find_row(*path, request.method).row : nullptr;
    if (!row || !row->lines || row->body.empty())
        return {};
    Call call = make_call(control_, request);
    if (auto refusal = prepare(call, *row, *path, tags_)) {
        if (audit_)
            audit_->record(request, {}, *refusal);
        return std::move(*refusal);
    }
    return std::make_unique<RouteUpload>(*this, request);
}

} // namespace isthmus::control
