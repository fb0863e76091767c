// Secure frame generation (IEEE 802.1AE-2018 clause 10.5): SecTAG and PN for the whole burst, then
// one AEAD batch.
#include "isthmus/wire.hpp"
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <cassert>
#include <cstring>

namespace isthmus::macsec {
namespace {

// Counters of consecutive frames under one binding, added in one go: a burst mostly has one.
class Tally {
  public:
    void add(const TxBinding* tx, uint32_t user_octets) noexcept {
        if (tx != tx_) {
            flush();
            tx_ = tx;
        }
        ++packets_;
        octets_ += user_octets;
    }
    void flush() noexcept {
        if (packets_ == 0)
            return;
        tx_->sc->counters.out_pkts_encrypted.add(packets_);
        tx_->sc->counters.out_octets_encrypted.add(octets_);
        tx_->sa->out_pkts_encrypted.add(packets_);
        packets_ = 0;
        octets_ = 0;
    }

  private:
    const TxBinding* tx_ = nullptr;
    uint64_t packets_ = 0;
    uint64_t octets_ = 0;
};

// Moves DA and SA down and writes the SecTAG into the gap (9.3 to 9.9), always with explicit SCI:
// a forwarded frame's source address says nothing about our SC.
void insert_sectag(uint8_t* frame, uint32_t user_octets, const TxBinding& tx, uint32_t pn) {
    std::memmove(frame - kSecTagLength, frame, wire::kMacPairLength);
    auto* tag = wire::overlay<SecTagWire>(frame - kSecTagLength + wire::kMacPairLength);
    tag->ether_type = wire::kEtherTypeMacsec;
    tag->tci_an = kTciExplicitSci | kTciEncrypted | kTciChangedText | tx.sa->an;
    tag->short_length =
        user_octets < kShortLengthLimit ? static_cast<uint8_t>(user_octets) : uint8_t{0};
    tag->pn = pn;
    tag->sci = tx.sc->sci.value;
}

// IV = SCI, PN: the tag's last twelve octets in another order (14.5).
void set_iv(AeadOp& op, const TxBinding& tx, uint32_t pn) {
    const Be64 sci = tx.sc->sci.value;
    const Be32 packet_number = pn;
    std::memcpy(op.iv.data(), &sci, sizeof(sci));
    std::memcpy(op.iv.data() + sizeof(sci), &packet_number, sizeof(packet_number));
}

// Takes a PN and lays the frame out around it. The PN is gone whatever happens to the frame later,
// so none can be used twice with one SAK (10.5.2).
ProtectVerdict prepare(ProtectFrame& frame, AeadOp& op) noexcept {
    if (frame.tx == nullptr || frame.tx->sc == nullptr || frame.tx->sa == nullptr)
        return ProtectVerdict::no_tx_sa;
    const TxBinding& tx = *frame.tx;
    const uint64_t pn = tx.sa->next_pn.get();
    if (pn > tx.sa->last_pn)
        return ProtectVerdict::pn_exhausted;
    tx.sa->next_pn.set(pn + 1);

    const uint32_t user_octets = frame.length - wire::kMacPairLength;
    insert_sectag(frame.frame, user_octets, tx, static_cast<uint32_t>(pn));
    set_iv(op, tx, static_cast<uint32_t>(pn));
    op.sak = tx.sa->sak.get();
    op.text = frame.frame + wire::kMacPairLength;
    op.text_length = user_octets;
    op.icv = frame.frame + frame.length;
    op.aad = frame.frame - kSecTagLength;
    op.aad_length = wire::kMacPairLength + kSecTagLength;

    frame.frame -= kSecTagLength;
    frame.length += kMacsecOverhead;
    return ProtectVerdict::ok;
}

} // namespace

void protect(const Aead& aead, std::span<ProtectFrame> frames) noexcept {
    assert(frames.size() <= kBurstMax);
    std::array<AeadOp, kBurstMax> ops;
    std::size_t op_count = 0;
    Tally tally;

    for (ProtectFrame& frame : frames) {
        frame.verdict = prepare(frame, ops[op_count]);
        if (frame.verdict != ProtectVerdict::ok)
            continue;
        tally.add(frame.tx, ops[op_count].text_length);
        ++op_count;
    }
    aead.seal(std::span(ops).first(op_count));
    tally.flush();
}

} // namespace isthmus::macsec
