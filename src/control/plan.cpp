#include "control/plan.hpp"

#include "control/capacity.hpp"
#include "control/document_value.hpp"
#include "control/validate.hpp"
#include "macsec/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

namespace isthmus::control {
namespace {

// Slots for new attachments: first those that nobody has, then those of attachments that go.
class Slots {
  public:
    explicit Slots(const Model& model) : model_(model) {}

    void give_back(AttachmentId id) { left_.insert(id); }
    [[nodiscard]] std::optional<AttachmentId> take() {
        for (; next_ < model_.config.max_attachments; ++next_)
            if (!model_.attachments.contains(AttachmentId(next_)))
                return AttachmentId(next_++);
        if (left_.empty())
            return std::nullopt;
        return left_.extract(left_.begin()).value();
    }

  private:
    const Model& model_;
    std::size_t next_ = 0;
    std::set<AttachmentId> left_;
};

// Fields that only static neighbours have.
Error inside_attachment(const std::string& place, Error error) {
    if (error.field == "address" || error.field == "mac" || error.field == "channel")
        return inside(place + ".neighbours", std::move(error));
    return inside(place, std::move(error));
}

RouteChange route_change(const RouteTable& now, const RouteTable& wanted) {
    RouteChange change;
    wanted.for_each([&](const IpPrefix& prefix, const Route& route) {
        if (now.find(prefix) != route)
            change.add.emplace_back(prefix, route);
    });
    now.for_each([&](const IpPrefix& prefix, const Route&) {
        if (!wanted.contains(prefix))
            change.remove.push_back(prefix);
    });
    return change;
}

class Planner {
  public:
    Planner(const Model& model, std::span<const ChannelKeys> keys)
        : model_(model), keys_(keys), slots_(model) {
        for (const auto& [id, spec] : model.attachments)
            ids_.emplace(std::pair{spec.edge, std::string_view(spec.name)}, id);
    }

    Result<Plan> plan(Document document) {
        for (const DocumentEdge& edge : document.edges)
            if (edge.attachments)
                find_removed(edge);
        for (DocumentEdge& edge : document.edges)
            if (auto good = add_edge(edge); !good)
                return good.error();
        if (auto good = check_all(); !good)
            return good.error();
        std::ranges::stable_sort(plan_.entries, {}, [](const PlanEntry& entry) {
            return std::tie(entry.edge, entry.kind, entry.name);
        });
        return std::move(plan_);
    }

  private:
    [[nodiscard]] const std::string& name_of(ChannelId channel) const {
        return model_.config.channels[channel.value].name;
    }
    [[nodiscard]] std::string name_of(ChannelId channel, macsec::Sci sci) const {
        return fmt::format("{}/{:016x}", name_of(channel), sci.value);
    }
    [[nodiscard]] const ChannelKeys::RxSc* find_sc(ChannelId channel, macsec::Sci sci) const {
        const auto& all = keys_[channel.value].rx_scs;
        const auto found = std::ranges::find(all, sci, &ChannelKeys::RxSc::sci);
        return found == all.end() ? nullptr : &*found;
    }
    [[nodiscard]] std::optional<AttachmentId> find(const Attachment& spec) const {
        const auto found = ids_.find({spec.edge, std::string_view(spec.name)});
        return found == ids_.end() ? std::nullopt : std::optional(found->second);
    }

    void find_removed(const DocumentEdge& edge);
    Result<void> add_edge(DocumentEdge& edge);
    void add_entry(PlanAction action, const char* kind, EdgeId edge, std::string name,
                   std::vector<FieldChange> fields);
    void add_port(EdgeId edge, const DocumentPort& port);
    Result<void> add_channel(EdgeId edge, DocumentChannel& channel);
    void add_rx_scs(EdgeId edge, const DocumentChannel& channel);
    Result<void> add_key(EdgeId edge, const DocumentChannel& channel, DocumentKey& item);
    Result<void> new_attachment(DocumentAttachment& wanted);
    void change_attachment(DocumentAttachment& wanted, AttachmentId id);
    [[nodiscard]] Model target() const;
    [[nodiscard]] Result<void> check_share(const Model& wanted, AttachmentId id) const;
    [[nodiscard]] Result<void> check_all() const;
    void add_step(AttachmentStep step);

