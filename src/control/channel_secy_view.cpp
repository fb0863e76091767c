// A channel's SecY as workers and operators see it.

#include "control/channel_secy.hpp"

namespace isthmus::control {

macsec::TagFormat ChannelSecy::tag_format() const {
    macsec::TagFormat format;
    format.tci = config_.encrypt ? macsec::kTciEncrypted | macsec::kTciChangedText : 0;
    // 10.5.3. A peer can not tell several transmit SCs apart without SCI, either.
    const bool several = rx_scs_.size() > 1 || tx_sc_count() > 1;
    if (config_.include_sci == IncludeSci::end_station)
        format.tci |= macsec::kTciEndStation;
    else if (config_.include_sci == IncludeSci::scb)
        format.tci |= macsec::kTciSingleCopyBroadcast;
    else if (config_.include_sci == IncludeSci::always || several)
        format.tci |= macsec::kTciExplicitSci;
    format.confidentiality_offset = config_.confidentiality_offset;
    format.vlan_in_clear = config_.vlan_in_clear;
    format.ether_type = config_.ether_type;
    return format;
}

void ChannelSecy::bind_transmit(dataplane::ChannelState& state,
                                std::vector<std::shared_ptr<const void>>& keep_alive) const {
    const TxSaSet* set = encoding_set();
    for (std::size_t w = 0; w < tx_scs_.size(); ++w) {
        macsec::TxBinding binding;
        binding.sc = tx_scs_[w].get();
        binding.format = tag_format();
        binding.protect_frames = config_.protect_frames;
        keep_alive.push_back(tx_scs_[w]);
        if (set != nullptr) {
            binding.sa = set->sas()[w].get();
            keep_alive.push_back(set->sas()[w]);
        }
        state.tx.push_back(binding);
    }
}

void ChannelSecy::bind_receive(dataplane::ChannelState& state,
                               std::vector<std::shared_ptr<const void>>& keep_alive) const {
    for (const auto& [sci, slot] : rx_scs_) {
        macsec::RxScBinding binding;
        binding.sci = sci;
        binding.sc = slot.sc.get();
        keep_alive.push_back(slot.sc);
        for (std::size_t an = 0; an < slot.sas.size(); ++an) {
            binding.sa[an] = slot.sas[an].sa.get();
            binding.sa_in_use[an] = slot.sas[an].in_use;
            if (slot.sas[an].sa)
                keep_alive.push_back(slot.sas[an].sa);
        }
        state.rx_scs.push_back(binding);
        // A peer's transmit SCs, one per worker of its, are told apart by the port identifier;
        // channels take turns, or SCs with the usual identifier 1 would all go to one worker.
        const auto port_identifier = static_cast<uint16_t>(sci.value);
        const std::size_t workers = tx_scs_.size();
        state.rx_owners.push_back(
            static_cast<uint16_t>((port_identifier + (workers - 1) + state.member) % workers));
    }
    state.rx.scs = state.rx_scs;
    state.rx.validate_frames = config_.validate_frames;
    state.rx.replay_protect = config_.replay_protect;
    state.rx.replay_window = config_.replay_window;
    state.rx.xpn = macsec::is_xpn(config_.cipher_suite);
    state.rx.confidentiality_offset = config_.confidentiality_offset;
    state.rx.vlan_in_clear = config_.vlan_in_clear;
    state.rx.ether_type = config_.ether_type;
}

void ChannelSecy::bind(dataplane::ChannelState& state,
                       std::vector<std::shared_ptr<const void>>& keep_alive) const {
    for (const uint16_t type : config_.clear_ether_types)
        state.clear.ether_types.emplace_back(type);
    state.clear.destinations = config_.clear_destinations;
    bind_transmit(state, keep_alive);
    bind_receive(state, keep_alive);
}

void ChannelSecy::describe_transmit(ChannelInfo& info) const {
    for (std::size_t w = 0; w < tx_scs_.size(); ++w) {
        if (w < tx_sc_count())
            info.tx_scs.push_back({tx_scs_[w]->sci, {}});
        info.tx_scs.back().counters.add(tx_scs_[w]->counters);
    }
    for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an) {
        const TxSaSet* set = tx_sas_[an].get();
        if (set == nullptr)
            continue;
        TxSaInfo& sa = info.tx_sas.emplace_back();
        sa.an = an;
        sa.encoding = encoding_an_ == an;
        sa.next_pn = set->next_pn();
        sa.pn_limit = set->pn_limit();
        sa.pending_exhaustion = set->near_exhaustion();
        sa.exhausted = set->stopped();
        sa.fingerprint = set->fingerprint();
        if (set->xpn())
            sa.ssci = set->xpn()->ssci;
        for (const auto& each : set->sas())
            sa.counters.add(each->counters);
    }
}

void ChannelSecy::describe_receive(ChannelInfo& info) const {
    for (const auto& [sci, slot] : rx_scs_) {
        RxScInfo& sc = info.rx_scs.emplace_back();
        sc.sci = sci;
        sc.counters.add(slot.sc->counters);
        for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an) {
            const RxSaSlot& found = slot.sas[an];
            if (!found.sa)
                continue;
            RxSaInfo& sa = sc.sas.emplace_back();
            sa.an = an;
            sa.in_use = found.in_use;
            sa.next_pn = found.sa->replay.next_pn();
            sa.lowest_pn = found.sa->replay.lowest_pn();
            sa.fingerprint = found.space.fingerprint;
            if (found.xpn)
                sa.ssci = found.xpn->ssci;
            sa.counters.add(found.sa->counters);
        }
    }
}

void ChannelSecy::describe(ChannelInfo& info) const {
    describe_transmit(info);
    describe_receive(info);
    info.pn_pending_exhaustion = near_exhaustion_events_;
    info.pn_exhausted = exhausted_events_;
}

} // namespace isthmus::control
