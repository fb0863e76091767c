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

// What frames have in common that a SecY received with the same tag, but for the packet number.
struct Kind {
    const RxBinding* rx;
    RxSc* sc;
    RxSa* sa;
    uint32_t tag_offset;
    uint32_t secure_offset;
    bool encrypted;     // E
    bool must_be_valid; // else it is delivered whatever the ICV says (10.6)
    [[nodiscard]] uint32_t clear_length() const { return tag_offset - kMacPairLength; }
};

// A frame that reached an SA in the first pass.
struct Candidate {
    ValidateFrame* frame;
    const Kind* kind;
    uint64_t pn;
    const AeadOp* op; // null: not validated
    uint32_t secure_length;
    std::array<uint8_t, kClearTagsMax * kVlanTagLength> clear_tags;
};

struct Batch {
    std::array<AeadOp, kBurstMax> ops;
    std::size_t op_count = 0;
    std::array<Candidate, kBurstMax> candidates;
    std::size_t candidate_count = 0;
    std::array<Kind, kBurstMax> kinds;
    std::size_t kind_count = 0;
};

// Counters of consecutive accepted frames of one SA, added in one go: a burst mostly has one.
class Tally {
  public:
    // What is added next counts for the SA of these frames.
    void follow(const Kind& kind) noexcept {
        if (kind.sa == sa_) [[likely]]
            return;
        flush();
        sc_ = kind.sc;
        sa_ = kind.sa;
    }
    void add_ok() noexcept { ++packets_; }
    void add_octets(const Candidate& candidate) noexcept {
        (candidate.kind->encrypted ? decrypted_ : validated_) += candidate.secure_length;
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
    RxSc* sc_ = nullptr;
    RxSa* sa_ = nullptr;
    uint64_t packets_ = 0, decrypted_ = 0, validated_ = 0;
};

// 10.6.2 and 10.6.4: the same test before and after the cipher.
[[gnu::always_inline]] inline bool is_late(const RxBinding& rx, const ReplayState& replay,
                                           uint64_t pn) noexcept {
    return rx.replay_protect && (replay.is_low(pn) || replay.is_duplicate(pn));
}

// Removes SecTAG, ICV and padding: DA, SA and tags in clear move up to the User Data.
void strip(ValidateFrame& frame, uint32_t tag_offset, uint32_t secure_offset,
           uint32_t secure_length) noexcept {
    uint8_t* stripped = frame.frame + secure_offset - tag_offset;
    if (tag_offset == kMacPairLength) [[likely]] {
        // By way of registers: memmove would be called, and the two places may overlap.
        uint64_t first;
        uint32_t second;
        static_assert(sizeof first + sizeof second == kMacPairLength);
        std::memcpy(&first, frame.frame, sizeof first);
        std::memcpy(&second, frame.frame + sizeof first, sizeof second);
        std::memcpy(stripped, &first, sizeof first);
        std::memcpy(stripped + sizeof first, &second, sizeof second);
    } else {
        std::memmove(stripped, frame.frame, tag_offset);
    }
    frame.frame = stripped;
    frame.length = tag_offset + secure_length;
}

// While the AEAD runs, DA and SA must adjoin the SecTAG: they change places with tags in clear.
void close_up(Candidate& candidate) noexcept {
    uint8_t* frame = candidate.frame->frame;
    const uint32_t length = candidate.kind->clear_length();
    std::memcpy(candidate.clear_tags.data(), frame + kMacPairLength, length);
    std::memmove(frame + length, frame, kMacPairLength);
}
void open_up(const Candidate& candidate) noexcept {
    uint8_t* frame = candidate.frame->frame;
    const uint32_t length = candidate.kind->clear_length();
    std::memmove(frame, frame + length, kMacPairLength);
    std::memcpy(frame + kMacPairLength, candidate.clear_tags.data(), length);
}

[[gnu::always_inline]] inline void fill_op(AeadOp& op, const Candidate& candidate) noexcept {
    const Kind& kind = *candidate.kind;
    uint8_t* frame = candidate.frame->frame;
    uint8_t* secure_data = frame + kind.secure_offset;
    const uint32_t clear_octets =
        kind.encrypted
            ? std::min<uint32_t>(kind.rx->confidentiality_offset, candidate.secure_length)
            : candidate.secure_length;
    op.sak = kind.sa->sak.get();
    op.aad = frame + kind.clear_length();
    op.text = secure_data + clear_octets;
    op.aad_length = static_cast<uint32_t>(op.text - op.aad);
    op.text_length = candidate.secure_length - clear_octets;
    op.icv = secure_data + candidate.secure_length;
    set_iv(op, kind.sa->iv, candidate.pn);
}

// Appends the frame as a candidate if its PN is acceptable as far as is known now. The upper half
// of an extended PN comes from lowestPN before the burst: a frame of the same burst may move it,
// but nothing that is not validated may decide.
[[gnu::always_inline]] inline ValidateVerdict add_candidate(ValidateFrame& frame, const Kind& kind,
                                                            uint32_t received_pn,
                                                            uint32_t secure_length,
                                                            Batch& batch) noexcept {
    const RxBinding& rx = *kind.rx;
    const ReplayState& replay = kind.sa->replay;
    const uint64_t pn = rx.xpn ? recover_pn(replay.lowest_pn(), received_pn) : received_pn;
    if (is_late(rx, replay, pn)) [[unlikely]] {
        kind.sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    Candidate& candidate = batch.candidates[batch.candidate_count++];
    candidate.frame = &frame;
    candidate.kind = &kind;
    candidate.pn = pn;
    candidate.op = nullptr;
    candidate.secure_length = secure_length;
    return ValidateVerdict::ok;
}

// The operation of the last candidate.
[[gnu::always_inline]] inline void add_op(Batch& batch) noexcept {
    Candidate& candidate = batch.candidates[batch.candidate_count - 1];
    AeadOp& op = batch.ops[batch.op_count++];
    fill_op(op, candidate);
    candidate.op = &op;
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

// Whether a frame's tag says the same as that of the last candidate, but for the packet number:
// then so does all that follows from it, as 9.12 and the choice of SC and SA take nothing else.
// Only for tags of the usual form, without tags in clear before them, with SCI and without SL.
class Lead {
  public:
    void follow(const ValidateFrame& frame, const Candidate& candidate) noexcept {
        const Kind& kind = *candidate.kind;
        const auto* tag = wire::overlay<SecTagWire>(frame.frame + kMacPairLength);
        const bool usual = candidate.op != nullptr && kind.tag_offset == kMacPairLength &&
                           kind.secure_offset == kMacPairLength + kSecTagLength &&
                           tag->short_length == 0;
        kind_ = usual ? &kind : nullptr;
        rx_ = usual ? frame.rx : nullptr;
        head_ = head_of(*tag);
        sci_ = tag->sci;
    }
    [[nodiscard]] bool leads(const ValidateFrame& frame) const noexcept {
        constexpr uint32_t kLeast = kMacPairLength + kSecTagLength + kShortLengthLimit + kIcvLength;
        if (frame.rx != rx_ || frame.length < kLeast)
            return false;
        const auto* tag = wire::overlay<SecTagWire>(frame.frame + kMacPairLength);
        return head_of(*tag) == head_ && tag->sci == sci_ && tag->pn.raw() != 0;
    }
    ValidateVerdict gather(ValidateFrame& frame, Batch& batch) const noexcept {
        constexpr uint32_t kAround = kMacPairLength + kSecTagLength + kIcvLength;
        const auto* tag = wire::overlay<SecTagWire>(frame.frame + kMacPairLength);
        const auto verdict =
            add_candidate(frame, *kind_, tag->pn.host(), frame.length - kAround, batch);
        if (verdict == ValidateVerdict::ok) [[likely]]
            add_op(batch);
        return verdict;
    }

  private:
    // EtherType, TCI, AN and SL.
    static Be32 head_of(const SecTagWire& tag) noexcept {
        return *wire::overlay<Be32>(reinterpret_cast<const uint8_t*>(&tag));
    }

    const Kind* kind_ = nullptr;
    const RxBinding* rx_ = nullptr; // none: no frame is led
    Be32 head_{0};
    Be64 sci_{0};
};

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

    const Kind& kind = batch.kinds[batch.kind_count++] = {
        &rx, sc.sc, sa, tag.tag_offset, tag.secure_offset, encrypted, must_be_valid};
    const ValidateVerdict verdict = add_candidate(frame, kind, tag.pn, tag.secure_length, batch);
    // C without E is text changed by a cipher that none of our suites is: nothing can validate it.
    if (verdict == ValidateVerdict::ok && rx.validate_frames != ValidateFrames::disabled &&
        encrypted == changed) {
        if (kind.clear_length() != 0)
            close_up(batch.candidates[batch.candidate_count - 1]);
        add_op(batch);
    }
    return verdict;
}

// A frame whose ICV is wrong or was not looked at.
ValidateVerdict not_authentic(const Candidate& candidate) noexcept {
    RxScCounters& counters = candidate.kind->sc->counters;
    RxSa& sa = *candidate.kind->sa;
    if (candidate.kind->must_be_valid) {
        counters.in_pkts_not_valid.add(1);
        sa.counters.in_pkts_not_valid.add(1);
        return ValidateVerdict::not_valid;
    }
    if (candidate.kind->rx->validate_frames == ValidateFrames::check) {
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
    RxSa& sa = *candidate.kind->sa;
    // Low is only possible without replay protection (10.6.5).
    if (sa.replay.is_low(candidate.pn))
        candidate.kind->sc->counters.in_pkts_delayed.add(1);
    else
        tally.add_ok();
    sa.replay.commit(candidate.pn, candidate.kind->rx->replay_window);
}

// Third pass over one frame. lowestPN may have moved since the first, by frames of the same burst.
ValidateVerdict commit(const Candidate& candidate, Tally& tally) noexcept {
    tally.follow(*candidate.kind);
    // Whatever comes of it, and also if no cipher can tell what the octets were (10.6.3).
    if (candidate.kind->rx->validate_frames != ValidateFrames::disabled)
        tally.add_octets(candidate);
    if (is_late(*candidate.kind->rx, candidate.kind->sa->replay, candidate.pn)) {
        candidate.kind->sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    if (candidate.op != nullptr && candidate.op->authentic)
        authentic(candidate, tally);
    else if (const auto verdict = not_authentic(candidate); verdict != ValidateVerdict::ok)
        return verdict;
    if (candidate.op != nullptr && candidate.kind->clear_length() != 0)
        open_up(candidate);
    strip(*candidate.frame, candidate.kind->tag_offset, candidate.kind->secure_offset,
          candidate.secure_length);
    return ValidateVerdict::ok;
}

} // namespace

void validate(const Aead& aead, std::span<ValidateFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    Batch batch;
    Lead lead;
    for (ValidateFrame& frame : frames) {
        if (lead.leads(frame)) [[likely]] {
            frame.verdict = lead.gather(frame, batch);
            continue;
        }
        const std::size_t count = batch.candidate_count;
        frame.verdict = gather(frame, batch);
        if (batch.candidate_count != count)
            lead.follow(frame, batch.candidates[count]);
    }

    aead.open(std::span(batch.ops).first(batch.op_count));

    Tally tally;
    for (const Candidate& candidate : std::span(batch.candidates).first(batch.candidate_count))
        candidate.frame->verdict = commit(candidate, tally);
    tally.flush();
}

} // namespace isthmus::macsec
