#include "control/api_call.hpp"
#include "control/api_page.hpp"
#include "control/render.hpp"
#include "isthmus/clock.hpp"

namespace isthmus::control {
namespace {

HttpResponse attachment_reply(const Call& call, AttachmentId id, unsigned status = 200) {
    const Attachment& attachment = call.model().attachments.at(id);
    JsonWriter json;
    begin_attachment(json, call.config(), attachment);
    // Many are read page by page, or as lines.
    if (attachment.routes.size() <= kMaxPage) {
        json.key("routes");
        write_routes(json, attachment);
    }
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

// What a PUT says is there already.
bool same(const Attachment& a, const Attachment& b) {
    return a.interconnect == b.interconnect && a.port == b.port && a.vlan == b.vlan &&
           a.mtu == b.mtu && a.mss_clamp == b.mss_clamp && a.local == b.local &&
           a.egress_limit == b.egress_limit && a.ingress_limit == b.ingress_limit &&
           a.features == b.features && a.static_neighbours == b.static_neighbours &&
           a.routes == b.routes;
}

bool wanted(const CallQuery& query, const Attachment& attachment) {
    return attachment.name.starts_with(query.name_prefix) &&
           (!query.port || attachment.port == *query.port) &&
           (!query.interconnect || attachment.interconnect == *query.interconnect) &&
           (!query.channel || attachment.features.contains(*query.channel));
}

LinkId link_of(const Call& call) {
    return {call.attachment, call.query.channel.value_or(ChannelId{})};
}

// "ATTACHMENT/CHANNEL/ADDRESS", with no channel on the VPC side.
std::string key_of(const Config& config, const std::string& attachment, const Neighbour& it) {
    return attachment + "/" +
           (it.link.channel.valid() ? config.channels[it.link.channel.value].name : "") + "/" +
           to_string(it.address);
}

} // namespace

Reply get_attachments(Call& call) {
    std::vector<std::pair<std::string, AttachmentId>> found;
    for (const auto& [id, attachment] : call.model().attachments)
        if (attachment.edge == call.edge && wanted(call.query, attachment))
            found.emplace_back(attachment.name, id);
    return page_reply(call.query, "attachments", std::move(found),
                      [&](JsonWriter& json, AttachmentId id) {
                          begin_attachment(json, call.config(), call.model().attachments.at(id));
                          json.key("counters").begin_object();
                          write_directions(json, call.control.attachment_counters(id));
                          json.end_object().end_object();
                      });
}

Reply post_attachment(Call& call) {
    auto spec = read_attachment(call.body, call.config(), call.edge);
    if (!spec)
        return spec.error();
    const auto added = call.control.add_attachment(*std::move(spec));
    if (!added)
        return added.error();
    call.attachment = *added;
    return attachment_reply(call, *added, 201);
}

Reply get_attachment(Call& call) {
    return attachment_reply(call, Result<void>{});
}

Reply put_attachment(Call& call) {
    auto spec = read_attachment(call.body, call.config(), call.edge, call.name);
    if (!spec)
        return spec.error();
    if (!call.attachment.valid()) {
        const auto added = call.control.add_attachment(*std::move(spec));
        if (!added)
            return added.error();
        call.attachment = *added;
        return attachment_reply(call, *added, 201);
    }
    keep_neighbours(call.attached(), *spec);
    call.unchanged = same(call.attached(), *spec);
    if (call.unchanged)
        return attachment_reply(call, Result<void>{});
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
    const auto before = call.attached().features.find(call.channel);
    call.unchanged = before != call.attached().features.end() && before->second == *feature;
    if (call.unchanged)
        return attachment_reply(call, Result<void>{});
    return attachment_reply(call,
                            call.control.set_feature(call.attachment, call.channel, *feature));
}

Reply delete_feature(Call& call) {
    return done(call.control.remove_feature(call.attachment, call.channel));
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
    const auto& entries = call.attached().static_neighbours;
    const auto before = entries.find({link.channel, call.address});
    call.unchanged = before != entries.end() && before->second == neighbour->mac;
    if (call.unchanged)
        return HttpResponse{204};
    return done(call.control.set_static_neighbour(link, call.address, neighbour->mac));
}

Reply delete_neighbour(Call& call) {
    return done(call.control.remove_neighbour(link_of(call), call.address));
}

Reply get_neighbours(Call& call) {
    const auto& attachments = call.model().attachments;
    std::vector<std::pair<std::string, Neighbour>> found;
    for (const auto& it : call.control.neighbours()) {
        const auto owner = attachments.find(it.link.attachment);
        if (owner == attachments.end() || owner->second.edge != call.edge ||
            (call.query.attachment && owner->first != *call.query.attachment) ||
            (call.query.channel && it.link.channel != *call.query.channel))
            continue;
        found.emplace_back(key_of(call.config(), owner->second.name, it), it);
    }
    return page_reply(call.query, "neighbours", std::move(found),
                      [&](JsonWriter& json, const Neighbour& it) {
                          write_neighbour(json, call.model(), it, monotonic_ns());
                      });
}

} // namespace isthmus::control
