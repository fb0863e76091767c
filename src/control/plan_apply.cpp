// A plan on its way to the workers. What can fail goes first, and is taken back if something behind
// it fails: keys, then routes that are changed in place, then the publication.

#include "control/control_plane_state.hpp"
#include "control/document_value.hpp"
#include "control/plan.hpp"

#include <algorithm>
#include <new>
#include <vector>

namespace isthmus::control {
namespace {

// With fewer changes than a part of the table, it is changed as it is; else it is built anew with
// the publication.
constexpr std::size_t kPartInPlace = 8;

using UndoList = std::vector<std::function<void()>>;

void undo_all(const UndoList& list) {
    for (auto undo = list.rbegin(); undo != list.rend(); ++undo)
        (*undo)();
}

Result<void> add_key(ChannelSecy& secy, const ChannelConfig& config, const DocumentKey& item) {
    if (auto good = item.sci ? check_receives(config) : check_transmits(config); !good)
        return good;
    const SaBody& sa = item.sa;
    if (item.sci)
        return secy.add_rx_sa(*item.sci, {sa.an, sa.sak, sa.pn.value_or(1), sa.xpn, sa.in_use});
    return secy.add_tx_sa({sa.an, sa.sak, sa.pn, sa.xpn});
}

Result<void> change_keys(const ChannelSecys& secys, const Config& config, const Plan& plan) {
    for (const auto& [channel, sci] : plan.new_rx_scs) {
        Result<void> good = check_receives(config.channels[channel.value]);
        if (good)
            good = secys[channel.value]->add_rx_sc(sci);
        if (!good)
            return good;
    }
    for (const auto& [channel, item] : plan.keys)
        if (auto good = add_key(*secys[channel.value], config.channels[channel.value], item); !good)
            return inside(item.place, good.error());
    for (const auto& [channel, sci] : plan.old_rx_scs)
        if (auto good = secys[channel.value]->remove_rx_sc(sci); !good)
            return good;
    return {};
}

bool in_place(const Model& model, const AttachmentStep& step) {
    const std::size_t changes = step.routes.add.size() + step.routes.remove.size();
    return !step.whole && changes < model.attachments.at(step.id).routes.size() / kPartInPlace;
}

// A change that workers have not confirmed is made all the same.
bool is_made(const RouteTable& routes, const RouteChange& change) {
    if (change.add.empty())
        return !routes.contains(change.remove.front());
    return routes.find(change.add.front().first) == change.add.front().second;
}

bool nothing_left(const Plan& plan) {
    return plan.attachments.empty() && plan.ports.empty() && plan.channels.empty() &&
           plan.new_rx_scs.empty() && plan.old_rx_scs.empty() && plan.keys.empty();
}

} // namespace

std::vector<ChannelKeys> ControlPlane::channel_keys() const {
    std::vector<ChannelKeys> keys;
    for (const auto& secy : state_->secys) {
        ChannelInfo info;
        secy->describe(info);
        ChannelKeys& one = keys.emplace_back();
        one.tx_sas = info.tx_sas.size();
        for (const RxScInfo& sc : info.rx_scs)
            one.rx_scs.push_back({sc.sci, sc.sas.size()});
    }
    return keys;
}

Result<void> ControlPlane::apply(Plan plan) {
    State& s = *state_;
    if (plan.empty())
        return {};
    if (auto good = s.settle_rows(); !good)
        return good;
    std::vector<std::shared_ptr<const ChannelSecy::Keys>> keys;
    for (const auto& secy : s.secys)
        keys.push_back(secy->keys());
    const auto told = events_of(s.model, plan); // the plan becomes what undoes it
    const auto tell_all = [&] {
        for (const Told& one : told)
            emit(*s.events, one);
    };
    UndoList undo;
    undo.emplace_back([&] {
        for (std::size_t c = 0; c < keys.size(); ++c)
            s.secys[c]->undo(*keys[c]);
    });
    const auto kept = s.store->database().transact([&]() -> Result<void> {
        if (auto good = change_keys(s.secys, s.model.config, plan); !good)
            return good;
        return s.write_rows(plan);
    });
    if (!kept) {
        undo_all(undo);
        return kept;
    }
    Result<void> good;
    std::vector<AttachmentId> changed;
    const auto change = [&](AttachmentStep& step) {
        RouteChange back = inverse(s.model.attachments.at(step.id).routes, step.routes);
        changed.push_back(step.id);
        good = s.change_routes(step.id, step.routes, false);
        if (good || is_made(s.model.attachments.at(step.id).routes, step.routes))
            undo.emplace_back([&s, id = step.id, back = std::move(back)] {
                (void)s.change_routes(id, back, false);
            });
    };
    std::erase_if(plan.attachments, [&](AttachmentStep& step) {
        const bool now = good && in_place(s.model, step);
        if (now)
            change(step);
        return now;
    });
    if (good && nothing_left(plan)) {
        tell_all();
        return {};
    }
    if (good)
        try {
            good = s.apply_plan(plan);
            tell_all();
            return good;
        } catch (const std::bad_alloc&) {
            good = Error{ErrorCode::unavailable, "no room for the routes in the forwarding tables"};
        }
    undo_all(undo);
    for (const AttachmentId id : changed)
        s.take_back(id);
    s.take_back_rows(plan);
    return good;
}

// Before anything of it is done.
Result<void> ControlPlane::State::write_rows(const Plan& plan) {
    const Config& config = model.config;
    Result<void> good;
    const auto write = [&](Result<void> written) {
        if (good)
            good = std::move(written);
    };
    for (const AttachmentStep& step : plan.attachments)
        if (step.whole && !step.other)
            write(store->erase_attachment(step.id));
    for (const AttachmentStep& step : plan.attachments) {
        const auto now = model.attachments.find(step.id);
        const bool stays =
            now != model.attachments.end() && step.other && now->second.name == step.other->name;
        if (step.other && stays)
            write(store->put_parameters(config, step.id, *step.other));
        else if (step.other)
            write(store->put_attachment(config, step.id, *step.other));
        if (!step.routes.add.empty() || !step.routes.remove.empty())
            write(store->change_routes(step.id, step.routes));
    }
    for (const auto& [port, enabled] : plan.ports)
        write(store->put_port(config.ports[port.value], enabled));
    for (const auto& [channel, admin] : plan.channels)
        write(store->put_channel(config, channel, admin));
    for (const auto& [channel, sci] : plan.new_rx_scs)
        write(store->add_rx_sc(config, channel, sci));
    for (const auto& [channel, sci] : plan.old_rx_scs)
        write(store->remove_rx_sc(config, channel, sci));
    for (const auto& [channel, item] : plan.keys) {
        const SaBody& sa = item.sa;
        write(item.sci ? store->add_rx_sa(config, channel, *item.sci,
                                          {sa.an, sa.sak, sa.pn.value_or(1), sa.xpn, sa.in_use})
                       : store->add_tx_sa(config, channel, {sa.an, sa.sak, sa.pn, sa.xpn}));
    }
    return good;
}

// Of a plan that could not be applied; the model is as it was. SAs of a receive SC that was to go
// are in no row any more, but work up to the end of the process.
void ControlPlane::State::take_back_rows(const Plan& plan) {
    for (const AttachmentStep& step : plan.attachments)
        take_back(step.id);
    const Config& config = model.config;
    (void)store->database().transact([&]() -> Result<void> {
        for (const auto& [port, enabled] : plan.ports)
            (void)store->put_port(config.ports[port.value], model.port_enabled[port.value]);
        for (const auto& [channel, admin] : plan.channels)
            (void)store->put_channel(config, channel, model.channel_admin[channel.value]);
        for (const auto& [channel, item] : plan.keys)
            (void)(item.sci ? store->remove_rx_sa(config, channel, *item.sci, item.sa.an)
                            : store->remove_tx_sa(config, channel, item.sa.an));
        for (const auto& [channel, sci] : plan.new_rx_scs)
            (void)store->remove_rx_sc(config, channel, sci);
        for (const auto& [channel, sci] : plan.old_rx_scs)
            (void)store->add_rx_sc(config, channel, sci);
        return {};
    });
}

// Throws if there is no memory for the tables; the model is then as it was.
Result<void> ControlPlane::State::apply_plan(Plan& plan) {
    std::map<AttachmentId, const Vrf*> tables;
    std::vector<AttachmentId> ids;
    for (const AttachmentStep& step : plan.attachments) {
        const bool rebuilt = !step.routes.add.empty() || !step.routes.remove.empty();
        const bool given_on = !tables.emplace(step.id, cache.find(step.id)).second;
        if (given_on)
            leave_slot(step.id);
        else
            ids.push_back(step.id);
        const bool stays = !given_on && step.other && model.attachments.contains(step.id);
        if (step.other && !stays)
            take_slot(step.id, step.other->edge);
        if (stays && !rebuilt)
            cache.touch(step.id);
        else
            cache.erase(step.id);
    }
    exchange(model, plan);
    watched.sold = true;
    Result<void> good;
    try {
        good = apply(ids);
    } catch (const std::bad_alloc&) {
        exchange(model, plan);
        for (const auto& [id, before] : tables)
            if (before == nullptr || before != cache.find(id))
                cache.erase(id);
            else
                cache.keep(id);
        throw;
    }
    return good;
}

void ControlPlane::State::take_slot(AttachmentId id, EdgeId edge) {
    baseline[id.value] = raw_counters(id);
    if (usage.meter)
        usage.meter->take_slot(id.value, store->usage().clock().now_ms());
    slot_edge[id.value] = edge;
}

// The neighbours of an attachment that gives its slot on in the same step are not the next one's.
void ControlPlane::State::leave_slot(AttachmentId id) {
    host.set_links(id, {}, monotonic_ns());
    follow_neighbours();
}

} // namespace isthmus::control
