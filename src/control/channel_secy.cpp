#include "control/channel_secy.hpp"

#include "macsec/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

// As many peers as a channel can have in practice; a worker searches them in order.
constexpr std::size_t kMaxRxScs = 16;

std::string hex(macsec::Sci sci) {
    return fmt::format("{:016x}", sci.value);
}

Result<void> check_an(uint8_t an) {
    if (an >= macsec::kAssociationNumbers)
        return invalid_value("an", std::to_string(an), "0..3");
    return {};
}

Error missing(const char* field, const std::string& value, const std::string& what) {
    return {ErrorCode::not_found, fmt::format("{}: {}", what, value), field, value, ""};
}

Error conflict(const char* field, const std::string& value, std::string message) {
    return {ErrorCode::conflict, std::move(message), field, value, ""};
}

} // namespace

uint64_t ChannelSecy::TxSaSet::next_pn() const {
    uint64_t highest = 0;
    for (const auto& sa : sas)
        highest = std::max(highest, sa->next_pn.get());
    return highest;
}

ChannelSecy::ChannelSecy(const ChannelConfig& config, const MacAddr& mac, uint16_t workers,
                         const macsec::Aead& aead)
    : config_(config), aead_(aead) {
    for (uint16_t w = 0; w < workers; ++w) {
        tx_scs_.push_back(std::make_shared<macsec::TxSc>());
        tx_scs_.back()->sci = macsec::Sci::from(mac, static_cast<uint16_t>(w + 1));
    }
}

Result<void> ChannelSecy::check_not_used_before(const std::string& fingerprint,
                                                uint64_t next_pn) const {
    const auto in_use = [&](const TxSaSet& set) {
        return !set.sas.empty() && set.fingerprint == fingerprint;
    };
    if (std::any_of(tx_sas_.begin(), tx_sas_.end(), in_use) ||
        std::any_of(removed_.begin(), removed_.end(), in_use))
        return conflict("sak", fingerprint,
                        fmt::format("sak: the SAK with fingerprint {} is installed on this channel",
                                    fingerprint));
    const auto used = used_pn_.find(fingerprint);
    if (used != used_pn_.end() && next_pn < used->second)
        return Error{
            ErrorCode::conflict,
            fmt::format("next_pn: the SAK with fingerprint {} was used before up to packet "
                        "number {}; {} would repeat one",
                        fingerprint, used->second - 1, next_pn),
            "next_pn", std::to_string(next_pn), fmt::format("at least {}", used->second)};
    return {};
}

Result<void> ChannelSecy::add_tx_sa(uint8_t an, std::span<const uint8_t> sak, uint64_t next_pn) {
    if (auto good = check_an(an); !good)
        return good;
    if (!tx_sas_[an].sas.empty())
        return conflict("an", std::to_string(an),
                        fmt::format("an: {} holds a transmit SA already; remove it first", an));
    TxSaSet set;
    set.fingerprint = macsec::fingerprint(sak);
    if (auto good = check_not_used_before(set.fingerprint, next_pn); !good)
        return good;
    for (std::size_t w = 0; w < tx_scs_.size(); ++w) {
        auto sa = macsec::make_tx_sa(aead_, config_.cipher_suite, an, sak, next_pn);
        if (!sa)
            return sa.error();
        set.sas.push_back(std::move(*sa));
    }
    tx_sas_[an] = std::move(set);
    if (encoding_an_ < 0)
        encoding_an_ = an;
    return {};
}

Result<void> ChannelSecy::remove_tx_sa(uint8_t an) {
    if (auto good = check_an(an); !good)
        return good;
    if (tx_sas_[an].sas.empty())
        return missing("an", std::to_string(an), "no transmit SA on AN");
    const auto others = std::count_if(tx_sas_.begin(), tx_sas_.end(),
                                      [](const TxSaSet& set) { return !set.sas.empty(); });
    if (encoding_an_ == an && others > 1)
        return conflict("an", std::to_string(an),
                        fmt::format("an: {} is the encoding SA; let another one encode first", an));
    removed_.push_back(std::move(tx_sas_[an]));
    tx_sas_[an] = {};
    if (encoding_an_ == an)
        encoding_an_ = -1;
    return {};
}

Result<void> ChannelSecy::set_encoding_an(uint8_t an) {
    if (auto good = check_an(an); !good)
        return good;
    if (tx_sas_[an].sas.empty())
        return missing("encoding_an", std::to_string(an), "no transmit SA on AN");
    encoding_an_ = an;
    return {};
}

Result<void> ChannelSecy::add_rx_sc(macsec::Sci sci) {
    if (rx_scs_.contains(sci))
        return conflict("sci", hex(sci),
                        fmt::format("sci: {} is a receive SC of this channel already", hex(sci)));
    for (const auto& own : tx_scs_)
        if (own->sci == sci)
            return conflict("sci", hex(sci),
                            fmt::format("sci: {} is this channel's own transmit SC", hex(sci)));
    if (rx_scs_.size() == kMaxRxScs)
        return Error{ErrorCode::conflict,
                     fmt::format("sci: {} would be receive SC {}, the limit is {}", hex(sci),
                                 kMaxRxScs + 1, kMaxRxScs),
                     "sci", hex(sci), std::to_string(kMaxRxScs)};
    auto& slot = rx_scs_[sci];
    slot.sc = std::make_shared<macsec::RxSc>();
    slot.sc->sci = sci;
    return {};
}

