// Secure frame verification (IEEE 802.1AE-2018 clause 10.6) in three passes: tag, SC, SA and
// preliminary replay check; one AEAD batch; final replay check, PN update and counters.
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

// A frame that reached an SA in the first pass.
struct Candidate {
    ValidateFrame* frame;
    RxSc* sc;
    RxSa* sa;
    uint64_t pn;
    const AeadOp* op; // null: not validated
    uint32_t tag_offset;
    uint32_t secure_offset;
    uint32_t secure_length;
    bool encrypted;     // E
    bool must_be_valid; // else it is delivered whatever the ICV says (10.6)
    std::array<uint8_t, kClearTagsMax * kVlanTagLength> clear_tags;
    [[nodiscard]] uint32_t clear_length() const { return tag_offset - kMacPairLength; }
};

struct Batch {
    std::array<AeadOp, kBurstMax> ops;
    std::size_t op_count = 0;
    std::array<Candidate, kBurstMax> candidates;
    std::size_t candidate_count = 0;
};

// Counters of consecutive accepted frames of one SA, added in one go: a burst mostly has one.
class Tally {
  public:
    void add_ok(const Candidate& candidate) noexcept {
        follow(candidate);
        ++packets_;
    }
    void add_octets(const Candidate& candidate) noexcept {
        follow(candidate);
        (candidate.encrypted ? decrypted_ : validated_) += candidate.secure_length;
    }
    void flush() noexcept {
        if (sa_ == nullptr)
            return;
        sc_->counters.in_pkts_ok.add(packets_);
        sa_->counters.in_pkts_ok.add(packets_);
        sc_->counters.in_octets_decrypted.add(decrypted_);
        sc_->counters.in_octets_validated.add(validated_);
        packets_ = decrypted_ = validated_ = 0;
    }

  private:
    void follow(const Candidate& candidate) noexcept {
        if (candidate.sa == sa_)
            return;
        flush();
        sc_ = candidate.sc;
        sa_ = candidate.sa;
    }

    RxSc* sc_ = nullptr;
    RxSa* sa_ = nullptr;
    uint64_t packets_ = 0, decrypted_ = 0, validated_ = 0;
};

// 10.6.2 and 10.6.4: the same test before and after the cipher.
bool is_late(const RxBinding& rx, const ReplayState& replay, uint64_t pn) noexcept {
    return rx.replay_protect && (replay.is_low(pn) || replay.is_duplicate(pn));
}

// Removes SecTAG, ICV and padding: DA, SA and tags in clear move up to the User Data.
void strip(ValidateFrame& frame, uint32_t tag_offset, uint32_t secure_offset,
           uint32_t secure_length) noexcept {
    uint8_t* stripped = frame.frame + secure_offset - tag_offset;
    // The usual length as a constant, which takes no call: 4 ns less a frame.
    if (tag_offset == kMacPairLength)
        std::memmove(stripped, frame.frame, kMacPairLength);
    else
        std::memmove(stripped, frame.frame, tag_offset);
    frame.frame = stripped;
    frame.length = tag_offset + secure_length;
}

// While the AEAD runs, DA and SA must adjoin the SecTAG: they change places with tags in clear.
void close_up(Candidate& candidate) noexcept {
    uint8_t* frame = candidate.frame->frame;
    const uint32_t length = candidate.clear_length();
    std::memcpy(candidate.clear_tags.data(), frame + kMacPairLength, length);
    std::memmove(frame + length, frame, kMacPairLength);
}
void open_up(const Candidate& candidate) noexcept {
    uint8_t* frame = candidate.frame->frame;
    const uint32_t length = candidate.clear_length();
    std::memmove(frame, frame + length, kMacPairLength);
    std::memcpy(frame + kMacPairLength, candidate.clear_tags.data(), length);
}

