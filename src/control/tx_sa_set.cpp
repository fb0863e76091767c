#include "control/tx_sa_set.hpp"

#include "macsec/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

using macsec::PacketNumbers;

// SSCIs of the transmit SCs are consecutive.
std::optional<macsec::XpnParameters> nth(std::optional<macsec::XpnParameters> xpn, std::size_t n) {
    if (xpn)
        xpn->ssci += static_cast<uint32_t>(n);
    return xpn;
}

} // namespace

TxSaSet::TxSaSet(const TxSaSetup& setup, const TxSaSpec& spec)
    : store_(setup.store), suite_(setup.config.cipher_suite), threshold_(setup.config.threshold()),
      shared_(setup.config.tx_sc == TxScMode::shared), fingerprint_(macsec::fingerprint(spec.sak)),
      xpn_(spec.xpn) {
    const std::size_t count = shared_ ? 1 : setup.scs.size();
    for (std::size_t n = 0; n < count; ++n)
        lanes_.push_back(
            {NonceSpace::of(fingerprint_, setup.scs[n]->sci, nth(spec.xpn, n)), nullptr});
}

Result<std::unique_ptr<TxSaSet>> TxSaSet::make(const TxSaSetup& setup, const TxSaSpec& spec) {
    if (spec.xpn.has_value() != macsec::is_xpn(setup.config.cipher_suite))
        return invalid_value("salt", spec.xpn ? "a salt" : "no salt",
                             fmt::format("{} for {}", spec.xpn ? "none" : "salt and ssci",
                                         macsec::name(setup.config.cipher_suite)));
    std::unique_ptr<TxSaSet> set(new TxSaSet(setup, spec));
    const uint64_t highest = UINT32_MAX - (set->lanes_.size() - 1);
    if (spec.xpn && (spec.xpn->ssci == 0 || spec.xpn->ssci > highest))
        return invalid_value("ssci", std::to_string(spec.xpn->ssci), fmt::format("1..{}", highest));
    const auto first = set->first_pn(spec);
    if (!first)
        return first.error();
    const bool used_up = spec.restored && *first > macsec::last_pn(set->suite_);
    const uint64_t next = *first - used_up;
    for (Lane& lane : set->lanes_)
        lane.pn = std::make_shared<PacketNumbers>(
            set->shared_ ? PacketNumbers::Owner::shared : PacketNumbers::Owner::per_worker, next,
            spec.restored && !used_up ? next - 1 : set->limit_from(next, set->store_.chunk()));
    if (auto made = set->make_sas(setup, spec); !made)
        return made.error();
    for (Lane& lane : set->lanes_) {
        if (used_up)
            (void)lane.pn->take(1);
        lane.seen = lane.pn->next();
    }
    return set;
}

Result<void> TxSaSet::reserve() {
    std::vector<PnMark> marks;
    for (const Lane& lane : lanes_)
        marks.push_back({lane.space, lane.pn->limit() + 1});
    return store_.reserve(marks);
}

void TxSaSet::hold() {
    for (const Lane& lane : lanes_)
        store_.hold(lane.space);
}

void TxSaSet::let_go() {
    for (const Lane& lane : lanes_)
        store_.let_go(lane.space);
}

Result<uint64_t> TxSaSet::first_pn(const TxSaSpec& spec) const {
    uint64_t first = 1;
    for (const Lane& lane : lanes_) {
        const auto unused = store_.first_unused(lane.space);
        if (!unused)
            return unused;
        first = std::max(first, *unused);
    }
    const uint64_t last = macsec::last_pn(suite_);
    if (first > last && spec.restored)
        return last + 1;
    if (first > last)
        return Error{
            ErrorCode::conflict,
            fmt::format("sak: the SAK with fingerprint {} has used all its packet numbers, "
                        "up to {}",
                        fingerprint_, last),
            "sak", fingerprint_, std::to_string(last)};
    if (spec.next_pn && *spec.next_pn < first)
        return Error{
            ErrorCode::conflict,
            fmt::format("next_pn: the SAK with fingerprint {} was used before, or reserved, up to "
                        "packet number {}; {} would repeat one",
                        fingerprint_, first - 1, *spec.next_pn),
            "next_pn", std::to_string(*spec.next_pn), fmt::format("at least {}", first)};
    return spec.next_pn.value_or(first);
}

Result<void> TxSaSet::make_sas(const TxSaSetup& setup, const TxSaSpec& spec) {
    for (std::size_t w = 0; w < setup.scs.size(); ++w) {
        const std::size_t n = shared_ ? 0 : w;
        auto sa = macsec::make_tx_sa(
            setup.aead, {suite_, spec.an, spec.sak, setup.scs[w]->sci, nth(spec.xpn, n)},
            lanes_[n].pn);
        if (!sa)
            return sa.error();
        sas_.push_back(std::move(*sa));
    }
    return {};
}

bool TxSaSet::shares_nonces(const NonceSpace& space, uint32_t ssci) const {
    if (space.fingerprint != fingerprint_)
        return false;
    for (std::size_t n = 0; n < lanes_.size(); ++n)
        if (lanes_[n].space == space || (xpn_ && nth(xpn_, n)->ssci == ssci))
            return true;
    return false;
}

const PacketNumbers& TxSaSet::foremost() const {
    const auto least = [](const Lane& a, const Lane& b) { return a.pn->next() < b.pn->next(); };
    return *std::max_element(lanes_.begin(), lanes_.end(), least)->pn;
}

bool TxSaSet::stopped() const {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.pn->exhausted(); });
}

uint64_t TxSaSet::limit_from(uint64_t next, uint64_t chunk) const {
    const uint64_t last = macsec::last_pn(suite_);
    return next > last || last - next < chunk ? last : next + chunk - 1;
}

Result<void> TxSaSet::extend() {
    std::vector<PnMark> marks;
    std::vector<PacketNumbers*> raised;
    for (Lane& lane : lanes_) {
        const uint64_t limit = lane.pn->limit();
        const uint64_t next = lane.pn->next();
        lane.pace = std::max(next - lane.seen, lane.pace - lane.pace / 8);
        lane.seen = next;
        const uint64_t chunk = store_.chunk(lane.pace);
        const bool enough = next <= limit && limit - next >= chunk / 2;
        if (limit == macsec::last_pn(suite_) || enough)
            continue;
        marks.push_back({lane.space, limit_from(next, chunk) + 1});
        raised.push_back(lane.pn.get());
    }
    if (marks.empty())
        return {};
    // First the disk, then the workers.
    if (auto reserved = store_.reserve(marks); !reserved)
        return reserved;
    for (std::size_t i = 0; i < marks.size(); ++i)
        raised[i]->raise_limit(marks[i].first_unused - 1);
    return {};
}

Result<void> TxSaSet::release() {
    std::vector<PnMark> marks;
    for (const Lane& lane : lanes_)
        marks.push_back({lane.space, lane.pn->next()});
    return store_.release(marks);
}

} // namespace isthmus::control
