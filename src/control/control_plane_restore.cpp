// What a start begins with, and what keeps the state file and the model in step.

#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

// Frames that were received in this time before a crash can be replayed once behind it.
constexpr uint64_t kNoteNs = 1'000'000'000;

} // namespace

// All at once, and no worker runs yet: one publication, however much there is.
Result<void> ControlPlane::restore(SavedState saved) {
    State& s = *state_;
    s.model = std::move(saved.model);
    for (const auto& [id, attachment] : s.model.attachments) {
        s.slot_edge[id.value] = attachment.edge;
        s.cache.erase(id);
    }
    if (auto restored = s.restore_keys(saved); !restored)
        return restored;
    if (auto started = s.start_usage(); !started)
        return started;
    (void)s.publish_now();
    for (std::size_t c = 0; c < s.channel_linked.size(); ++c)
        s.channel_linked[c] = has_link(s.model, s.secys, ChannelId(c));
    s.port_linked = s.model.port_enabled;
    s.tell_ports_links();
    s.host.set_links(make_links(s.model, s.ports, s.secys), monotonic_ns());
    return {};
}

Result<void> ControlPlane::State::restore_keys(const SavedState& saved) {
    const auto refused = [&](const std::string& row, const Error& why) {
        return Error{ErrorCode::conflict,
                     fmt::format("state: {}: {}: {}; remove all SAs with --forget sas",
                                 store->database().path(), row, why.message)};
    };
    for (const auto& [channel, sci] : saved.rx_scs)
        if (auto added = secys[channel.value]->add_rx_sc(sci); !added)
            return refused(fmt::format("rx_scs: {:016x}", sci.value), added.error());
    for (const SavedSa& sa : saved.rx_sas)
        if (auto added = secys[sa.channel.value]->add_rx_sa(
                sa.sci, {sa.an, sa.sak, sa.next_pn, sa.xpn, sa.active});
            !added)
            return refused(sa.row, added.error());
    for (const SavedSa& sa : saved.tx_sas) {
        ChannelSecy& secy = *secys[sa.channel.value];
        if (auto added = secy.add_tx_sa({sa.an, sa.sak, {}, sa.xpn, true}); !added)
            return refused(sa.row, added.error());
        if (sa.active)
            (void)secy.set_encoding_an(sa.an);
    }
    // A disk that takes nothing now may do so later: until then the SAs do not send.
    for (const auto& secy : secys)
        if (auto reserved = secy->extend_reservations(); !reserved)
            tell_store_failure(reserved.error(), monotonic_ns());
    return {};
}

void ControlPlane::State::take_back(AttachmentId id) {
    rows_owed.insert(id);
    (void)settle_rows();
}

Result<void> ControlPlane::State::settle_rows() {
    while (!rows_owed.empty()) {
        const AttachmentId id = *rows_owed.begin();
        const auto found = model.attachments.find(id);
        const auto done = found == model.attachments.end()
                              ? store->erase_attachment(id)
                              : store->put_attachment(model.config, id, found->second);
        if (!done)
            return done;
        rows_owed.erase(id);
        follow_usage({&id, 1});
    }
    return {};
}

Result<void> ControlPlane::State::note_received() {
    if (!store->keeps_sas())
        return {};
    std::vector<RxMark> marks;
    std::vector<std::vector<ChannelSecy::Received>> received;
    for (std::size_t c = 0; c < secys.size(); ++c)
        for (const auto& it : received.emplace_back(secys[c]->received()))
            marks.push_back({ChannelId(c), it.sci, it.an, it.next_pn});
    if (auto noted = store->note_received(model.config, marks); !noted)
        return noted;
    for (std::size_t c = 0; c < secys.size(); ++c)
        for (const auto& it : received[c])
            secys[c]->noted(it);
    return {};
}

void ControlPlane::State::tick_store(uint64_t now_ns) {
    if (now_ns < next_note_ns)
        return;
    next_note_ns = now_ns + kNoteNs;
    auto good = note_received();
    if (good)
        good = settle_rows();
    if (good && !store->database().problem().empty())
        good = store->database().probe();
    if (!good)
        tell_store_failure(good.error(), now_ns);
    else if (store_told && store->database().problem().empty())
        tell_store_works();
}

// A write has succeeded since the last one failed: note_received() writes nothing without SAs, but
// a problem of the database ends by a write only, at the latest that of the probe.
void ControlPlane::State::tell_store_works() {
    store_told = false;
    store_failure_told_ns = 0;
    events->emit(EventKind::store_recovered, "", "changes and packet numbers are recorded again");
}

} // namespace isthmus::control
