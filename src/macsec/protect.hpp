#pragma once
// Secure frame generation (IEEE 802.1AE-2018 clause 10.5) for the frames of a burst, which may go
// out by any number of SecYs: laid out run by run, then sealed in one AEAD batch. Workers.

#include "macsec/iv.hpp"
#include "macsec/secy.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace isthmus::macsec {

// What the frames of one SA have in common, worked out once for a run of them.
struct ProtectForm {
    explicit ProtectForm(const TxBinding& tx);
    [[nodiscard]] uint32_t overhead() const { return tag_octets + kIcvLength; }
    // 9.3 to 9.9, as SecTagWire has it, in two stores.
    void write_sectag(uint8_t* tag, uint32_t user_octets, uint64_t pn) const noexcept {
        static_assert(offsetof(SecTagWire, short_length) == 3 && offsetof(SecTagWire, pn) == 4 &&
                      offsetof(SecTagWire, sci) == 8);
        const uint32_t short_length = user_octets < kShortLengthLimit ? user_octets : 0;
        const uint64_t head =
            (tag_head | short_length << 24) | uint64_t{byte_swap(static_cast<uint32_t>(pn))} << 32;
        std::memcpy(tag, &head, sizeof head);
        if (explicit_sci) [[likely]]
            std::memcpy(tag + sizeof head, &sci, sizeof sci);
    }

    AeadKey* sak;
    IvBase iv;
    uint32_t tag_head; // the first four octets of the SecTAG but for SL
    uint64_t sci;      // as it stands in the tag
    bool explicit_sci;
    uint8_t vlan_in_clear;
    uint32_t tag_octets;
    uint32_t clear_octets; // of User Data, if there are so many
};

// For one burst. Every counter of the clause is bumped here.
class ProtectBatch {
  public:
    // Frames that go out by one SecY; at most kBurstMax of all runs. `max_length` is that of what
    // the port can send. `run` has size(), longest(), and of the frame n, as ProtectFrame describes
    // it, frame(n) and length(n); it is told take(n, frame, length) if that is to be sent, else
    // refuse(n, verdict). The octets are final after seal().
    template <class Run>
    void add(const TxBinding& tx, SecyCounters& secy, uint32_t max_length, Run&& run) noexcept;
    void seal(const Aead& aead) noexcept;

  private:
    // While the AEAD runs, DA and SA must adjoin the SecTAG: tags that stay in clear are put back
    // between them afterwards.
    struct ClearTags {
        uint8_t* frame; // the protected frame
        uint32_t length;
        std::array<uint8_t, kClearTagsMax * wire::kVlanTagLength> octets;
    };

    uint32_t lay_out(uint8_t* frame, uint32_t length, const ProtectForm& form, uint64_t pn,
                     AeadOp& op) noexcept;
    uint32_t set_clear_tags_aside(uint8_t* frame, uint32_t length,
                                  const ProtectForm& form) noexcept;
    static void count(const TxBinding& tx, uint64_t packets, uint64_t octets) noexcept;

    std::size_t op_count_ = 0;
    std::size_t clear_tag_count_ = 0;
    std::array<AeadOp, kBurstMax> ops_;
    std::array<ClearTags, kBurstMax> clear_tags_;
};

