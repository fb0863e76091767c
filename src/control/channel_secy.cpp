// Making, using and retiring SCs and SAs.

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

// 10.7.1: of the first transmit SC.
macsec::Sci first_sci(const ChannelConfig& config, const MacAddr& mac) {
    if (config.sci)
        return *config.sci;
    return macsec::Sci::from(mac, config.include_sci == IncludeSci::scb
                                      ? macsec::kSingleCopyBroadcastPort
                                      : macsec::kEndStationPort);
}

Error same_nonces(const NonceSpace& space, uint32_t ssci, const char* other) {
    const std::string value = std::to_string(ssci);
    return {ErrorCode::conflict,
            fmt::format("ssci: {} with the SAK of fingerprint {} is that of {}: both would use "
                        "the same nonces",
                        value, space.fingerprint, other),
            "ssci", value, "an SSCI for each SC"};
}

} // namespace

ChannelSecy::ChannelSecy(const ChannelConfig& config, const MacAddr& mac, uint16_t workers,
                         const macsec::Aead& aead, PnStore& store)
    : config_(config), aead_(aead), store_(store) {
    const macsec::Sci first = first_sci(config, mac);
    for (uint16_t w = 0; w < workers; ++w) {
        tx_scs_.push_back(std::make_shared<macsec::TxSc>());
        tx_scs_.back()->sci = {first.value + (config.tx_sc == TxScMode::shared ? 0u : w)};
    }
}

std::size_t ChannelSecy::tx_sc_count() const {
    return config_.tx_sc == TxScMode::shared ? 1 : tx_scs_.size();
}

const TxSaSet* ChannelSecy::encoding_set() const {
    return encoding_an_ < 0 ? nullptr : tx_sas_[static_cast<std::size_t>(encoding_an_)].get();
}

Result<void> ChannelSecy::check_nonces(macsec::Sci sci, const RxSaSlot& slot) const {
    const uint32_t ssci = slot.xpn ? slot.xpn->ssci : 0;
    for (const auto& set : tx_sas_)
        if (set && set->shares_nonces(slot.space, ssci))
            return same_nonces(slot.space, ssci, "a transmit SC of this channel");
    // Two peers with one SSCI are no better off.
    for (const auto& [other_sci, other] : rx_scs_)
        for (const RxSaSlot& sa : other.sas)
            if (other_sci != sci && sa.sa && slot.xpn && sa.xpn &&
                sa.space.fingerprint == slot.space.fingerprint && sa.xpn->ssci == ssci)
                return same_nonces(slot.space, ssci, "another receive SC of this channel");
    return {};
}

Result<void> ChannelSecy::check_nonces(const TxSaSet& set) const {
    for (const auto& [sci, slot] : rx_scs_)
        for (const RxSaSlot& sa : slot.sas)
            if (const uint32_t ssci = sa.xpn ? sa.xpn->ssci : 0;
                sa.sa && set.shares_nonces(sa.space, ssci))
                return same_nonces(sa.space, ssci, "a receive SC of this channel");
    return {};
}

std::shared_ptr<const ChannelSecy::Keys> ChannelSecy::keys() const {
    return std::make_shared<const Keys>(Keys{tx_sas_, encoding_an_, rx_scs_});
}

void ChannelSecy::undo(const Keys& before) {
    const auto had = [&](const std::shared_ptr<TxSaSet>& set) {
        return std::find(before.tx_sas.begin(), before.tx_sas.end(), set) != before.tx_sas.end();
    };
    for (const auto& set : tx_sas_)
        if (set && !had(set))
            set->let_go();
    std::erase_if(removed_, had);
    tx_sas_ = before.tx_sas;
    encoding_an_ = before.encoding_an;
    rx_scs_ = before.rx_scs;
}

Result<void> ChannelSecy::add_tx_sa(const TxSaSpec& spec) {
    if (auto good = check_an(spec.an); !good)
        return good;
    if (tx_sas_[spec.an])
        return conflict(
            "an", std::to_string(spec.an),
            fmt::format("an: {} holds a transmit SA already; remove it first", spec.an));
    auto set = TxSaSet::make({config_, aead_, store_, tx_scs_}, spec);
    if (!set)
        return set.error();
    if (auto good = check_nonces(**set); !good)
        return good;
    if (spec.restored)
        (*set)->hold();
    else if (auto reserved = (*set)->reserve(); !reserved)
        return reserved;
    tx_sas_[spec.an] = std::move(*set);
    if (encoding_an_ < 0)
        encoding_an_ = spec.an;
    return {};
}

Result<void> ChannelSecy::remove_tx_sa(uint8_t an) {
    if (auto good = check_an(an); !good)
        return good;
    if (!tx_sas_[an])
        return missing("an", std::to_string(an), "no transmit SA on AN");
    const auto others = std::count_if(tx_sas_.begin(), tx_sas_.end(),
                                      [](const auto& set) { return set != nullptr; });
    if (encoding_an_ == an && others > 1)
        return conflict("an", std::to_string(an),
                        fmt::format("an: {} is the encoding SA; let another one encode first", an));
    removed_.push_back(std::move(tx_sas_[an]));
    if (encoding_an_ == an)
        encoding_an_ = -1;
    return {};
}

