#include "control/plan.hpp"

namespace isthmus::control {
namespace {

// A slot may be given on within one plan.
bool same(const Attachment& a, const Attachment& b) {
    return a.edge == b.edge && a.name == b.name;
}

// All are taken out before any comes in: they may exchange what only one can have.
void exchange_whole(Model& model, std::vector<AttachmentStep>& steps) {
    std::vector<std::optional<Attachment>> before(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const auto found = model.attachments.find(steps[i].id);
        if (!steps[i].whole || found == model.attachments.end())
            continue;
        model.index.remove(found->second);
        before[i] = std::move(found->second);
        model.attachments.erase(found);
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
        AttachmentStep& step = steps[i];
        if (!step.whole)
            continue;
        if (step.other) {
            // Routes stay with an attachment that does: there may be millions.
            if (before[i] && same(*before[i], *step.other))
                std::swap(step.other->routes, before[i]->routes);
            model.add(step.id, *std::move(step.other));
        }
        step.other = std::move(before[i]);
    }
}

void exchange_routes(RouteTable& routes, RouteChange& change) {
    RouteChange back;
    back.add.reserve(change.add.size() + change.remove.size());
    back.remove.reserve(change.add.size());
    routes.reserve_more(change.add.size(), change.add.size());
    for (const IpPrefix& prefix : change.remove)
        if (const auto before = routes.erase(prefix))
            back.add.emplace_back(prefix, *before);
    for (const auto& [prefix, route] : change.add) {
        if (const auto before = routes.set(prefix, route))
            back.add.emplace_back(prefix, *before);
        else
            back.remove.push_back(prefix);
    }
    change = std::move(back);
}

} // namespace

void exchange(Model& model, Plan& plan) {
    exchange_whole(model, plan.attachments);
    for (AttachmentStep& step : plan.attachments)
        if (!step.routes.add.empty() || !step.routes.remove.empty())
            exchange_routes(model.attachments.at(step.id).routes, step.routes);
    for (auto& [port, enabled] : plan.ports) {
        const bool before = model.port_enabled[port.value];
        model.port_enabled[port.value] = enabled;
        enabled = before;
    }
    for (auto& [channel, admin] : plan.channels)
        std::swap(model.channel_admin[channel.value], admin);
}

} // namespace isthmus::control