Result<ChannelSecy::RxScSlot*> ChannelSecy::find_rx_sc(macsec::Sci sci) {
    const auto found = rx_scs_.find(sci);
    if (found == rx_scs_.end())
        return missing("sci", hex(sci), "no receive SC with SCI");
    return &found->second;
}

Result<void> ChannelSecy::remove_rx_sc(macsec::Sci sci) {
    if (auto slot = find_rx_sc(sci); !slot)
        return slot.error();
    rx_scs_.erase(sci);
    return {};
}

Result<void> ChannelSecy::add_rx_sa(macsec::Sci sci, uint8_t an, std::span<const uint8_t> sak,
                                    uint64_t lowest_pn) {
    auto slot = find_rx_sc(sci);
    if (!slot)
        return slot.error();
    if (auto good = check_an(an); !good)
        return good;
    RxSaSlot& place = (*slot)->sas[an];
    if (place.sa)
        return conflict("an", std::to_string(an),
                        fmt::format("an: {} holds a receive SA of SC {} already; remove it first",
                                    an, hex(sci)));
    auto sa = macsec::make_rx_sa(aead_, config_.cipher_suite, an, sak, lowest_pn);
    if (!sa)
        return sa.error();
    place.sa = std::move(*sa);
    place.fingerprint = macsec::fingerprint(sak);
    return {};
}

Result<void> ChannelSecy::remove_rx_sa(macsec::Sci sci, uint8_t an) {
    auto slot = find_rx_sc(sci);
    if (!slot)
        return slot.error();
    if (auto good = check_an(an); !good)
        return good;
    if (!(*slot)->sas[an].sa)
        return missing("an", std::to_string(an), "no receive SA on AN");
    (*slot)->sas[an] = {};
    return {};
}

bool ChannelSecy::can_send() const {
    return !config_.protect || encoding_an_ >= 0;
}

void ChannelSecy::bind(dataplane::ChannelState& state,
                       std::vector<std::shared_ptr<const void>>& keep_alive) const {
    state.protect = config_.protect;
    for (std::size_t w = 0; w < tx_scs_.size(); ++w) {
        macsec::TxBinding binding{tx_scs_[w].get(), nullptr};
        if (encoding_an_ >= 0) {
            const auto& sa = tx_sas_[static_cast<std::size_t>(encoding_an_)].sas[w];
            binding.sa = sa.get();
            keep_alive.push_back(sa);
        }
        keep_alive.push_back(tx_scs_[w]);
        state.tx.push_back(binding);
    }
    for (const auto& [sci, slot] : rx_scs_) {
        macsec::RxScBinding binding{sci, slot.sc.get(), {}};
        keep_alive.push_back(slot.sc);
        for (std::size_t an = 0; an < slot.sas.size(); ++an) {
            binding.sa[an] = slot.sas[an].sa.get();
            if (slot.sas[an].sa)
                keep_alive.push_back(slot.sas[an].sa);
        }
        state.rx_scs.push_back(binding);
    }
    state.rx = {state.rx_scs, config_.replay_protect, config_.replay_window};
}

void ChannelSecy::forget_removed() {
    for (const TxSaSet& set : removed_) {
        uint64_t& used = used_pn_[set.fingerprint];
        used = std::max(used, set.next_pn());
    }
    removed_.clear();
}

void ChannelSecy::describe(ChannelInfo& info) const {
    for (const auto& sc : tx_scs_)
        info.tx_scs.push_back({sc->sci, sc->counters.out_pkts_encrypted.get(),
                               sc->counters.out_octets_encrypted.get()});
    for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an) {
        const TxSaSet& set = tx_sas_[an];
        if (set.sas.empty())
            continue;
        SaInfo sa{an, encoding_an_ == an, set.next_pn(), 0, 0, set.fingerprint};
        for (const auto& each : set.sas)
            sa.packets += each->out_pkts_encrypted.get();
        info.tx_sas.push_back(std::move(sa));
    }
    for (const auto& [sci, slot] : rx_scs_) {
        const auto& c = slot.sc->counters;
        RxScInfo sc{sci,
                    c.in_pkts_ok.get(),
                    c.in_pkts_delayed.get(),
                    c.in_pkts_late.get(),
                    c.in_pkts_not_valid.get(),
                    c.in_pkts_not_using_sa.get(),
                    c.in_octets_decrypted.get(),
                    {}};
        for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an)
            if (const auto& [sa, fingerprint] = slot.sas[an]; sa)
                sc.sas.push_back(
                    {an, false, 0, sa->lowest_pn.get(), sa->in_pkts_ok.get(), fingerprint});
        info.rx_scs.push_back(std::move(sc));
    }
}

} // namespace isthmus::control
