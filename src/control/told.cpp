#include "control/told.hpp"

#include "control/document.hpp"

#include <fmt/format.h>

#include <utility>

namespace isthmus::control {

std::string name_in(const Config& config, ChannelId id) {
    const ChannelConfig& it = config.channels[id.value];
    return config.edges[it.edge.value].name + "/" + it.name;
}

std::string name_in(const Config& config, PortId id) {
    const PortConfig& it = config.ports[id.value];
    return config.edges[it.edge.value].name + "/" + it.name;
}

std::string name_in(const Config& config, const Attachment& attachment) {
    return config.edges[attachment.edge.value].name + "/" + attachment.name;
}

std::string limits_set(const std::optional<std::optional<Limit>>& egress,
                       const std::optional<std::optional<Limit>>& ingress) {
    std::string text;
    for (const auto& [name, limit] : {std::pair{"egress", &egress}, {"ingress", &ingress}})
        if (*limit)
            text += fmt::format("{}{} limit {}", text.empty() ? "" : ", ", name,
                                **limit ? fmt::format("{} bit/s", (**limit)->rate_bps) : "none");
    return text;
}

std::string feature_set(const Config& config, ChannelId channel) {
    return fmt::format("feature {} set", name_in(config, channel));
}

std::string feature_removed(const Config& config, ChannelId channel) {
    return fmt::format("feature {} removed", name_in(config, channel));
}

std::string neighbour_set(const std::string& where, MacAddr mac) {
    return fmt::format("static neighbour {} at {} set", where, to_string(mac));
}

std::string neighbour_removed(const std::string& where) {
    return fmt::format("static neighbour {} removed", where);
}

std::string neighbour_in(const Config& config, const Attachment& attachment, ChannelId channel,
                         const IpAddr& address) {
    return to_string(address) + " on " +
           (channel.valid() ? name_in(config, channel) : name_in(config, attachment.port));
}

Told attachment_told(EventKind kind, std::string name, const std::string& what,
                     std::string reason) {
    std::string message = "attachment " + name + " " + what;
    return {kind, std::move(name), std::move(message), std::move(reason)};
}

Told changed_told(std::string name, std::string what) {
    return attachment_told(EventKind::attachment_changed, std::move(name), "was changed: " + what,
                           what);
}

Told replaced_told(std::string name) {
    return attachment_told(EventKind::attachment_changed, std::move(name), "was replaced",
                           "replaced");
}

Told routes_told(std::string name, const RouteChange& change) {
    return attachment_told(EventKind::routes_changed, std::move(name), "has other routes",
                           fmt::format("+{} -{}", change.add.size(), change.remove.size()));
}

Told port_told(std::string name, bool enabled) {
    const std::string state = enabled ? "up" : "down";
    std::string message = "port " + name + " was set " + state;
    return {EventKind::port_admin, std::move(name), std::move(message), state};
}

Told channel_told(std::string name, AdminState admin) {
    const std::string state(state_name(admin));
    std::string message = "channel " + name + " was set " + state;
    return {EventKind::channel_admin, std::move(name), std::move(message), state};
}

Told sa_told(EventKind kind, const std::string& channel, unsigned an, std::string reason) {
    const char* did = kind == EventKind::sa_installed ? "was installed" : "was removed";
    std::string message = kind == EventKind::sa_changed
                              ? fmt::format("channel {}: SA {} is now {}", channel, an, reason)
                              : fmt::format("channel {}: {} SA {} {}", channel, reason, an, did);
    return {kind, fmt::format("{}/{}", channel, an), std::move(message), std::move(reason)};
}

Told rx_sc_told(EventKind kind, std::string channel, macsec::Sci sci) {
    std::string reason = fmt::format("{:016x}", sci.value);
    std::string message =
        fmt::format("channel {}: receive SC {} {}", channel, reason,
                    kind == EventKind::rx_sc_added ? "was made" : "was removed, and its SAs");
    return {kind, std::move(channel), std::move(message), std::move(reason)};
}

namespace {

// What the requests for single parts would have told; nothing else of it may differ.
std::vector<std::string> parts_changed(const Config& config, const Attachment& now,
                                       const Attachment& next) {
    std::vector<std::string> parts;
    using Change = std::optional<std::optional<Limit>>;
    const auto other = [](const std::optional<Limit>& before, const std::optional<Limit>& after) {
        return before == after ? Change{} : Change{std::in_place, after};
    };
    const auto egress = other(now.egress_limit, next.egress_limit);
    const auto ingress = other(now.ingress_limit, next.ingress_limit);
    if (egress || ingress)
        parts.push_back(limits_set(egress, ingress));
    for (const auto& [channel, feature] : now.features)
        if (!next.features.contains(channel))
            parts.push_back(feature_removed(config, channel));
    for (const auto& [channel, feature] : next.features)
        if (const auto found = now.features.find(channel);
            found == now.features.end() || found->second != feature)
            parts.push_back(feature_set(config, channel));
    for (const auto& [where, mac] : now.static_neighbours) {
        // That of a feature goes with it.
        const bool linked = !where.first.valid() || next.features.contains(where.first);
        if (linked && !next.static_neighbours.contains(where))
            parts.push_back(
                neighbour_removed(neighbour_in(config, next, where.first, where.second)));
    }
    for (const auto& [where, mac] : next.static_neighbours)
        if (const auto found = now.static_neighbours.find(where);
            found == now.static_neighbours.end() || found->second != mac)
            parts.push_back(
                neighbour_set(neighbour_in(config, next, where.first, where.second), mac));
    return parts;
}

// Whether there is a difference that only a request for the whole attachment could make.
bool is_replaced(const Config& config, const Attachment& now, Attachment next) {
    next.egress_limit = now.egress_limit;
    next.ingress_limit = now.ingress_limit;
    next.features = now.features;
    next.static_neighbours = now.static_neighbours;
    return attachment_text(config, now) != attachment_text(config, next);
}

void add_step(std::vector<Told>& out, const Model& model, const AttachmentStep& step) {
    const auto found = model.attachments.find(step.id);
    const Attachment* now = found == model.attachments.end() ? nullptr : &found->second;
    if (step.whole && !step.other)
        return out.push_back(attachment_told(EventKind::attachment_removed,
                                             name_in(model.config, *now), "was removed"));
    // A slot that is given on has another one now.
    if (step.other && (!now || now->name != step.other->name || now->edge != step.other->edge))
        return out.push_back(attachment_told(EventKind::attachment_added,
                                             name_in(model.config, *step.other), "was made"));
    const std::string name = name_in(model.config, *now);
    if (step.other && is_replaced(model.config, *now, *step.other))
        out.push_back(replaced_told(name));
    else if (step.other)
        for (std::string& part : parts_changed(model.config, *now, *step.other))
            out.push_back(changed_told(name, std::move(part)));
    if (!step.routes.add.empty() || !step.routes.remove.empty())
        out.push_back(routes_told(name, step.routes));
}

} // namespace

std::vector<Told> events_of(const Model& model, const Plan& plan) {
    const Config& config = model.config;
    std::vector<Told> out;
    for (const auto& [channel, sci] : plan.new_rx_scs)
        out.push_back(rx_sc_told(EventKind::rx_sc_added, name_in(config, channel), sci));
    for (const auto& [channel, item] : plan.keys)
        out.push_back(sa_told(EventKind::sa_installed, name_in(config, channel), item.sa.an,
                              item.sci ? "receive" : "transmit"));
    for (const auto& [channel, sci] : plan.old_rx_scs)
        out.push_back(rx_sc_told(EventKind::rx_sc_removed, name_in(config, channel), sci));
    for (const AttachmentStep& step : plan.attachments)
        add_step(out, model, step);
    for (const auto& [port, enabled] : plan.ports)
        out.push_back(port_told(name_in(config, port), enabled));
    for (const auto& [channel, admin] : plan.channels)
        out.push_back(channel_told(name_in(config, channel), admin));
    return out;
}

} // namespace isthmus::control
