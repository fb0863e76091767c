#include "control/api_call.hpp"
#include "control/render.hpp"

namespace isthmus::control {
namespace {

HttpResponse attachment_reply(const Call& call, AttachmentId id, unsigned status = 200) {
    const Attachment& attachment = call.model().attachments.at(id);
    JsonWriter json;
    begin_attachment(json, call.config(), attachment);
    json.key("routes");
    write_routes(json, attachment);
    json.key("counters").begin_object();
    write_directions(json, call.control.attachment_counters(id));
    json.end_object().end_object();
    return {status, json.take()};
}

Reply attachment_reply(const Call& call, const Result<void>& changed) {
    if (!changed)
        return changed.error();
    return attachment_reply(call, call.attachment);
}

HttpResponse route_reply(const IpPrefix& prefix, const Route& route, unsigned status) {
    JsonWriter json;
    write_route(json, prefix, route);
    return {status, json.take()};
}

// Static neighbours are no part of an attachment's body: those whose subnet is still there stay.
void keep_neighbours(const Attachment& before, Attachment& next) {
    const auto inside = [](const LinkAddresses& local, const IpAddr& address) {
        if (const auto* v4 = std::get_if<Ipv4Addr>(&address))
            return local.ipv4 && contains(*local.ipv4, *v4) && *v4 != local.ipv4->addr;
        const auto& v6 = std::get<Ipv6Addr>(address);
        return local.ipv6 && contains(*local.ipv6, v6) && v6 != local.ipv6->addr;
    };
    for (const auto& [where, mac] : before.static_neighbours) {
        const auto& [channel, address] = where;
        const auto feature = next.features.find(channel);
        if (channel.valid() && feature == next.features.end())
            continue;
        if (inside(channel.valid() ? feature->second.local : next.local, address))
            next.static_neighbours.emplace(where, mac);
    }
}

// The link of an attachment that a neighbour is on: `?channel=NAME`, or the VPC side.
Result<LinkId> link_of(const Call& call) {
    LinkId link{call.attachment, {}};
    for (const auto& [name, value] : call.request.query) {
        const auto channel = find_channel(call.config(), call.edge, value);
        if (!channel)
            return Error{ErrorCode::not_found, "channel " + value + " does not exist", name, value};
        link.channel = *channel;
    }
    return link;
}

} // namespace

Reply get_attachments(Call& call) {
    JsonWriter json;
    json.begin_object().key("attachments").begin_array();
    for (const auto& [id, attachment] : call.model().attachments) {
        if (attachment.edge != call.edge)
            continue;
        begin_attachment(json, call.config(), attachment);
        json.key("counters").begin_object();
        write_directions(json, call.control.attachment_counters(id));
        json.end_object().end_object();
    }
    json.end_array().end_object();
    return HttpResponse{200, json.take()};
}

Reply post_attachment(Call& call) {
    auto spec = read_attachment(call.body, call.config(), call.edge);
    if (!spec)
        return spec.error();
    const auto added = call.control.add_attachment(*std::move(spec));
    if (!added)
        return added.error();
    return attachment_reply(call, *added, 201);
}

Reply get_attachment(Call& call) {
    return attachment_reply(call, Result<void>{});
}

Reply put_attachment(Call& call) {
    auto spec = read_attachment(call.body, call.config(), call.edge, call.attached().name);
    if (!spec)
        return spec.error();
    keep_neighbours(call.attached(), *spec);
    return attachment_reply(call,
                            call.control.replace_attachment(call.attachment, *std::move(spec)));
}

Reply delete_attachment(Call& call) {
    return done(call.control.remove_attachment(call.attachment));
}

Reply put_feature(Call& call) {
    const auto feature = read_feature(call.body);
    if (!feature)
        return feature.error();
    return attachment_reply(call,
                            call.control.set_feature(call.attachment, call.channel, *feature));
}

Reply delete_feature(Call& call) {
    return done(call.control.remove_feature(call.attachment, call.channel));
}

Reply get_routes(Call& call) {
    JsonWriter json;
    json.begin_object().key("routes");
    write_routes(json, call.attached());
    json.end_object();
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
    const RouteChange change{{{call.prefix, *route}}, {}};
    if (auto changed = call.control.change_routes(call.attachment, change); !changed)
        return changed.error();
    return route_reply(call.prefix, *route, 200);
}

Reply delete_route(Call& call) {
    return done(call.control.change_routes(call.attachment, {{}, {call.prefix}}));
}

Reply patch_routes(Call& call) {
    const auto change = read_route_change(call.body);
    if (!change)
        return change.error();
    if (auto changed = call.control.change_routes(call.attachment, *change); !changed)
        return changed.error();
    JsonWriter json;
    json.begin_object()
        .member("added", change->add.size())
        .member("removed", change->remove.size())
        .member("route_count", call.attached().routes.size())
        .end_object();
    return HttpResponse{200, json.take()};
}

Reply patch_limits(Call& call) {
    const auto limits = read_limits(call.body);
    if (!limits)
        return limits.error();
    if (auto changed = call.control.set_limits(call.attachment, limits->egress, limits->ingress);
        !changed)
        return changed.error();
    JsonWriter json;
    write_limits(json, call.attached());
    return HttpResponse{200, json.take()};
}

Reply put_neighbour(Call& call) {
    const auto neighbour = read_neighbour(call.body, call.config(), call.edge);
    if (!neighbour)
        return neighbour.error();
    const LinkId link{call.attachment, neighbour->channel};
    return done(call.control.set_static_neighbour(link, call.address, neighbour->mac));
}

Reply delete_neighbour(Call& call) {
    const auto link = link_of(call);
    if (!link)
        return link.error();
    return done(call.control.remove_neighbour(*link, call.address));
}

} // namespace isthmus::control
