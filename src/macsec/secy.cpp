// Making SAs. The SAK goes straight into the engine's key: no copy of it is left here.
#include "macsec/secy.hpp"

#include <cstring>
#include <string>

namespace isthmus::macsec {
namespace {

// What both directions share: the limits of 9.6 (AN) and of 10.7.13 and 10.7.22 (first PN).
Result<std::unique_ptr<AeadKey>> make_sak(const Aead& aead, const SaSpec& spec, uint64_t pn,
                                          std::string pn_field) {
    if (spec.an >= kAssociationNumbers)
        return invalid_value("an", std::to_string(spec.an),
                             "0 to " + std::to_string(kAssociationNumbers - 1));
    if (pn == 0 || pn > last_pn(spec.suite))
        return invalid_value(std::move(pn_field), std::to_string(pn),
                             "1 to " + std::to_string(last_pn(spec.suite)));
    const std::string suite(name(spec.suite));
    if (spec.sak.size() != sak_length(spec.suite))
        return invalid_value("sak", std::to_string(spec.sak.size()) + " octets",
                             std::to_string(sak_length(spec.suite)) + " octets for " + suite);
    if (spec.xpn.has_value() != is_xpn(spec.suite))
        return invalid_value("salt", spec.xpn ? "a salt" : "no salt",
                             spec.xpn ? "none for " + suite : "salt and ssci for " + suite);
    return aead.make_key(spec.suite, spec.sak);
}

} // namespace

IvBase make_iv_base(Sci sci, const std::optional<XpnParameters>& xpn) {
    IvBase base;
    if (!xpn) {
        const Be64 octets = sci.value;
        std::memcpy(base.octets.data(), &octets, sizeof(octets));
        return base;
    }
    base.octets = xpn->salt;
    const Be32 ssci = xpn->ssci;
    for (std::size_t i = 0; i < sizeof(ssci); ++i)
        base.octets[i] ^= reinterpret_cast<const uint8_t*>(&ssci)[i];
    return base;
}

Result<std::unique_ptr<TxSa>> make_tx_sa(const Aead& aead, const SaSpec& spec,
                                         std::shared_ptr<PacketNumbers> pn) {
    auto expanded = make_sak(aead, spec, pn->next(), "next_pn");
    if (!expanded)
        return expanded.error();
    auto sa = std::make_unique<TxSa>();
    sa->sak = *std::move(expanded);
    sa->pn = std::move(pn);
    sa->iv = make_iv_base(spec.sci, spec.xpn);
    sa->an = spec.an;
    return sa;
}

Result<std::unique_ptr<RxSa>> make_rx_sa(const Aead& aead, const SaSpec& spec, uint64_t lowest_pn,
                                         uint32_t remembered) {
    auto expanded = make_sak(aead, spec, lowest_pn, "lowest_pn");
    if (!expanded)
        return expanded.error();
    auto sa = std::make_unique<RxSa>(lowest_pn, remembered);
    sa->sak = *std::move(expanded);
    sa->iv = make_iv_base(spec.sci, spec.xpn);
    sa->an = spec.an;
    return sa;
}

} // namespace isthmus::macsec
