// Secure frame generation (IEEE 802.1AE-2018 clause 10.5): packet numbers for each run of frames of
// one SA, SecTAG and IV, one AEAD batch, and for tags in clear a last touch.
#include "isthmus/wire.hpp"
#include "macsec/iv.hpp"
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace isthmus::macsec {

using wire::kMacPairLength;
using wire::kVlanTagLength;

// What the frames of one SA have in common, worked out once for a run of them.
struct ProtectBatch::Form {
    explicit Form(const TxBinding& tx)
        : sak(tx.sa->sak.get()), iv(tx.sa->iv),
          tag_head(uint64_t{static_cast<uint8_t>(tx.format.tci | tx.sa->an)} << 16 |
                   tx.format.ether_type.raw()),
          sci(byte_swap(tx.sc->sci.value)), explicit_sci((tx.format.tci & kTciExplicitSci) != 0),
          vlan_in_clear(std::min(tx.format.vlan_in_clear, kClearTagsMax)),
          tag_octets(explicit_sci ? kSecTagLength : kSecTagLengthNoSci),
          // Integrity only: everything is AAD (10.5.4).
          clear_octets(tx.format.encrypts() ? tx.format.confidentiality_offset : UINT32_MAX) {}
    [[nodiscard]] uint32_t overhead() const { return tag_octets + kIcvLength; }
    AeadKey* sak;
    IvBase iv;
    uint64_t tag_head; // the first eight octets of the SecTAG but for SL and PN
    uint64_t sci;      // as it stands in the tag
    bool explicit_sci;
    uint8_t vlan_in_clear;
    uint32_t tag_octets;
    uint32_t clear_octets; // of User Data, if there are so many
    // 9.3 to 9.9, as SecTagWire has it, in two stores.
    void write_sectag(uint8_t* tag, uint32_t user_octets, uint64_t pn) const noexcept {
        static_assert(offsetof(SecTagWire, short_length) == 3 && offsetof(SecTagWire, pn) == 4 &&
                      offsetof(SecTagWire, sci) == 8);
        const uint64_t short_length = user_octets < kShortLengthLimit ? user_octets : 0;
        const uint64_t head =
            tag_head | short_length << 24 | uint64_t{byte_swap(static_cast<uint32_t>(pn))} << 32;
        std::memcpy(tag, &head, sizeof head);
        if (explicit_sci)
            std::memcpy(tag + sizeof head, &sci, sizeof sci);
    }
};

namespace {

// DA and SA by way of registers: memmove would be called, and the two places may overlap.
void move_addresses(uint8_t* to, const uint8_t* from) noexcept {
    uint64_t first;
    uint32_t second;
    static_assert(sizeof first + sizeof second == kMacPairLength);
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&second, from + sizeof first, sizeof second);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + sizeof first, &second, sizeof second);
}

void count(const TxBinding& tx, uint64_t packets, uint64_t octets) noexcept {
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

// A run that nothing is done to.
void pass(const TxBinding& tx, SecyCounters& secy, std::span<ProtectFrame> run) noexcept {
    if (!tx.protect_frames)
        secy.out_pkts_untagged.add(run.size());
    for (ProtectFrame& frame : run)
        frame.verdict = tx.protect_frames ? ProtectVerdict::no_tx_sa : ProtectVerdict::ok;
}

} // namespace

// Sets the tags that stay in clear aside; the protected frame will begin at `start`. Returns their
// length.
[[gnu::noinline]] uint32_t ProtectBatch::set_clear_tags_aside(const ProtectFrame& frame,
                                                              const Form& form,
                                                              uint8_t* start) noexcept {
    const uint32_t length =
        kVlanTagLength * count_vlan_tags(frame.frame, frame.length, form.vlan_in_clear);
    if (length != 0) {
        ClearTags& clear = clear_tags_[clear_tag_count_++];
        clear.frame = start;
        clear.length = length;
        std::memcpy(clear.octets.data(), frame.frame + kMacPairLength, length);
    }
    return length;
}

// Lays the frame out around its SecTAG and describes the AEAD operation. Returns octets of User
// Data.
inline uint32_t ProtectBatch::lay_out(ProtectFrame& frame, const Form& form, uint64_t pn) noexcept {
    uint8_t* const start = frame.frame - form.tag_octets;
    uint8_t* user_data = frame.frame + kMacPairLength;
    uint8_t* const end = frame.frame + frame.length;
    uint8_t* aad = start;
    if (form.vlan_in_clear != 0) [[unlikely]] {
        const uint32_t length = set_clear_tags_aside(frame, form, start);
        user_data += length;
        aad += length;
    }
    const auto user_octets = static_cast<uint32_t>(end - user_data);
    move_addresses(aad, frame.frame);
    form.write_sectag(aad + kMacPairLength, user_octets, pn);

    const uint32_t clear_octets = std::min(form.clear_octets, user_octets);
    AeadOp& op = ops_[op_count_++];
    op.sak = form.sak;
    op.aad = aad;
    op.aad_length = kMacPairLength + form.tag_octets + clear_octets;
    op.text = user_data + clear_octets;
    op.text_length = user_octets - clear_octets;
    op.icv = end;
    set_iv(op, form.iv, pn);

    frame.frame = start;
    frame.length += form.overhead();
    return user_octets;
}

// A packet number is gone whatever happens to its frame later, so none can be used twice with one
// SAK (10.5.2).
void ProtectBatch::add(const TxBinding& tx, SecyCounters& secy, uint32_t max_length,
                       std::span<ProtectFrame> run) noexcept {
    assert(op_count_ + run.size() <= kBurstMax);
    if (!tx.protect_frames || tx.sc == nullptr || tx.sa == nullptr) [[unlikely]]
        return pass(tx, secy, run);
    const Form form(tx);
    uint32_t fitting = 0;
    for (ProtectFrame& frame : run) {
        const bool fits = frame.length + form.overhead() <= max_length;
        frame.verdict = fits ? ProtectVerdict::ok : ProtectVerdict::too_long;
        fitting += fits;
    }
    if (fitting != run.size()) [[unlikely]]
        secy.out_pkts_too_long.add(run.size() - fitting);
    const PacketNumbers::Run pns = tx.sa->pn->take(fitting);
    uint32_t used = 0;
    uint64_t octets = 0;
    for (ProtectFrame& frame : run) {
        if (frame.verdict != ProtectVerdict::ok) [[unlikely]]
            continue;
        if (used == pns.count) [[unlikely]] {
            frame.verdict = ProtectVerdict::pn_exhausted;
            continue;
        }
        octets += lay_out(frame, form, pns.first + used);
        ++used;
    }
    if (used != 0)
        count(tx, used, octets);
}

void ProtectBatch::seal(const Aead& aead) noexcept {
    aead.seal(std::span(ops_).first(op_count_));
    for (const ClearTags& clear : std::span(clear_tags_).first(clear_tag_count_)) {
        std::memmove(clear.frame, clear.frame + clear.length, kMacPairLength);
        std::memcpy(clear.frame + kMacPairLength, clear.octets.data(), clear.length);
    }
}

} // namespace isthmus::macsec
