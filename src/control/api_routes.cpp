// Routes of an attachment: one, a page of them, or as many as there are.

#include "control/api_call.hpp"
#include "control/api_page.hpp"
#include "control/body_lines.hpp"
#include "control/render.hpp"

namespace isthmus::control {
namespace {

// Lines in one piece: each is a walk over the whole table, so there should be few, and the control
// thread does nothing else meanwhile, so they should be short.
constexpr std::size_t kLinesAtOnce = 8192;

HttpResponse route_reply(const IpPrefix& prefix, const Route& route, unsigned status) {
    JsonWriter json;
    write_route(json, prefix, route);
    return {status, json.take()};
}

Result<std::optional<IpPrefix>> cursor_of(const CallQuery& query) {
    if (query.after.empty())
        return std::optional<IpPrefix>{};
    const auto prefix = parse_prefix(query.after, "after");
    if (!prefix)
        return prefix.error();
    return std::optional(*prefix);
}

bool wants_lines(const Call& call) {
    return call.request.accept.starts_with("application/x-ndjson");
}

// The routes of an attachment as lines, in pieces. It may go while they are sent: then the answer
// breaks off. Another one of its name has other routes, and another id or not: what the piece
// before said is not taken back.
class RouteStream {
  public:
    RouteStream(const Call& call, std::optional<IpPrefix> after, std::size_t most)
        : control_(call.control), attachment_(call.attachment), edge_(call.edge), name_(call.name),
          filter_(call.query.routes), after_(after), left_(most) {}

    std::optional<std::string> operator()() {
        const auto& all = control_.model().attachments;
        const auto found = all.find(attachment_);
        if (found == all.end() || found->second.name != name_ || found->second.edge != edge_)
            return std::nullopt;
        if (left_ == 0)
            return std::string();
        const auto page = found->second.routes.page(filter_, after_, std::min(left_, kLinesAtOnce));
        std::string text;
        for (const auto& [prefix, route] : page.routes) {
            JsonWriter json;
            write_route(json, prefix, route);
            text.append(json.take()).append("\n");
            after_ = prefix;
        }
        left_ = page.more ? left_ - page.routes.size() : 0;
        return text;
    }

  private:
    ControlPlane& control_;
    AttachmentId attachment_;
    EdgeId edge_;
    std::string name_;
    RouteFilter filter_;
    std::optional<IpPrefix> after_;
    std::size_t left_;
};

bool has_limit(const Call& call) {
    return std::ranges::any_of(call.request.query,
                               [](const auto& field) { return field.first == "limit"; });
}

} // namespace

Reply get_routes(Call& call) {
    const auto after = cursor_of(call.query);
    if (!after)
        return after.error();
    if (wants_lines(call)) {
        HttpResponse response;
        response.content_type = "application/x-ndjson";
        response.more = RouteStream(call, *after, has_limit(call) ? call.query.limit : SIZE_MAX);
        return response;
    }
    const auto page = call.attached().routes.page(call.query.routes, *after, call.query.limit);
    JsonWriter json;
    json.begin_object().key("routes").begin_array();
    for (const auto& [prefix, route] : page.routes)
        write_route(json, prefix, route);
    end_page(json, page.total, page.more ? to_string(page.routes.back().first) : "");
    return HttpResponse{200, json.take()};
}

Reply post_route(Call& call) {
    const auto route = read_route(call.body);
    if (!route)
        return route.error();
    const auto& [prefix, to] = *route;
    if (call.attached().routes.contains(prefix))
        return Error{ErrorCode::conflict, "prefix: " + to_string(prefix) + " has a route already",
                     "prefix", to_string(prefix)};
    if (auto changed = call.control.change_routes(call.attachment, {{*route}, {}}); !changed)
        return changed.error();
    return route_reply(prefix, to, 201);
}

Reply put_route(Call& call) {
    const auto route = read_route_via(call.body);
    if (!route)
        return route.error();
    call.unchanged = call.attached().routes.find(call.prefix) == *route;
    const RouteChange change{{{call.prefix, *route}}, {}};
    if (!call.unchanged)
        if (auto changed = call.control.change_routes(call.attachment, change); !changed)
            return changed.error();
    return route_reply(call.prefix, *route, 200);
}

Reply delete_route(Call& call) {
    return done(call.control.change_routes(call.attachment, {{}, {call.prefix}}));
}

namespace {

Reply change_reply(Call& call, const RouteChange& change) {
    if (auto changed = call.control.change_routes(call.attachment, change); !changed)
        return changed.error();
    JsonWriter json;
    json.begin_object()
        .member("added", change.add.size())
        .member("removed", change.remove.size())
        .member("route_count", call.attached().routes.size())
        .end_object();
    return HttpResponse{200, json.take()};
}

} // namespace

Reply patch_routes(Call& call) {
    if (call.lines) {
        const auto change = call.lines->finish();
        if (!change)
            return change.error();
        auto reply = change_reply(call, **change);
        return reply ? std::move(reply) : call.lines->with_line(reply.error());
    }
    const auto change = read_route_change(call.body);
    if (!change)
        return change.error();
    return change_reply(call, *change);
}

} // namespace isthmus::control
