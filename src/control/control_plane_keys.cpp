// The keys of channels: operations, and what the control tick does for packet numbers.

#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

constexpr uint64_t kStoreFailurePauseNs = 10'000'000'000;

using macsec::ValidateFrames;

Error without_keys(const ChannelConfig& channel, const char* option) {
    return {ErrorCode::conflict,
            fmt::format("channel {} is configured with {}", channel.name, option)};
}

} // namespace

Result<void> check_transmits(const ChannelConfig& channel) {
    if (!channel.protect_frames)
        return without_keys(channel, "protect_frames = false: it sends in clear");
    return {};
}

Result<void> check_receives(const ChannelConfig& channel) {
    if (channel.validate_frames == ValidateFrames::null)
        return without_keys(channel, "validate_frames = 'null': it accepts plaintext only");
    return {};
}

Result<void> ControlPlane::add_tx_sa(ChannelId channel, const TxSaSpec& spec) {
    return state_->change_keys(
        channel, check_transmits, [&](ChannelSecy& secy) { return secy.add_tx_sa(spec); },
        [&](StateStore& store, const Config& config) {
            return store.add_tx_sa(config, channel, spec);
        },
        sa_told(EventKind::sa_installed, state_->name_of(channel), spec.an, "transmit"));
}

Result<void> ControlPlane::remove_tx_sa(ChannelId channel, uint8_t an) {
    return state_->change_keys(
        channel, check_transmits, [&](ChannelSecy& secy) { return secy.remove_tx_sa(an); },
        [&](StateStore& store, const Config& config) {
            return store.remove_tx_sa(config, channel, an);
        },
        sa_told(EventKind::sa_retired, state_->name_of(channel), an, "transmit"));
}

Result<void> ControlPlane::set_encoding_an(ChannelId channel, uint8_t an) {
    return state_->change_keys(
        channel, check_transmits, [&](ChannelSecy& secy) { return secy.set_encoding_an(an); },
        [&](StateStore& store, const Config& config) {
            return store.set_encoding_an(config, channel, an);
        },
        sa_told(EventKind::sa_changed, state_->name_of(channel), an, "encoding"));
}

Result<void> ControlPlane::add_rx_sc(ChannelId channel, macsec::Sci sci) {
    return state_->change_keys(
        channel, check_receives, [&](ChannelSecy& secy) { return secy.add_rx_sc(sci); },
        [&](StateStore& store, const Config& config) {
            return store.add_rx_sc(config, channel, sci);
        },
        rx_sc_told(EventKind::rx_sc_added, state_->name_of(channel), sci));
}

Result<void> ControlPlane::remove_rx_sc(ChannelId channel, macsec::Sci sci) {
    return state_->change_keys(
        channel, check_receives, [&](ChannelSecy& secy) { return secy.remove_rx_sc(sci); },
        [&](StateStore& store, const Config& config) {
            return store.remove_rx_sc(config, channel, sci);
        },
        rx_sc_told(EventKind::rx_sc_removed, state_->name_of(channel), sci));
}

Result<void> ControlPlane::add_rx_sa(ChannelId channel, macsec::Sci sci, const RxSaSpec& spec) {
    return state_->change_keys(
        channel, check_receives, [&](ChannelSecy& secy) { return secy.add_rx_sa(sci, spec); },
        [&](StateStore& store, const Config& config) {
            return store.add_rx_sa(config, channel, sci, spec);
        },
        sa_told(EventKind::sa_installed, state_->name_of(channel), spec.an, "receive"));
}

Result<void> ControlPlane::set_rx_sa_in_use(ChannelId channel, macsec::Sci sci, uint8_t an,
                                            bool in_use) {
    return state_->change_keys(
        channel, check_receives,
        [&](ChannelSecy& secy) { return secy.set_rx_sa_in_use(sci, an, in_use); },
        [&](StateStore& store, const Config& config) {
            return store.set_rx_sa_in_use(config, channel, sci, an, in_use);
        },
        sa_told(EventKind::sa_changed, state_->name_of(channel), an,
                in_use ? "enabled" : "disabled"));
}

Result<void> ControlPlane::remove_rx_sa(ChannelId channel, macsec::Sci sci, uint8_t an) {
    return state_->change_keys(
        channel, check_receives, [&](ChannelSecy& secy) { return secy.remove_rx_sa(sci, an); },
        [&](StateStore& store, const Config& config) {
            return store.remove_rx_sa(config, channel, sci, an);
        },
        sa_told(EventKind::sa_retired, state_->name_of(channel), an, "receive"));
}

void ControlPlane::release_keys() {
    if (const auto noted = state_->note_received(); !noted)
        state_->tell_store_failure(noted.error(), monotonic_ns());
    for (const auto& secy : state_->secys)
        if (const auto released = secy->release_all(); !released)
            state_->tell_store_failure(released.error(), monotonic_ns());
}

void ControlPlane::State::tell_store_failure(const Error& error, uint64_t now_ns) {
    if (store_failure_told_ns != 0 && now_ns - store_failure_told_ns < kStoreFailurePauseNs)
        return;
    store_failure_told_ns = now_ns;
    store_told = true;
    events->emit(EventKind::store_trouble, "",
                 fmt::format("changes and packet numbers cannot be recorded, SAs stop when those "
                             "reserved are used: {}",
                             error.message),
                 error.message);
}

void ControlPlane::State::tell(ChannelId channel, const PnEvent& event) const {
    const std::string where = name_of(channel);
    const std::string sa = fmt::format("{}/{}", where, event.an);
    const uint64_t last = macsec::last_pn(model.config.channels[channel.value].cipher_suite);
    if (event.kind == PnEvent::Kind::exhausted)
        events->emit(
            EventKind::sa_exhausted, sa,
            fmt::format("channel {}: transmit SA {} (SAK {}) is exhausted: nothing is sent with it "
                        "any more",
                        where, event.an, event.fingerprint));
    else
        events->emit(
            EventKind::sa_expiring, sa,
            fmt::format("channel {}: transmit SA {} (SAK {}) needs a successor: next packet number "
                        "{} of {}",
                        where, event.an, event.fingerprint, event.next_pn, last));
}

bool ControlPlane::State::tick_keys(uint64_t now_ns) {
    bool changed = false;
    for (std::size_t c = 0; c < secys.size(); ++c) {
        ChannelSecy& secy = *secys[c];
        if (const auto extended = secy.extend_reservations(); !extended)
            tell_store_failure(extended.error(), now_ns);
        for (const PnEvent& event : secy.take_events())
            tell(ChannelId(c), event);
        changed = changed || secy.can_send() != can_send[c];
    }
    return changed;
}

} // namespace isthmus::control