// Lays the frame out around its SecTAG and describes the AEAD operation. Returns octets of User
// Data.
inline uint32_t ProtectBatch::lay_out(uint8_t* frame, uint32_t length, const ProtectForm& form,
                                      uint64_t pn, AeadOp& op) noexcept {
    uint8_t* aad = frame - form.tag_octets;
    uint32_t user_octets = length - wire::kMacPairLength;
    if (form.vlan_in_clear != 0) [[unlikely]] {
        const uint32_t clear_tags = set_clear_tags_aside(frame, length, form);
        aad += clear_tags;
        user_octets -= clear_tags;
    }
    uint8_t* const end = frame + length;
    // By way of registers: memmove would be called, and the two places may overlap.
    uint64_t first;
    uint32_t second;
    static_assert(sizeof first + sizeof second == wire::kMacPairLength);
    std::memcpy(&first, frame, sizeof first);
    std::memcpy(&second, frame + sizeof first, sizeof second);
    std::memcpy(aad, &first, sizeof first);
    std::memcpy(aad + sizeof first, &second, sizeof second);
    form.write_sectag(aad + wire::kMacPairLength, user_octets, pn);

    const uint32_t text_length = user_octets - std::min(form.clear_octets, user_octets);
    op.sak = form.sak;
    op.aad = aad;
    op.text = end - text_length;
    op.icv = end;
    op.aad_length = static_cast<uint32_t>(op.text - aad);
    op.text_length = text_length;
    set_iv(op, form.iv, pn);
    return user_octets;
}

// A packet number is gone whatever happens to its frame later, so none can be used twice with one
// SAK (10.5.2).
template <class Run>
void ProtectBatch::add(const TxBinding& tx, SecyCounters& secy, uint32_t max_length,
                       Run&& run) noexcept {
    const std::size_t size = run.size();
    assert(op_count_ + size <= kBurstMax);
    if (!tx.protect_frames) {
        secy.out_pkts_untagged.add(size);
        for (std::size_t n = 0; n < size; ++n)
            run.take(n, run.frame(n), run.length(n));
        return;
    }
    if (tx.sc == nullptr || tx.sa == nullptr) [[unlikely]] {
        for (std::size_t n = 0; n < size; ++n)
            run.refuse(n, ProtectVerdict::no_tx_sa);
        return;
    }
    const ProtectForm form(tx);
    auto fitting = static_cast<uint32_t>(size);
    if (run.longest() + form.overhead() > max_length) [[unlikely]]
        for (std::size_t n = 0; n < size; ++n)
            fitting -= run.length(n) + form.overhead() > max_length;
    const PacketNumbers::Run pns = tx.sa->pn->take(fitting);
    AeadOp* const ops = ops_.data() + op_count_;
    uint32_t used = 0;
    uint64_t octets = 0;
    for (std::size_t n = 0; n < size; ++n) {
        uint8_t* frame = run.frame(n);
        const uint32_t length = run.length(n);
        if (length + form.overhead() > max_length) [[unlikely]] {
            run.refuse(n, ProtectVerdict::too_long);
        } else if (used == pns.count) [[unlikely]] {
            run.refuse(n, ProtectVerdict::pn_exhausted);
        } else {
            octets += lay_out(frame, length, form, pns.first + used, ops[used]);
            run.take(n, frame - form.tag_octets, length + form.overhead());
            ++used;
        }
    }
    op_count_ += used;
    if (fitting != size) [[unlikely]]
        secy.out_pkts_too_long.add(size - fitting);
    if (used != 0)
        count(tx, used, octets);
}

// Frames in an array.
class ProtectFrames {
  public:
    explicit ProtectFrames(std::span<ProtectFrame> frames) : frames_(frames) {}
    [[nodiscard]] std::size_t size() const { return frames_.size(); }
    [[nodiscard]] uint32_t longest() const {
        uint32_t most = 0;
        for (const ProtectFrame& frame : frames_)
            most = std::max(most, frame.length);
        return most;
    }
    [[nodiscard]] uint8_t* frame(std::size_t n) const { return frames_[n].frame; }
    [[nodiscard]] uint32_t length(std::size_t n) const { return frames_[n].length; }
    void take(std::size_t n, uint8_t* frame, uint32_t length) const {
        frames_[n] = {frame, length, ProtectVerdict::ok};
    }
    void refuse(std::size_t n, ProtectVerdict verdict) const { frames_[n].verdict = verdict; }

  private:
    std::span<ProtectFrame> frames_;
};

} // namespace isthmus::macsec
