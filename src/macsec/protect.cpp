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

uint32_t tag_length(const TagFormat& format) noexcept {
    return (format.tci & kTciExplicitSci) != 0 ? kSecTagLength : kSecTagLengthNoSci;
}

uint32_t clear_tags_length(const ProtectFrame& frame, const TagFormat& format) noexcept {
    if (format.vlan_in_clear == 0)
        return 0;
    return kVlanTagLength * count_vlan_tags(frame.frame, frame.length,
                                            std::min(format.vlan_in_clear, kClearTagsMax));
}

// 9.3 to 9.9.
void write_sectag(uint8_t* tag_at, const TxBinding& tx, uint32_t user_octets, uint64_t pn) {
    auto* tag = wire::overlay<SecTagWire>(tag_at);
    tag->ether_type = tx.format.ether_type;
    tag->tci_an = tx.format.tci | tx.sa->an;
    tag->short_length =
        user_octets < kShortLengthLimit ? static_cast<uint8_t>(user_octets) : uint8_t{0};
    tag->pn = static_cast<uint32_t>(pn);
    if ((tx.format.tci & kTciExplicitSci) != 0)
        tag->sci = tx.sc->sci.value;
}

// Lays the frame out around its SecTAG and describes the AEAD operation. Returns octets of User
// Data.
uint32_t lay_out(ProtectFrame& frame, const TxBinding& tx, uint64_t pn, Batch& batch) noexcept {
    const TagFormat& format = tx.format;
    const uint32_t tag_octets = tag_length(format);
    uint8_t* user_data = frame.frame + kMacPairLength;
    uint8_t* start = frame.frame - tag_octets;
    std::array<uint8_t, kMacPairLength> addresses; // copied, as the two places overlap
    std::memcpy(addresses.data(), frame.frame, kMacPairLength);
    uint8_t* aad = start;
    if (const uint32_t clear_length = clear_tags_length(frame, format); clear_length != 0) {
        ClearTags& clear = batch.clear_tags[batch.clear_tag_count++];
        clear.frame = start;
        clear.length = clear_length;
        std::memcpy(clear.octets.data(), user_data, clear_length);
        user_data += clear_length;
        aad += clear_length;
    }
    std::memcpy(aad, addresses.data(), kMacPairLength);
    uint8_t* end = frame.frame + frame.length;
    const auto user_octets = static_cast<uint32_t>(end - user_data);
    write_sectag(aad + kMacPairLength, tx, user_octets, pn);

    // Integrity only: everything is AAD (10.5.4).
    const uint32_t clear_octets =
        format.encrypts() ? std::min<uint32_t>(format.confidentiality_offset, user_octets)
                          : user_octets;
    AeadOp& op = batch.ops[batch.op_count++];
    op.sak = tx.sa->sak.get();
    op.aad = aad;
    op.aad_length = kMacPairLength + tag_octets + clear_octets;
    op.text = user_data + clear_octets;
    op.text_length = user_octets - clear_octets;
    op.icv = end;
    set_iv(op, tx.sa->iv, pn);

    frame.frame = start;
    frame.length += tag_octets + kIcvLength;
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
    const uint32_t overhead = tag_length(tx.format) + kIcvLength;
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
        octets += lay_out(frame, tx, pns.first + used, batch);
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
