// Secure frame verification (IEEE 802.1AE-2018 clause 10.6) with validateFrames strict, in three
// passes: tag, SC, SA and preliminary replay check; one AEAD batch; final replay check, PN update
// and counters.
#include "isthmus/wire.hpp"
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace isthmus::macsec {
namespace {

// A frame that reached an SA in the first pass.
struct Candidate {
    ValidateFrame* frame;
    RxSc* sc;
    RxSa* sa;
    uint32_t pn;
    uint32_t secure_offset;
    uint32_t secure_length;
    const AeadOp* op; // null: integrity protected only, which this version can not validate
};

// Counters of consecutive accepted frames of one SA, added in one go: a burst mostly has one.
class Tally {
  public:
    void add(const Candidate& candidate) noexcept {
        if (candidate.sa != sa_) {
            flush();
            sc_ = candidate.sc;
            sa_ = candidate.sa;
        }
        ++packets_;
    }
    void flush() noexcept {
        if (packets_ == 0)
            return;
        sc_->counters.in_pkts_ok.add(packets_);
        sa_->in_pkts_ok.add(packets_);
        packets_ = 0;
    }

  private:
    RxSc* sc_ = nullptr;
    RxSa* sa_ = nullptr;
    uint64_t packets_ = 0;
};

// 10.6.1: without SCI in the frame or in its source address, the one peer of a point-to-point CA.
const RxScBinding* find_sc(const RxBinding& rx, const SecTag& tag) noexcept {
    if (!tag.sci_known)
        return rx.scs.size() == 1 ? rx.scs.data() : nullptr;
    for (const RxScBinding& sc : rx.scs)
        if (sc.sci == tag.sci)
            return &sc;
    return nullptr;
}

// 10.6.2 and 10.6.4: the same test before and after the cipher.
bool is_late(const RxBinding& rx, const RxSa& sa, uint32_t pn) noexcept {
    return rx.replay_protect && pn < sa.lowest_pn.get();
}

void fill_op(AeadOp& op, const SecTag& tag, const RxScBinding& sc, RxSa& sa,
             uint8_t* frame) noexcept {
    const Be64 sci = sc.sci.value;
    const Be32 pn = tag.pn;
    std::memcpy(op.iv.data(), &sci, sizeof(sci));
    std::memcpy(op.iv.data() + sizeof(sci), &pn, sizeof(pn));
    op.sak = sa.sak.get();
    op.aad = frame;
    op.aad_length = tag.secure_offset;
    op.text = frame + tag.secure_offset;
    op.text_length = tag.secure_length;
    op.icv = op.text + tag.secure_length;
}

// First pass over one frame: fills `candidate` and, if there is something to open, `op`; ok means
// that the frame goes on to the cipher.
ValidateVerdict gather(ValidateFrame& frame, Candidate& candidate, AeadOp& op) noexcept {
    const SecTag tag = parse_sectag(frame.frame, frame.length);
    if (tag.verdict == TagVerdict::no_tag) {
        frame.secy->in_pkts_no_tag.add(1);
        return ValidateVerdict::no_tag;
    }
    if (tag.verdict == TagVerdict::bad_tag) {
        frame.secy->in_pkts_bad_tag.add(1);
        return ValidateVerdict::bad_tag;
    }
    const bool encrypted = (tag.tci & kTciEncrypted) != 0;
    const bool changed = (tag.tci & kTciChangedText) != 0;
    // E without C marks frames for the KaY; the standard has no counter for them.
    if (encrypted && !changed)
        return ValidateVerdict::not_controlled;

    const RxScBinding* sc = find_sc(*frame.rx, tag);
    if (sc == nullptr) {
        frame.secy->in_pkts_no_sci.add(1);
        return ValidateVerdict::no_sci;
    }
    RxSa* sa = sc->sa[tag.an];
    if (sa == nullptr) {
        sc->sc->counters.in_pkts_not_using_sa.add(1);
        return ValidateVerdict::not_using_sa;
    }
    if (is_late(*frame.rx, *sa, tag.pn)) {
        sc->sc->counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    candidate = {&frame, sc->sc, sa, tag.pn, tag.secure_offset, tag.secure_length, nullptr};
    if (encrypted) {
        fill_op(op, tag, *sc, *sa, frame.frame);
        candidate.op = &op;
    }
    return ValidateVerdict::ok;
}

// 10.6.5, for validated frames only. A PN of 2^32 - 1 takes nextPN to 2^32, never back to 0.
void update_pn(const RxBinding& rx, RxSa& sa, uint64_t pn) noexcept {
    if (pn < sa.next_pn.get())
        return;
    const uint64_t next_pn = pn + 1;
    sa.next_pn.set(next_pn);
    const uint64_t floor = next_pn > rx.replay_window ? next_pn - rx.replay_window : 0;
    sa.lowest_pn.set(std::max(sa.lowest_pn.get(), floor));
}

// Removes SecTAG, ICV and padding: DA and SA move up to the User Data.
void strip(const Candidate& candidate) noexcept {
    ValidateFrame& frame = *candidate.frame;
    uint8_t* stripped = frame.frame + candidate.secure_offset - wire::kMacPairLength;
    std::memmove(stripped, frame.frame, wire::kMacPairLength);
    frame.frame = stripped;
    frame.length = wire::kMacPairLength + candidate.secure_length;
}

// Third pass over one frame. lowestPN may have moved since the first, by frames of the same burst.
ValidateVerdict commit(const Candidate& candidate, Tally& tally) noexcept {
    RxScCounters& counters = candidate.sc->counters;
    RxSa& sa = *candidate.sa;
    const RxBinding& rx = *candidate.frame->rx;
    if (candidate.op != nullptr)
        counters.in_octets_decrypted.add(candidate.secure_length);
    if (is_late(rx, sa, candidate.pn)) {
        counters.in_pkts_late.add(1);
        return ValidateVerdict::late;
    }
    if (candidate.op == nullptr || !candidate.op->authentic) {
        counters.in_pkts_not_valid.add(1);
        sa.in_pkts_not_valid.add(1);
        return ValidateVerdict::not_valid;
    }
    // Only possible without replay protection (10.6.5).
    if (candidate.pn < sa.lowest_pn.get())
        counters.in_pkts_delayed.add(1);
    else
        tally.add(candidate);
    update_pn(rx, sa, candidate.pn);
    strip(candidate);
    return ValidateVerdict::ok;
}

} // namespace

void validate(const Aead& aead, std::span<ValidateFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    std::array<AeadOp, kBurstMax> ops;
    std::array<Candidate, kBurstMax> candidates;
    std::size_t op_count = 0;
    std::size_t candidate_count = 0;

    for (ValidateFrame& frame : frames) {
        Candidate& candidate = candidates[candidate_count];
        frame.verdict = gather(frame, candidate, ops[op_count]);
        if (frame.verdict != ValidateVerdict::ok)
            continue;
        ++candidate_count;
        if (candidate.op != nullptr)
            ++op_count;
    }

    aead.open(std::span(ops).first(op_count));

    Tally tally;
    for (const Candidate& candidate : std::span(candidates).first(candidate_count))
        candidate.frame->verdict = commit(candidate, tally);
    tally.flush();
}

} // namespace isthmus::macsec
