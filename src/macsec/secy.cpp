// Making SAs. The SAK goes straight into the engine's key: no copy of it is left here.
#include "macsec/secy.hpp"

#include <string>

namespace isthmus::macsec {
namespace {

// What both directions share: the limits of 9.6 (AN) and of 10.7.13 and 10.7.22 (first PN).
Result<std::unique_ptr<AeadKey>> make_sak(const Aead& aead, CipherSuite suite, uint8_t an,
                                          std::span<const uint8_t> sak, uint64_t pn,
                                          std::string pn_field) {
    if (an >= kAssociationNumbers)
        return invalid_value("an", std::to_string(an),
                             "0 to " + std::to_string(kAssociationNumbers - 1));
    if (pn == 0 || pn > last_pn(suite))
        return invalid_value(std::move(pn_field), std::to_string(pn),
                             "1 to " + std::to_string(last_pn(suite)));
    if (sak.size() != sak_length(suite))
        return invalid_value("sak", std::to_string(sak.size()) + " octets",
                             std::to_string(sak_length(suite)) + " octets for " +
                                 std::string(name(suite)));
    return aead.make_key(suite, sak);
}

} // namespace

Result<std::unique_ptr<TxSa>> make_tx_sa(const Aead& aead, CipherSuite suite, uint8_t an,
                                         std::span<const uint8_t> sak, uint64_t next_pn) {
    auto expanded = make_sak(aead, suite, an, sak, next_pn, "next_pn");
    if (!expanded)
        return expanded.error();
    auto sa = std::make_unique<TxSa>();
    sa->sak = *std::move(expanded);
    sa->last_pn = last_pn(suite);
    sa->next_pn.set(next_pn);
    sa->an = an;
    return sa;
}

Result<std::unique_ptr<RxSa>> make_rx_sa(const Aead& aead, CipherSuite suite, uint8_t an,
                                         std::span<const uint8_t> sak, uint64_t lowest_pn) {
    auto expanded = make_sak(aead, suite, an, sak, lowest_pn, "lowest_pn");
    if (!expanded)
        return expanded.error();
    auto sa = std::make_unique<RxSa>();
    sa->sak = *std::move(expanded);
    sa->next_pn.set(lowest_pn);
    sa->lowest_pn.set(lowest_pn);
    sa->an = an;
    return sa;
}

} // namespace isthmus::macsec
