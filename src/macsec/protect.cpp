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
namespace {

using wire::kMacPairLength;
using wire::kVlanTagLength;

// While the AEAD runs, DA and SA must adjoin the SecTAG: tags that stay in clear are put back
// between them afterwards.
struct ClearTags {
    uint8_t* frame; // the protected frame
    uint32_t length;
    std::array<uint8_t, kClearTagsMax * kVlanTagLength> octets;
};

struct Batch {
    std::array<AeadOp, kBurstMax> ops;
    std::size_t op_count = 0;
    std::array<ClearTags, kBurstMax> clear_tags;
    std::size_t clear_tag_count = 0;
};

uint32_t clear_tags_length(const ProtectFrame& frame, const TagFormat& format) noexcept {
    if (format.vlan_in_clear == 0)
        return 0;
    return kVlanTagLength * count_vlan_tags(frame.frame, frame.length,
                                            std::min(format.vlan_in_clear, kClearTagsMax));
}

// What the frames of one SA have in common, worked out once for a run of them.
struct Form {
    explicit Form(const TxBinding& tx)
        : format(tx.format), sak(tx.sa->sak.get()), iv(tx.sa->iv),
          tci_an(static_cast<uint8_t>(tx.format.tci | tx.sa->an)), sci(tx.sc->sci.value),
          explicit_sci((tx.format.tci & kTciExplicitSci) != 0),
          tag_octets(explicit_sci ? kSecTagLength : kSecTagLengthNoSci),
          // Integrity only: everything is AAD (10.5.4).
          clear_octets(tx.format.encrypts() ? tx.format.confidentiality_offset : UINT32_MAX) {}
    TagFormat format;
    AeadKey* sak;
    IvBase iv;
    uint8_t tci_an;
    Be64 sci;
    bool explicit_sci;
    uint32_t tag_octets;
    uint32_t clear_octets; // of User Data, if there are so many
};

// 9.3 to 9.9.
void write_sectag(uint8_t* tag_at, const Form& form, uint32_t user_octets, uint64_t pn) noexcept {
    auto* tag = wire::overlay<SecTagWire>(tag_at);
    tag->ether_type = form.format.ether_type;
    tag->tci_an = form.tci_an;
    tag->short_length =
        user_octets < kShortLengthLimit ? static_cast<uint8_t>(user_octets) : uint8_t{0};
    tag->pn = static_cast<uint32_t>(pn);
    if (form.explicit_sci)
        tag->sci = form.sci;
}

// Lays the frame out around its SecTAG and describes the AEAD operation. Returns octets of User
// Data.
uint32_t lay_out(ProtectFrame& frame, const Form& form, uint64_t pn, Batch& batch) noexcept {
    uint8_t* user_data = frame.frame + kMacPairLength;
    uint8_t* start = frame.frame - form.tag_octets;
    std::array<uint8_t, kMacPairLength> addresses; // copied, as the two places overlap
    std::memcpy(addresses.data(), frame.frame, kMacPairLength);
    uint8_t* aad = start;
    if (const uint32_t length = clear_tags_length(frame, form.format); length != 0) [[unlikely]] {
        ClearTags& clear = batch.clear_tags[batch.clear_tag_count++];
        clear.frame = start;
        clear.length = length;
        std::memcpy(clear.octets.data(), user_data, length);
        user_data += length;
        aad += length;
    }
    std::memcpy(aad, addresses.data(), kMacPairLength);
    uint8_t* end = frame.frame + frame.length;
    const auto user_octets = static_cast<uint32_t>(end - user_data);
    write_sectag(aad + kMacPairLength, form, user_octets, pn);

    const uint32_t clear_octets = std::min(form.clear_octets, user_octets);
    AeadOp& op = batch.ops[batch.op_count++];
    op.sak = form.sak;
    op.aad = aad;
    op.aad_length = kMacPairLength + form.tag_octets + clear_octets;
    op.text = user_data + clear_octets;
    op.text_length = user_octets - clear_octets;
    op.icv = end;
    set_iv(op, form.iv, pn);

    frame.frame = start;
    frame.length += form.tag_octets + kIcvLength;
    return user_octets;
}

void restore(const ClearTags& clear) noexcept {
    std::memmove(clear.frame, clear.frame + clear.length, kMacPairLength);
    std::memcpy(clear.frame + kMacPairLength, clear.octets.data(), clear.length);
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

// A run of frames that go out by one SA. A packet number is gone whatever happens to its frame
// later, so none can be used twice with one SAK (10.5.2).
void prepare_run(std::span<ProtectFrame> run, const TxBinding& tx, Batch& batch) noexcept {
    const Form form(tx);
    const uint32_t overhead = form.tag_octets + kIcvLength;
    uint32_t fitting = 0;
    for (ProtectFrame& frame : run) {
        const bool fits = frame.length + overhead <= frame.max_length;
        frame.verdict = fits ? ProtectVerdict::ok : ProtectVerdict::too_long;
        fitting += fits;
        if (!fits)
            frame.secy->out_pkts_too_long.add(1);
    }
    const PacketNumbers::Run pns = tx.sa->pn->take(fitting);
    uint32_t used = 0;
    uint64_t octets = 0;
    for (ProtectFrame& frame : run) {
        if (frame.verdict != ProtectVerdict::ok)
            continue;
        if (used == pns.count) {
            frame.verdict = ProtectVerdict::pn_exhausted;
            continue;
        }
        octets += lay_out(frame, form, pns.first + used, batch);
        ++used;
    }
    if (used != 0)
        count(tx, used, octets);
}

} // namespace

void protect(const Aead& aead, std::span<ProtectFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    Batch batch;
    for (std::size_t begin = 0; begin < frames.size();) {
        const TxBinding* tx = frames[begin].tx;
        std::size_t end = begin + 1;
        while (end < frames.size() && frames[end].tx == tx)
            ++end;
        const auto run = frames.subspan(begin, end - begin);
        begin = end;
        if (tx != nullptr && tx->protect_frames && tx->sc != nullptr && tx->sa != nullptr) {
            prepare_run(run, *tx, batch);
        } else if (tx != nullptr && !tx->protect_frames) {
            run.front().secy->out_pkts_untagged.add(run.size());
            for (ProtectFrame& frame : run)
                frame.verdict = ProtectVerdict::ok;
        } else {
            for (ProtectFrame& frame : run)
                frame.verdict = ProtectVerdict::no_tx_sa;
        }
    }
    aead.seal(std::span(batch.ops).first(batch.op_count));
    for (const ClearTags& clear : std::span(batch.clear_tags).first(batch.clear_tag_count))
        restore(clear);
}

} // namespace isthmus::macsec
