// Routes, one by one and many at once.

#include "control/body_routes.hpp"

#include "control/body.hpp"

#include <array>
#include <span>

namespace isthmus::control {
namespace {

struct RouteBody {
    IpPrefix prefix;
    Route route;
};

Result<void> read_prefix(RouteBody& out, const JsonValue& value, const FieldPath& path) {
    return parsed<RouteBody, &RouteBody::prefix, parse_prefix>(out, value, path);
}

Result<void> read_via(RouteBody& out, const JsonValue& value, const FieldPath& path) {
    constexpr std::string_view kExpected = "'channels', 'vpc' or 'blackhole'";
    const auto text = read_text(value, path, kExpected);
    if (!text)
        return text.error();
    if (*text == "channels")
        out.route.via = Via::channels;
    else if (*text == "vpc")
        out.route.via = Via::vpc;
    else if (*text == "blackhole")
        out.route.via = Via::blackhole;
    else
        return path.error(value.text(), std::string(kExpected));
    return {};
}

Result<void> read_next_hop(RouteBody& out, const JsonValue& value, const FieldPath& path) {
    if (out.route.via != Via::vpc)
        return path.error(value.text(), "no next_hop unless via is 'vpc'");
    return parsed<Route, &Route::next_hop, parse_ip>(out.route, value, path);
}

// `via` stands before `next_hop`, which depends on it.
constexpr auto kRouteFields = std::to_array<Field<RouteBody>>({
    {"prefix", Need::required, read_prefix},
    {"via", Need::required, read_via},
    {"next_hop", Need::optional, read_next_hop},
});
constexpr auto kRouteViaFields = std::span<const Field<RouteBody>>(kRouteFields).subspan(1);

Result<RouteBody> read_route_body(const JsonValue& value, std::span<const Field<RouteBody>> fields,
                                  const FieldPath& path) {
    RouteBody route;
    if (auto read = read_object<RouteBody>(route, value, fields, path); !read)
        return read.error();
    if (route.route.via == Via::vpc && !route.route.next_hop) {
        const std::string field = FieldPath{&path, "next_hop"}.text();
        return Error{ErrorCode::invalid, field + ": the field is missing, via is 'vpc'", field};
    }
    return route;
}

} // namespace

Result<void> read_routes(RouteTable& out, const JsonValue& value, const FieldPath& path,
                         std::vector<std::pair<IpPrefix, Route>>* in_order) {
    return read_list(value, path, kMaxRoutes, [&](const JsonValue& item, const FieldPath& here) {
        const auto route = read_route_body(item, kRouteFields, here);
        if (!route)
            return Result<void>{route.error()};
        if (!out.insert(route->prefix, route->route))
            return Result<void>{
                FieldPath{&here, "prefix"}.error(to_string(route->prefix), "each prefix once")};
        if (in_order)
            in_order->emplace_back(route->prefix, route->route);
        return Result<void>{};
    });
}

namespace {

struct RouteChangeBody : RouteChange {
    RouteTable added; // the same as `add`, to find a prefix in
};

Result<void> read_added(RouteChangeBody& out, const JsonValue& value, const FieldPath& path) {
    return read_routes(out.added, value, path, &out.add);
}

Result<void> read_removed(RouteChangeBody& out, const JsonValue& value, const FieldPath& path) {
    RouteTable seen;
    return read_list(value, path, kMaxRoutes, [&](const JsonValue& item, const FieldPath& here) {
        const auto text = read_text(item, here, "a prefix");
        if (!text)
            return Result<void>{text.error()};
        const auto prefix = parse_prefix(*text, {});
        if (!prefix)
            return Result<void>{parse_prefix(*text, here.text()).error()};
        if (out.added.contains(*prefix))
            return Result<void>{here.error(item.text(), "a prefix that is not added as well")};
        if (!seen.insert(*prefix, {}))
            return Result<void>{here.error(item.text(), "each prefix once")};
        out.remove.push_back(*prefix);
        return Result<void>{};
    });
}

constexpr auto kRouteChangeFields = std::to_array<Field<RouteChangeBody>>({
    {"add", Need::optional, read_added},
    {"remove", Need::optional, read_removed},
});

Result<void> read_remove(IpPrefix& out, const JsonValue& value, const FieldPath& path) {
    const auto text = read_text(value, path, "a prefix");
    if (!text)
        return text.error();
    auto prefix = parse_prefix(*text, path.text());
    if (!prefix)
        return prefix.error();
    out = *prefix;
    return {};
}

constexpr auto kRemoveFields = std::to_array<Field<IpPrefix>>({
    {"remove", Need::required, read_remove},
});

} // namespace

Result<std::pair<IpPrefix, Route>> read_route(const JsonValue& body) {
    auto route = read_route_body(body, kRouteFields, {});
    if (!route)
        return route.error();
    return std::pair{route->prefix, route->route};
}

Result<Route> read_route_via(const JsonValue& body) {
    auto route = read_route_body(body, kRouteViaFields, {});
    if (!route)
        return route.error();
    return route->route;
}

Result<RouteChange> read_route_change(const JsonValue& body) {
    RouteChangeBody out;
    if (auto read = read_object<RouteChangeBody>(out, body, kRouteChangeFields, {}); !read)
        return read.error();
    return RouteChange(std::move(out));
}

Result<RouteLine> read_route_line(const JsonValue& body, std::string_view line) {
    const FieldPath path{nullptr, line};
    RouteLine out;
    if (body.find("remove")) {
        if (auto read = read_object<IpPrefix>(out.prefix, body, kRemoveFields, path); !read)
            return read.error();
        return out;
    }
    auto route = read_route_body(body, kRouteFields, path);
    if (!route)
        return route.error();
    out.prefix = route->prefix;
    out.route = route->route;
    return out;
}

} // namespace isthmus::control
