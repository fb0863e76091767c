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
    RxSc* sc;
    RxSa* sa;
    uint32_t tag_offset;
    uint32_t secure_offset;
    uint32_t clear_octets; // of Secure Data, if there are so many
    bool encrypted;        // E
    bool must_be_valid;    // else it is delivered whatever the ICV says (10.6)
    bool validated;        // there is an AEAD operation
    [[nodiscard]] uint32_t clear_length() const { return tag_offset - kMacPairLength; }
};

// A frame that reached an SA in the first pass.
struct Candidate {
    ValidateFrame* frame;
    uint64_t pn;
    uint32_t secure_length;
};

using ClearTags = std::array<uint8_t, kClearTagsMax * kVlanTagLength>;

// Candidates of one kind in a row.
struct Run {
    Kind kind;
    std::size_t size;
};

struct Batch {
    std::array<AeadOp, kBurstMax> ops;
    std::size_t op_count = 0;
    std::array<Candidate, kBurstMax> candidates;
    std::size_t candidate_count = 0;
    std::array<ClearTags, kBurstMax> clear_tags; // by candidate
    std::array<Run, kBurstMax> runs;
    std::size_t run_count = 0;
};

// 10.6.2 and 10.6.4: the same test before and after the cipher.
bool is_late(const RxBinding& rx, const ReplayState::Working& replay, uint64_t pn) noexcept {
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
void close_up(uint8_t* frame, uint32_t length, ClearTags& clear) noexcept {
    std::memcpy(clear.data(), frame + kMacPairLength, length);
    std::memmove(frame + length, frame, kMacPairLength);
}
void open_up(uint8_t* frame, uint32_t length, const ClearTags& clear) noexcept {
    std::memmove(frame, frame + length, kMacPairLength);
    std::memcpy(frame + kMacPairLength, clear.data(), length);
}

void fill_op(AeadOp& op, uint8_t* frame, const Kind& kind, uint64_t pn,
             uint32_t secure_length) noexcept {
    uint8_t* secure_data = frame + kind.secure_offset;
    const uint32_t clear_octets = std::min(kind.clear_octets, secure_length);
    op.sak = kind.sa->sak.get();
    op.aad = frame + kind.clear_length();
    op.text = secure_data + clear_octets;
    op.aad_length = kind.secure_offset - kind.clear_length() + clear_octets;
    op.text_length = secure_length - clear_octets;
    op.icv = secure_data + secure_length;
    set_iv(op, kind.sa->iv, pn);
}

// The upper half of an extended PN comes from lowestPN before the burst: a frame of the same burst
// may move it, but nothing that is not validated may decide.
uint64_t whole_pn(const RxBinding& rx, const ReplayState::Working& replay,
                  uint32_t received) noexcept {
    return rx.xpn ? recover_pn(replay.lowest_pn(), received) : received;
}

// A frame that no SA can validate: delivered as far as its data is readable (10.6.1, 10.6.2).
ValidateVerdict without_sa(ValidateFrame& frame, const SecTag& tag, bool must_be_valid,
                           ValidateVerdict refused) noexcept {
    if (must_be_valid)
        return refused;
    strip(frame, tag.tag_offset, tag.secure_offset, tag.secure_length);
    return ValidateVerdict::ok;
}

ValidateVerdict no_sc(SecyCounters& secy, ValidateFrame& frame, const SecTag& tag,
                      bool must_be_valid) noexcept {
    (must_be_valid ? secy.in_pkts_no_sci : secy.in_pkts_unknown_sci).add(1);
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

ValidateVerdict untagged(const RxBinding& rx, SecyCounters& secy) noexcept {
    const bool strict = rx.validate_frames == ValidateFrames::strict;
    (strict ? secy.in_pkts_no_tag : secy.in_pkts_untagged).add(1);
    return strict ? ValidateVerdict::no_tag : ValidateVerdict::ok;
}

// First pass over a frame that reached an SA: begins a run with it if its PN is acceptable as far
// as is known now.
ValidateVerdict begin_run(const RxBinding& rx, ValidateFrame& frame, const SecTag& tag,
                          const Kind& kind, Batch& batch) noexcept {
    const ReplayState::Working replay(kind.sa->replay);
    const uint64_t pn = whole_pn(rx, replay, tag.pn);
    if (is_late(rx, replay, pn)) {
        kind.sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    batch.runs[batch.run_count++] = {kind, 1};
    if (kind.validated) {
        if (kind.clear_length() != 0)
            close_up(frame.frame, kind.clear_length(), batch.clear_tags[batch.candidate_count]);
        fill_op(batch.ops[batch.op_count++], frame.frame, kind, pn, tag.secure_length);
    }
    batch.candidates[batch.candidate_count++] = {&frame, pn, tag.secure_length};
    return ValidateVerdict::ok;
}

// First pass over one frame. Begins a run if the frame goes on; the verdict of others is final.
ValidateVerdict gather(const RxBinding& rx, SecyCounters& secy, ValidateFrame& frame,
                       Batch& batch) noexcept {
    const SecTag tag =
        parse_sectag(frame.frame, frame.length,
                     {rx.ether_type, rx.xpn, std::min(rx.vlan_in_clear, kClearTagsMax)});
    if (tag.verdict == TagVerdict::no_tag)
        return untagged(rx, secy);
    if (tag.verdict == TagVerdict::bad_tag) {
        secy.in_pkts_bad_tag.add(1);
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
        return no_sc(secy, frame, tag, must_be_valid);
    const RxScBinding& sc = rx.scs[index];
    RxSa* sa = sc.sa[tag.an];
    if (sa == nullptr || !sc.sa_in_use[tag.an])
        return no_sa(frame, sc, tag, must_be_valid);

    // C without E is text changed by a cipher that none of our suites is: nothing can validate it.
    const bool validated = rx.validate_frames != ValidateFrames::disabled && encrypted == changed;
    const uint32_t clear_octets = encrypted ? rx.confidentiality_offset : UINT32_MAX;
    return begin_run(rx, frame, tag,
                     {sc.sc, sa, tag.tag_offset, tag.secure_offset, clear_octets, encrypted,
                      must_be_valid, validated},
                     batch);
}

// EtherType, TCI, AN and SL.
uint32_t head_of(const SecTagWire& tag) noexcept {
    return wire::overlay<Be32>(reinterpret_cast<const uint8_t*>(&tag))->raw();
}

// First pass over frames after one that has begun a run, as long as their tags say the same but for
// the packet number: then so does all that follows from it, as 9.12 and the choice of SC and SA
// take nothing else. Only for tags of the usual form, without tags in clear before them, with SCI
// and without SL. Returns how many frames that were.
std::size_t follow_run(const RxBinding rx, const uint8_t* leader, std::span<ValidateFrame> frames,
                       Batch& batch) noexcept {
    constexpr uint32_t kTagEnd = kMacPairLength + kSecTagLength;
    constexpr uint32_t kLeast = kTagEnd + kShortLengthLimit + kIcvLength;
    Run& run = batch.runs[batch.run_count - 1];
    const Kind kind = run.kind;
    const SecTagWire model = *wire::overlay<SecTagWire>(leader + kMacPairLength);
    if (!kind.validated || kind.tag_offset != kMacPairLength || kind.secure_offset != kTagEnd ||
        model.short_length != 0)
        return 0;
    const ReplayState::Working replay(kind.sa->replay);
    const uint32_t head = head_of(model);
    Candidate* candidate = batch.candidates.data() + batch.candidate_count;
    AeadOp* op = batch.ops.data() + batch.op_count;
    std::size_t gathered = 0, late = 0;
    for (ValidateFrame& frame : frames) {
        const auto* tag = wire::overlay<SecTagWire>(frame.frame + kMacPairLength);
        if (frame.length < kLeast || head_of(*tag) != head || tag->sci != model.sci ||
            tag->pn.raw() == 0)
            break;
        const uint64_t pn = whole_pn(rx, replay, tag->pn.host());
        ++gathered;
        if (is_late(rx, replay, pn)) [[unlikely]] {
            frame.verdict = ValidateVerdict::late;
            ++late;
            continue;
        }
        const uint32_t secure_length = frame.length - kTagEnd - kIcvLength;
        *candidate++ = {&frame, pn, secure_length};
        fill_op(*op++, frame.frame, kind, pn, secure_length);
    }
    run.size += gathered - late;
    batch.candidate_count += gathered - late;
    batch.op_count += gathered - late;
    if (late != 0)
        kind.sc->counters.in_pkts_late.add(late);
    return gathered;
}

// A frame whose ICV is wrong or was not looked at.
ValidateVerdict not_authentic(const RxBinding& rx, const Kind& kind,
                              const ReplayState::Working& replay, uint64_t pn) noexcept {
    RxScCounters& sc = kind.sc->counters;
    RxSaCounters& sa = kind.sa->counters;
    if (kind.must_be_valid) {
        sc.in_pkts_not_valid.add(1);
        sa.in_pkts_not_valid.add(1);
        return ValidateVerdict::not_valid;
    }
    if (rx.validate_frames == ValidateFrames::check) {
        sc.in_pkts_invalid.add(1);
        sa.in_pkts_invalid.add(1);
    } else if (replay.is_low(pn)) {
        sc.in_pkts_delayed.add(1);
    } else {
        sc.in_pkts_unchecked.add(1);
    }
    return ValidateVerdict::ok;
}

// Third pass over a frame; `authentic` is what the cipher says. lowestPN may have moved since the
// first pass, by frames of the same burst.
inline ValidateVerdict commit(const RxBinding& rx, const Kind& kind, ReplayState::Working& replay,
                              uint64_t pn, bool authentic, uint64_t& accepted) noexcept {
    if (is_late(rx, replay, pn)) [[unlikely]] {
        kind.sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    if (!authentic) [[unlikely]]
        return not_authentic(rx, kind, replay, pn);
    // Low is only possible without replay protection (10.6.5).
    if (replay.is_low(pn)) [[unlikely]]
        kind.sc->counters.in_pkts_delayed.add(1);
    else
        ++accepted;
    replay.commit(pn, rx.replay_window);
    return ValidateVerdict::ok;
}

// Third pass over the frames of a run; `ops` and `clear_tags` are theirs. By value what stays in
// registers then: stores to frames could change everything else.
void commit_run(const RxBinding rx, const Kind kind, std::span<const Candidate> candidates,
                const AeadOp* ops, const ClearTags* clear_tags) noexcept {
    ReplayState::Working replay(kind.sa->replay);
    uint64_t accepted = 0, octets = 0;
    for (std::size_t n = 0; n < candidates.size(); ++n) {
        const Candidate& candidate = candidates[n];
        ValidateFrame& frame = *candidate.frame;
        octets += candidate.secure_length;
        frame.verdict =
            commit(rx, kind, replay, candidate.pn, kind.validated && ops[n].authentic, accepted);
        if (frame.verdict != ValidateVerdict::ok) [[unlikely]]
            continue;
        if (kind.validated && kind.clear_length() != 0) [[unlikely]]
            open_up(frame.frame, kind.clear_length(), clear_tags[n]);
        strip(frame, kind.tag_offset, kind.secure_offset, candidate.secure_length);
    }
    replay.put_back();
    kind.sc->counters.in_pkts_ok.add(accepted);
    kind.sa->counters.in_pkts_ok.add(accepted);
    // Whatever comes of it, and also if no cipher can tell what the octets were (10.6.3).
    if (rx.validate_frames != ValidateFrames::disabled)
        (kind.encrypted ? kind.sc->counters.in_octets_decrypted
                        : kind.sc->counters.in_octets_validated)
            .add(octets);
}

} // namespace

void validate(const Aead& aead, const RxBinding& rx, SecyCounters& secy,
              std::span<ValidateFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    if (rx.validate_frames == ValidateFrames::null) {
        for (ValidateFrame& frame : frames)
            frame.verdict = ValidateVerdict::ok;
        return;
    }
    Batch batch;
    for (std::size_t i = 0; i < frames.size();) {
        const std::size_t runs = batch.run_count;
        ValidateFrame& frame = frames[i++];
        frame.verdict = gather(rx, secy, frame, batch);
        if (batch.run_count != runs)
            i += follow_run(rx, frame.frame, frames.subspan(i), batch);
    }

    aead.open(std::span(batch.ops).first(batch.op_count));

    std::size_t candidate = 0, op = 0;
    for (const Run& run : std::span(batch.runs).first(batch.run_count)) {
        commit_run(rx, run.kind, std::span(batch.candidates).subspan(candidate, run.size),
                   &batch.ops[op], &batch.clear_tags[candidate]);
        candidate += run.size;
        op += run.kind.validated ? run.size : 0;
    }
}

} // namespace isthmus::macsec