    const Model& model_;
    std::span<const ChannelKeys> keys_;
    std::map<std::pair<EdgeId, std::string_view>, AttachmentId> ids_;
    Slots slots_;
    Plan plan_;
    // Of attachments that are there or other than before, what is to be checked when all are known.
    struct Check {
        std::string place;
        AttachmentId id;
        bool whole = false;
        Result<void> routes;
    };
    std::vector<Check> checks_;
};

void Planner::find_removed(const DocumentEdge& edge) {
    std::set<std::string_view> stay;
    for (const DocumentAttachment& attachment : *edge.attachments)
        stay.insert(attachment.spec.name);
    for (const auto& [id, spec] : model_.attachments)
        if (spec.edge == edge.edge && !stay.contains(spec.name)) {
            slots_.give_back(id);
            add_step({id, true, std::nullopt, {}});
        }
}

void Planner::add_step(AttachmentStep step) {
    plan_.entries.push_back(describe_attachment(model_, step));
    plan_.attachments.push_back(std::move(step));
}

Result<void> Planner::add_edge(DocumentEdge& edge) {
    for (const DocumentPort& port : edge.ports)
        add_port(edge.edge, port);
    for (DocumentChannel& channel : edge.channels)
        if (auto good = add_channel(edge.edge, channel); !good)
            return good;
    if (edge.attachments)
        for (DocumentAttachment& attachment : *edge.attachments) {
            if (const auto id = find(attachment.spec))
                change_attachment(attachment, *id);
            else if (auto good = new_attachment(attachment); !good)
                return good;
        }
    return {};
}

void Planner::add_entry(PlanAction action, const char* kind, EdgeId edge, std::string name,
                        std::vector<FieldChange> fields) {
    plan_.entries.push_back({action,
                             kind,
                             model_.config.edges[edge.value].name,
                             std::move(name),
                             std::move(fields),
                             {}});
}

void Planner::add_port(EdgeId edge, const DocumentPort& port) {
    const bool now = model_.port_enabled[port.port.value];
    if (!port.enabled || *port.enabled == now)
        return;
    const auto text = [](bool up) { return up ? "\"up\"" : "\"down\""; };
    plan_.ports.emplace_back(port.port, *port.enabled);
    add_entry(PlanAction::change, "port", edge, model_.config.ports[port.port.value].name,
              {{"admin_state", text(now), text(*port.enabled)}});
}

Result<void> Planner::add_channel(EdgeId edge, DocumentChannel& channel) {
    const AdminState now = model_.channel_admin[channel.channel.value];
    if (channel.admin && *channel.admin != now) {
        const auto text = [](AdminState state) { return fmt::format("\"{}\"", state_name(state)); };
        plan_.channels.emplace_back(channel.channel, *channel.admin);
        add_entry(PlanAction::change, "channel", edge, name_of(channel.channel),
                  {{"admin_state", text(now), text(*channel.admin)}});
    }
    if (channel.rx_scs)
        add_rx_scs(edge, channel);
    for (DocumentKey& item : channel.keys)
        if (auto good = add_key(edge, channel, item); !good)
            return good;
    plan_.notes.erase(std::unique(plan_.notes.begin(), plan_.notes.end()), plan_.notes.end());
    return {};
}

void Planner::add_rx_scs(EdgeId edge, const DocumentChannel& channel) {
    for (const macsec::Sci sci : *channel.rx_scs)
        if (find_sc(channel.channel, sci) == nullptr) {
            plan_.new_rx_scs.emplace_back(channel.channel, sci);
            add_entry(PlanAction::add, "rx_sc", edge, name_of(channel.channel, sci), {});
        }
    for (const ChannelKeys::RxSc& sc : keys_[channel.channel.value].rx_scs) {
        if (std::ranges::find(*channel.rx_scs, sc.sci) != channel.rx_scs->end())
            continue;
        plan_.old_rx_scs.emplace_back(channel.channel, sc.sci);
        add_entry(PlanAction::remove, "rx_sc", edge, name_of(channel.channel, sc.sci),
                  {{"sas", std::to_string(sc.sas), ""}});
    }
}

// Keys are installed where there are none. Others stay, for a later rollover may have put them
// there.
Result<void> Planner::add_key(EdgeId edge, const DocumentChannel& channel, DocumentKey& item) {
    std::size_t sas = keys_[channel.channel.value].tx_sas;
    std::string where = name_of(channel.channel) + "/tx";
    if (item.sci) {
        const ChannelKeys::RxSc* sc = find_sc(channel.channel, *item.sci);
        const bool stays =
            channel.rx_scs ? std::ranges::find(*channel.rx_scs, *item.sci) != channel.rx_scs->end()
                           : sc != nullptr;
        where = name_of(channel.channel, *item.sci);
        if (!stays)
            return inside(item.place, Error{ErrorCode::invalid,
                                            "receive SC " + where +
                                                " does not exist, and rx_scs does not name it"});
        sas = sc == nullptr ? 0 : sc->sas;
    }
    if (sas != 0) {
        plan_.notes.push_back(fmt::format("{} {}: keys stay as they are, {} SAs are installed",
                                          model_.config.edges[edge.value].name, where, sas));
        return {};
    }
    add_entry(PlanAction::add, "key", edge, fmt::format("{}/an{}", where, item.sa.an),
              {{"fingerprint", "", '"' + macsec::fingerprint(item.sa.sak) + '"'}});
    plan_.keys.emplace_back(channel.channel, std::move(item));
    return {};
}

// What the document leaves out stays.
void keep_sections(const DocumentAttachment& wanted, const Attachment& now, Attachment& spec) {
    if (!wanted.features)
        spec.features = now.features;
    if (!wanted.limits) {
        spec.egress_limit = now.egress_limit;
        spec.ingress_limit = now.ingress_limit;
    }
    if (!wanted.neighbours)
        spec.static_neighbours = now.static_neighbours;
}

Result<void> check_routes(const DocumentAttachment& wanted, const RouteTable& routes) {
    Result<void> good;
    routes.for_each([&](const IpPrefix& prefix, const Route& route) {
        if (!good)
            return;
        good = check_route(wanted.spec, prefix, route);
        if (!good)
            good =
                inside(fmt::format("{}.routes[{}]", wanted.place, to_string(prefix)), good.error());
    });
    return good;
}

Result<void> Planner::new_attachment(DocumentAttachment& wanted) {
    const auto slot = slots_.take();
    if (!slot)
        return Error{ErrorCode::conflict,
                     fmt::format("{}: all {} places are taken (max_attachments)", wanted.place,
                                 model_.config.max_attachments),
                     wanted.place, wanted.spec.name, std::to_string(model_.config.max_attachments)};
    checks_.push_back({wanted.place, *slot, true, check_routes(wanted, wanted.spec.routes)});
    add_step({*slot, true, std::move(wanted.spec), {}});
    return {};
}

void Planner::change_attachment(DocumentAttachment& wanted, AttachmentId id) {
    const Attachment& now = model_.attachments.at(id);
    Attachment& spec = wanted.spec;
    keep_sections(wanted, now, spec);
    AttachmentStep step{id, false, std::nullopt, {}};
    Check check{wanted.place, id, false, {}};
    if (wanted.routes || now.local != spec.local)
        check.routes = check_routes(wanted, wanted.routes ? spec.routes : now.routes);
    if (wanted.routes)
        step.routes = route_change(now.routes, spec.routes);
    spec.routes.clear();
    step.whole = attachment_text(model_.config, now) != attachment_text(model_.config, spec);
    check.whole = step.whole;
    checks_.push_back(std::move(check));
    if (step.whole)
        step.other = std::move(spec);
    if (step.whole || !step.routes.add.empty() || !step.routes.remove.empty())
        add_step(std::move(step));
}

// The Model with the parameters that it shall have.
Model Planner::target() const {
    Model target = model_;
    for (const AttachmentStep& step : plan_.attachments)
        if (step.whole)
            if (target.attachments.contains(step.id))
                target.erase(step.id);
    for (const AttachmentStep& step : plan_.attachments)
        if (step.other)
            target.add(step.id, *step.other);
    return target;
}

// What an attachment reserves, beside all that the others will. Lowering it is never refused.
Result<void> Planner::check_share(const Model& wanted, AttachmentId id) const {
    const Attachment& spec = wanted.attachments.at(id);
    const auto now = model_.attachments.find(id);
    const auto rises = [](const std::optional<Limit>& before, const std::optional<Limit>& after) {
        return after && (!before || after->rate_bps > before->rate_bps);
    };
    if (now != model_.attachments.end() && now->second.name == spec.name &&
        now->second.interconnect == spec.interconnect &&
        !rises(now->second.egress_limit, spec.egress_limit) &&
        !rises(now->second.ingress_limit, spec.ingress_limit))
        return check_capacity(model_, spec, id);
    return check_new_share(wanted, spec);
}

// Each in what all of them will be, not in what is there on the way.
Result<void> Planner::check_all() const {
    const bool any = std::ranges::any_of(checks_, &Check::whole);
    const Model wanted = any ? target() : Model{};
    for (const Check& check : checks_) {
        if (check.whole) {
            auto good = check_parameters(wanted, wanted.attachments.at(check.id), check.id);
            if (good)
                good = check_share(wanted, check.id);
            if (!good)
                return inside_attachment(check.place, good.error());
        }
        if (!check.routes)
            return check.routes;
    }
    return {};
}

} // namespace

Result<Plan> make_plan(const Model& model, std::span<const ChannelKeys> keys, Document document) {
    return Planner(model, keys).plan(std::move(document));
}

} // namespace isthmus::control