Result<void> ChannelSecy::set_encoding_an(uint8_t an) {
    if (auto good = check_an(an); !good)
        return good;
    if (!tx_sas_[an])
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

Result<ChannelSecy::RxSaSlot*> ChannelSecy::find_rx_sa(macsec::Sci sci, uint8_t an) {
    const auto slot = find_rx_sc(sci);
    if (!slot)
        return slot.error();
    if (auto good = check_an(an); !good)
        return good.error();
    if (!(*slot)->sas[an].sa)
        return missing("an", std::to_string(an), "no receive SA on AN");
    return &(*slot)->sas[an];
}

Result<void> ChannelSecy::remove_rx_sc(macsec::Sci sci) {
    if (auto slot = find_rx_sc(sci); !slot)
        return slot.error();
    rx_scs_.erase(sci);
    return {};
}

Result<void> ChannelSecy::add_rx_sa(macsec::Sci sci, const RxSaSpec& spec) {
    auto sc = find_rx_sc(sci);
    if (!sc)
        return sc.error();
    if (auto good = check_an(spec.an); !good)
        return good;
    RxSaSlot& place = (*sc)->sas[spec.an];
    if (place.sa)
        return conflict("an", std::to_string(spec.an),
                        fmt::format("an: {} holds a receive SA of SC {} already; remove it first",
                                    spec.an, hex(sci)));
    auto sa =
        macsec::make_rx_sa(aead_, {config_.cipher_suite, spec.an, spec.sak, sci, spec.xpn},
                           spec.lowest_pn, config_.duplicate_proof ? config_.replay_window : 0);
    if (!sa)
        return sa.error();
    RxSaSlot slot;
    slot.sa = std::move(*sa);
    slot.space = NonceSpace::of(macsec::fingerprint(spec.sak), sci, spec.xpn);
    slot.xpn = spec.xpn;
    slot.in_use = spec.in_use;
    slot.noted_pn = spec.lowest_pn;
    if (auto good = check_nonces(sci, slot); !good)
        return good;
    place = std::move(slot);
    return {};
}

Result<void> ChannelSecy::set_rx_sa_in_use(macsec::Sci sci, uint8_t an, bool in_use) {
    auto sa = find_rx_sa(sci, an);
    if (!sa)
        return sa.error();
    (*sa)->in_use = in_use;
    return {};
}

Result<void> ChannelSecy::remove_rx_sa(macsec::Sci sci, uint8_t an) {
    auto sa = find_rx_sa(sci, an);
    if (!sa)
        return sa.error();
    **sa = {};
    return {};
}

bool ChannelSecy::has_encoding_sa() const {
    return !config_.protect_frames || encoding_an_ >= 0;
}

std::string ChannelSecy::send_problem() const {
    if (!config_.protect_frames)
        return {};
    const TxSaSet* set = encoding_set();
    if (set == nullptr)
        return "no transmit SA";
    if (set->exhausted())
        return "transmit SA is exhausted";
    if (set->stopped())
        return "transmit SA has used all packet numbers that could be reserved";
    return {};
}

Result<void> ChannelSecy::forget_removed() {
    Result<void> result;
    for (const auto& set : removed_)
        if (auto released = set->release(); !released)
            result = released;
    removed_.clear();
    return result;
}

Result<void> ChannelSecy::release_all() {
    for (auto& set : tx_sas_)
        if (set)
            removed_.push_back(std::move(set));
    encoding_an_ = -1;
    return forget_removed();
}

Result<void> ChannelSecy::extend_reservations() {
    Result<void> result;
    for (const auto& set : tx_sas_)
        if (set)
            if (auto extended = set->extend(); !extended)
                result = extended;
    return result;
}

std::vector<ChannelSecy::Received> ChannelSecy::received() const {
    std::vector<Received> all;
    for (const auto& [sci, sc] : rx_scs_)
        for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an)
            if (const RxSaSlot& slot = sc.sas[an];
                slot.sa && slot.sa->replay.next_pn() > slot.noted_pn)
                all.push_back({sci, an, slot.sa->replay.next_pn()});
    return all;
}

void ChannelSecy::noted(const Received& received) {
    rx_scs_.at(received.sci).sas[received.an].noted_pn = received.next_pn;
}

std::vector<PnEvent> ChannelSecy::take_events() {
    std::vector<PnEvent> events;
    for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an) {
        TxSaSet* set = tx_sas_[an].get();
        if (set == nullptr)
            continue;
        const auto tell = [&](bool& told, PnEvent::Kind kind, uint64_t& count) {
            told = true;
            ++count;
            events.push_back({kind, an, set->next_pn(), set->fingerprint()});
        };
        if (set->near_exhaustion() && !set->told_near_exhaustion)
            tell(set->told_near_exhaustion, PnEvent::Kind::near_exhaustion,
                 near_exhaustion_events_);
        if (set->exhausted() && !set->told_exhausted)
            tell(set->told_exhausted, PnEvent::Kind::exhausted, exhausted_events_);
    }
    return events;
}

} // namespace isthmus::control
