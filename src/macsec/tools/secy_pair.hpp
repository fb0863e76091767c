#pragma once
// The two halves of a SecY on a workbench: frames in and out as octets, in memory that is exactly
// as large as the data path asks for, so that a sanitizer sees the first octet too many.

#include "macsec/secy.hpp"
#include "macsec/tools/octets.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace isthmus::macsec::tools {

class HeapFrame {
  public:
    explicit HeapFrame(std::span<const uint8_t> frame, std::size_t head, std::size_t tail);
    // With the room that protect, or validate, may use.
    [[nodiscard]] static HeapFrame to_protect(std::span<const uint8_t> frame);
    [[nodiscard]] static HeapFrame to_validate(std::span<const uint8_t> frame);

    [[nodiscard]] uint8_t* data() { return memory_.get() + head_; }
    [[nodiscard]] uint32_t length() const { return length_; }
    // Whether [frame, frame + length) lies in this memory.
    [[nodiscard]] bool holds(const uint8_t* frame, uint32_t length) const;

  private:
    std::size_t head_;
    uint32_t length_;
    std::size_t size_;
    std::unique_ptr<uint8_t[]> memory_;
};

struct SaParameters {
    CipherSuite suite = CipherSuite::gcm_aes_128;
    uint8_t an = 0;
    Octets sak;
    Sci sci;
    std::optional<XpnParameters> xpn;
    [[nodiscard]] SaSpec spec() const { return {suite, an, sak, sci, xpn}; }
};

// One transmit SC and its SA.
class Sender {
  public:
    explicit Sender(const Aead& aead) : aead_(&aead) {}
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    Result<void> set_sa(const SaParameters& parameters, std::shared_ptr<PacketNumbers> pn);

    struct Sent {
        ProtectVerdict verdict = ProtectVerdict::ok;
        Octets frame; // also if refused: as it is left then
    };
    [[nodiscard]] Sent send(std::span<const uint8_t> plain);

    TxSc sc;
    std::unique_ptr<TxSa> sa;
    TxBinding binding;
    SecyCounters secy;
    uint32_t max_length = UINT32_MAX;

  private:
    const Aead* aead_;
};

// Any number of receive SCs and SAs.
class Receiver {
  public:
    explicit Receiver(const Aead& aead) : aead_(&aead) {}
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    void add_sc(Sci sci);
    // To the SC of that SCI, which is added if it is missing.
    Result<RxSa*> add_sa(const SaParameters& parameters, uint64_t lowest_pn = 1,
                         uint32_t remembered = 0);
    void set_in_use(Sci sci, uint8_t an, bool in_use);

    struct Received {
        ValidateVerdict verdict = ValidateVerdict::ok;
        Octets frame; // only if ok
    };
    [[nodiscard]] Received receive(std::span<const uint8_t> frame);
    // At most kBurstMax frames in one call of validate.
    [[nodiscard]] std::vector<Received> receive_burst(std::span<const Octets> frames);

    [[nodiscard]] RxSc& sc(std::size_t index = 0) { return scs_[index]; }
    [[nodiscard]] RxSa& sa(std::size_t index = 0) { return *sas_[index]; }
    [[nodiscard]] const std::deque<RxSc>& scs() const { return scs_; }
    [[nodiscard]] const std::vector<std::unique_ptr<RxSa>>& sas() const { return sas_; }
    [[nodiscard]] std::span<const RxScBinding> bindings() const { return bindings_; }

    RxBinding binding;
    SecyCounters secy;

  private:
    RxScBinding* find(Sci sci);

    const Aead* aead_;
    std::deque<RxSc> scs_;
    std::vector<RxScBinding> bindings_;
    std::vector<std::unique_ptr<RxSa>> sas_;
};

} // namespace isthmus::macsec::tools
