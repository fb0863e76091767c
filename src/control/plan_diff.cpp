// What a step changes, field by field. Fields are those of the documents' texts, whatever they are:
// none has to be named here.

#include "control/document_value.hpp"
#include "control/plan.hpp"

#include <algorithm>
#include <functional>

namespace isthmus::control {
namespace {

constexpr std::size_t kShownRoutes = 5;

const JsonObject& members_of(const JsonValue* value) {
    static const JsonObject kNone;
    const auto* members = value ? value->as<JsonObject>() : nullptr;
    return members ? *members : kNone;
}

bool is_nothing(const JsonValue* value) {
    return !value || value->is_null();
}

std::string shown(const JsonValue* value) {
    return is_nothing(value) ? "" : text_of_value(*value);
}

void compare(std::vector<FieldChange>& out, const std::string& path, const JsonValue* before,
             const JsonValue* after) {
    const auto object = [](const JsonValue* value) { return value && value->as<JsonObject>(); };
    if (!object(before) && !object(after)) {
        std::string was = shown(before), is = shown(after);
        if (was != is)
            out.push_back({path, std::move(was), std::move(is)});
        return;
    }
    const auto inner = [&](const std::string& name) {
        return path.empty() ? name : path + "." + name;
    };
    for (const auto& [name, value] : members_of(after))
        compare(out, inner(name), before ? before->find(name) : nullptr, &value);
    for (const auto& [name, value] : members_of(before))
        if (!after || !after->find(name))
            compare(out, inner(name), &value, nullptr);
}

std::string route_text(const IpPrefix& prefix, const Route& route) {
    std::string text = to_string(prefix) + " via ";
    if (route.via == Via::vpc)
        return text + to_string(*route.next_hop);
    return text + (route.via == Via::channels ? "channels" : "blackhole");
}

// The texts of all, of which the first in order are kept.
class Routes {
  public:
    explicit Routes(RouteCounts& counts) : counts_(counts) {}

    void add(char sign, const IpPrefix& prefix, const std::string& text) {
        const std::string line = std::string(1, sign) + " " + text;
        counts_.digest += std::hash<std::string>{}(line);
        if (first_.size() == kShownRoutes && !(prefix < first_.back().first))
            return;
        const auto at = std::ranges::upper_bound(first_, prefix, {}, &Line::first);
        first_.insert(at, {prefix, line});
        if (first_.size() > kShownRoutes)
            first_.pop_back();
    }
    void finish() {
        for (Line& line : first_)
            counts_.first.push_back(std::move(line.second));
    }

  private:
    using Line = std::pair<IpPrefix, std::string>;
    RouteCounts& counts_;
    std::vector<Line> first_;
};

void describe_change(RouteCounts& counts, const RouteTable& now, const RouteChange& change) {
    Routes routes(counts);
    for (const auto& [prefix, route] : change.add) {
        const auto before = now.find(prefix);
        ++(before ? counts.changed : counts.added);
        if (before)
            routes.add('~', prefix,
                       route_text(prefix, *before) + " -> " + route_text(prefix, route));
        else
            routes.add('+', prefix, route_text(prefix, route));
    }
    for (const IpPrefix& prefix : change.remove) {
        ++counts.removed;
        routes.add('-', prefix, route_text(prefix, now.at(prefix)));
    }
    routes.finish();
}

// All of an attachment that comes or goes.
void describe_all(RouteCounts& counts, char sign, const RouteTable& table) {
    (sign == '+' ? counts.added : counts.removed) = table.size();
    Routes routes(counts);
    table.for_each([&](const IpPrefix& prefix, const Route& route) {
        routes.add(sign, prefix, route_text(prefix, route));
    });
    routes.finish();
}

JsonValue tree_of(const Config& config, const Attachment& attachment) {
    return parse_json(attachment_text(config, attachment)).value();
}

} // namespace

PlanEntry describe_attachment(const Model& model, const AttachmentStep& step) {
    const auto found = model.attachments.find(step.id);
    const bool there = found != model.attachments.end();
    PlanEntry entry;
    entry.kind = "attachment";
    // A slot that is given on has an attachment, but another one.
    const bool comes = step.other && (!there || found->second.name != step.other->name ||
                                      found->second.edge != step.other->edge);
    const Attachment& named = comes ? *step.other : found->second;
    entry.edge = model.config.edges[named.edge.value].name;
    entry.name = named.name;
    if (comes) {
        entry.action = PlanAction::add;
        const JsonValue after = tree_of(model.config, *step.other);
        compare(entry.fields, "", nullptr, &after);
        describe_all(entry.routes, '+', step.other->routes);
        return entry;
    }
    if (step.whole && !step.other) {
        entry.action = PlanAction::remove;
        describe_all(entry.routes, '-', found->second.routes);
        return entry;
    }
    if (step.whole) {
        const JsonValue before = tree_of(model.config, found->second);
        const JsonValue after = tree_of(model.config, *step.other);
        compare(entry.fields, "", &before, &after);
    }
    describe_change(entry.routes, found->second.routes, step.routes);
    return entry;
}

} // namespace isthmus::control
