#include "macsec/protect.hpp"

#include "isthmus/wire.hpp"
#include "macsec/sectag.hpp"

namespace isthmus::macsec {

ProtectForm::ProtectForm(const TxBinding& tx)
    : sak(tx.sa->sak.get()), iv(tx.sa->iv),
      tag_head(static_cast<uint32_t>(tx.format.tci | tx.sa->an) << 16 | tx.format.ether_type.raw()),
      sci(byte_swap(tx.sc->sci.value)), explicit_sci((tx.format.tci & kTciExplicitSci) != 0),
      vlan_in_clear(std::min(tx.format.vlan_in_clear, kClearTagsMax)),
      tag_octets(explicit_sci ? kSecTagLength : kSecTagLengthNoSci),
      // Integrity only: everything is AAD (10.5.4).
      clear_octets(tx.format.encrypts() ? tx.format.confidentiality_offset : UINT32_MAX) {}

// Returns their length.
uint32_t ProtectBatch::set_clear_tags_aside(uint8_t* frame, uint32_t length,
                                            const ProtectForm& form) noexcept {
    const uint32_t octets =
        wire::kVlanTagLength * count_vlan_tags(frame, length, form.vlan_in_clear);
    if (octets != 0) {
        ClearTags& clear = clear_tags_[clear_tag_count_++];
        clear.frame = frame - form.tag_octets;
        clear.length = octets;
        std::memcpy(clear.octets.data(), frame + wire::kMacPairLength, octets);
    }
    return octets;
}

void ProtectBatch::count(const TxBinding& tx, uint64_t packets, uint64_t octets) noexcept {
    TxScCounters& sc = tx.sc->counters;
    TxSaCounters& sa = tx.sa->counters;
    if (tx.format.encrypts()) {
        sc.out_pkts_encrypted.add(packets);
        sc.out_octets_encrypted.add(octets);
        sa.out_pkts_encrypted.add(packets);
    } else {
        sc.out_pkts_protected.add(packets);
        sc.out_octets_protected.add(octets);
        sa.out_pkts_protected.add(packets);
    }
}

void ProtectBatch::seal(const Aead& aead) noexcept {
    aead.seal(std::span(ops_).first(op_count_));
    for (const ClearTags& clear : std::span(clear_tags_).first(clear_tag_count_)) {
        std::memmove(clear.frame, clear.frame + clear.length, wire::kMacPairLength);
        std::memcpy(clear.frame + wire::kMacPairLength, clear.octets.data(), clear.length);
    }
}

} // namespace isthmus::macsec