void fill_op(AeadOp& op, const Candidate& candidate, uint8_t confidentiality_offset) noexcept {
    uint8_t* frame = candidate.frame->frame;
    uint8_t* secure_data = frame + candidate.secure_offset;
    const uint32_t clear_octets =
        candidate.encrypted ? std::min<uint32_t>(confidentiality_offset, candidate.secure_length)
                            : candidate.secure_length;
    op.sak = candidate.sa->sak.get();
    op.aad = frame + (candidate.tag_offset - kMacPairLength);
    op.text = secure_data + clear_octets;
    op.aad_length = static_cast<uint32_t>(op.text - op.aad);
    op.text_length = candidate.secure_length - clear_octets;
    op.icv = secure_data + candidate.secure_length;
    set_iv(op, candidate.sa->iv, candidate.pn);
}

// The frame is for an SA that is there and in use; its PN is acceptable as far as is known now. The
// upper half of an extended PN comes from lowestPN before the burst: a frame of the same burst may
// move it, but nothing that is not validated may decide.
ValidateVerdict select_sa(const RxBinding& rx, const RxScBinding& sc, RxSa& sa, const SecTag& tag,
                          Candidate& candidate) noexcept {
    const uint64_t pn = rx.xpn ? recover_pn(sa.replay.lowest_pn(), tag.pn) : tag.pn;
    if (is_late(rx, sa.replay, pn)) {
        sc.sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    candidate.sc = sc.sc;
    candidate.sa = &sa;
    candidate.pn = pn;
    candidate.tag_offset = tag.tag_offset;
    candidate.secure_offset = tag.secure_offset;
    candidate.secure_length = tag.secure_length;
    return ValidateVerdict::ok;
}

// A frame that no SA can validate: delivered as far as its data is readable (10.6.1, 10.6.2).
ValidateVerdict without_sa(ValidateFrame& frame, const SecTag& tag, bool must_be_valid,
                           ValidateVerdict refused) noexcept {
    if (must_be_valid)
        return refused;
    strip(frame, tag.tag_offset, tag.secure_offset, tag.secure_length);
    return ValidateVerdict::ok;
}

ValidateVerdict no_sc(ValidateFrame& frame, const SecTag& tag, bool must_be_valid) noexcept {
    (must_be_valid ? frame.secy->in_pkts_no_sci : frame.secy->in_pkts_unknown_sci).add(1);
    return without_sa(frame, tag, must_be_valid, ValidateVerdict::no_sci);
}

ValidateVerdict no_sa(ValidateFrame& frame, const RxScBinding& sc, const SecTag& tag,
                      bool must_be_valid) noexcept {
    RxScCounters& counters = sc.sc->counters;
    (must_be_valid ? counters.in_pkts_not_using_sa : counters.in_pkts_unused_sa).add(1);
    if (RxSa* sa = sc.sa[tag.an])
        (must_be_valid ? sa->counters.in_pkts_not_using_sa : sa->counters.in_pkts_unused_sa).add(1);
    return without_sa(frame, tag, must_be_valid, ValidateVerdict::not_using_sa);
}

ValidateVerdict untagged(const ValidateFrame& frame) noexcept {
    const bool strict = frame.rx->validate_frames == ValidateFrames::strict;
    (strict ? frame.secy->in_pkts_no_tag : frame.secy->in_pkts_untagged).add(1);
    return strict ? ValidateVerdict::no_tag : ValidateVerdict::ok;
}

// First pass over one frame. Appends a candidate if the frame goes on; the verdict of others is
// final.
ValidateVerdict gather(ValidateFrame& frame, Batch& batch) noexcept {
    const RxBinding& rx = *frame.rx;
    if (rx.validate_frames == ValidateFrames::null)
        return ValidateVerdict::ok;
    const SecTag tag =
        parse_sectag(frame.frame, frame.length,
                     {rx.ether_type, rx.xpn, std::min(rx.vlan_in_clear, kClearTagsMax)});
    if (tag.verdict == TagVerdict::no_tag)
        return untagged(frame);
    if (tag.verdict == TagVerdict::bad_tag) {
        frame.secy->in_pkts_bad_tag.add(1);
        return ValidateVerdict::bad_tag;
    }
    const bool encrypted = (tag.tci & kTciEncrypted) != 0;
    const bool changed = (tag.tci & kTciChangedText) != 0;
    // E without C marks frames for the KaY; the standard has no counter for them.
    if (encrypted && !changed)
        return ValidateVerdict::not_controlled;

    const bool must_be_valid = changed || rx.validate_frames == ValidateFrames::strict;
    const std::size_t index = find_sc(rx, tag);
    if (index == rx.scs.size())
        return no_sc(frame, tag, must_be_valid);
    const RxScBinding& sc = rx.scs[index];
    RxSa* sa = sc.sa[tag.an];
    if (sa == nullptr || !sc.sa_in_use[tag.an])
        return no_sa(frame, sc, tag, must_be_valid);

    Candidate& candidate = batch.candidates[batch.candidate_count];
    candidate.frame = &frame;
    const ValidateVerdict verdict = select_sa(rx, sc, *sa, tag, candidate);
    if (verdict != ValidateVerdict::ok)
        return verdict;
    candidate.encrypted = encrypted;
    candidate.must_be_valid = must_be_valid;
    candidate.op = nullptr;
    // C without E is text changed by a cipher that none of our suites is: nothing can validate it.
    if (rx.validate_frames != ValidateFrames::disabled && encrypted == changed) {
        if (candidate.clear_length() != 0)
            close_up(candidate);
        AeadOp& op = batch.ops[batch.op_count++];
        fill_op(op, candidate, rx.confidentiality_offset);
        candidate.op = &op;
    }
    ++batch.candidate_count;
    return ValidateVerdict::ok;
}

// A frame whose ICV is wrong or was not looked at.
ValidateVerdict not_authentic(const Candidate& candidate) noexcept {
    RxScCounters& counters = candidate.sc->counters;
    RxSa& sa = *candidate.sa;
    if (candidate.must_be_valid) {
        counters.in_pkts_not_valid.add(1);
        sa.counters.in_pkts_not_valid.add(1);
        return ValidateVerdict::not_valid;
    }
    if (candidate.frame->rx->validate_frames == ValidateFrames::check) {
        counters.in_pkts_invalid.add(1);
        sa.counters.in_pkts_invalid.add(1);
    } else if (sa.replay.is_low(candidate.pn)) {
        counters.in_pkts_delayed.add(1);
    } else {
        counters.in_pkts_unchecked.add(1);
    }
    return ValidateVerdict::ok;
}

void authentic(const Candidate& candidate, Tally& tally) noexcept {
    RxSa& sa = *candidate.sa;
    // Low is only possible without replay protection (10.6.5).
    if (sa.replay.is_low(candidate.pn))
        candidate.sc->counters.in_pkts_delayed.add(1);
    else
        tally.add_ok(candidate);
    sa.replay.commit(candidate.pn, candidate.frame->rx->replay_window);
}

// Third pass over one frame. lowestPN may have moved since the first, by frames of the same burst.
ValidateVerdict commit(const Candidate& candidate, Tally& tally) noexcept {
    // Whatever comes of it, and also if no cipher can tell what the octets were (10.6.3).
    if (candidate.frame->rx->validate_frames != ValidateFrames::disabled)
        tally.add_octets(candidate);
    if (is_late(*candidate.frame->rx, candidate.sa->replay, candidate.pn)) {
        candidate.sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    if (candidate.op != nullptr && candidate.op->authentic)
        authentic(candidate, tally);
    else if (const auto verdict = not_authentic(candidate); verdict != ValidateVerdict::ok)
        return verdict;
    if (candidate.op != nullptr && candidate.clear_length() != 0)
        open_up(candidate);
    strip(*candidate.frame, candidate.tag_offset, candidate.secure_offset, candidate.secure_length);
    return ValidateVerdict::ok;
}

} // namespace

void validate(const Aead& aead, std::span<ValidateFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    Batch batch;
    for (ValidateFrame& frame : frames)
        frame.verdict = gather(frame, batch);

    aead.open(std::span(batch.ops).first(batch.op_count));

    Tally tally;
    for (const Candidate& candidate : std::span(batch.candidates).first(batch.candidate_count))
        candidate.frame->verdict = commit(candidate, tally);
    tally.flush();
}

} // namespace isthmus::macsec
