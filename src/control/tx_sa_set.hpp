#pragma once
// One SAK in transmit use: an SA for every worker, and the packet numbers they take, reserved in
// the store ahead of use. Control thread only.

#include "control/control_plane.hpp"
#include "control/pn_store.hpp"
#include "macsec/secy.hpp"

#include <memory>
#include <vector>

namespace isthmus::control {

// What the SAs of a channel have in common.
struct TxSaSetup {
    const ChannelConfig& config;
    const macsec::Aead& aead;
    PnStore& store;
    const std::vector<std::shared_ptr<macsec::TxSc>>& scs; // by worker
};

class TxSaSet {
  public:
    [[nodiscard]] static Result<std::unique_ptr<TxSaSet>> make(const TxSaSetup& setup,
                                                               const TxSaSpec& spec);

    [[nodiscard]] const std::vector<std::shared_ptr<macsec::TxSa>>& sas() const { return sas_; }
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
    [[nodiscard]] const std::optional<macsec::XpnParameters>& xpn() const { return xpn_; }

    // Whether a receive SA of this space would share nonces with this SAK's SAs.
    [[nodiscard]] bool shares_nonces(const NonceSpace& space, uint32_t ssci) const;

    // Of the SC that has used most.
    [[nodiscard]] uint64_t next_pn() const { return foremost().next(); }
    [[nodiscard]] uint64_t pn_limit() const { return foremost().limit(); }
    // Some SC has used its last packet number: nothing but a new SAK helps.
    [[nodiscard]] bool exhausted() const { return next_pn() > macsec::last_pn(suite_); }
    // Some SC has used all that is reserved.
    [[nodiscard]] bool stopped() const;
    [[nodiscard]] bool near_exhaustion() const { return next_pn() >= threshold_; }

    // To be called once, before a worker can use the SAs.
    [[nodiscard]] Result<void> reserve();
    // Instead of reserve(), for an SA that comes back: nothing may be used before extend().
    void hold();
    // It was not installed after all.
    void let_go();
    // In every control tick. Reserves more where less than half a chunk is left. On an error the
    // SAs go on up to what they have.
    [[nodiscard]] Result<void> extend();
    // To be called when no worker uses the SAs any more: notes exactly how far they came.
    [[nodiscard]] Result<void> release();

    bool told_near_exhaustion = false, told_exhausted = false;

  private:
    // One per transmit SC.
    struct Lane {
        NonceSpace space;
        std::shared_ptr<macsec::PacketNumbers> pn;
        uint64_t seen = 0; // nextPN at the last tick
        uint64_t pace = 0; // numbers used in a tick; goes down slowly
    };

    TxSaSet(const TxSaSetup& setup, const TxSaSpec& spec);
    [[nodiscard]] Result<uint64_t> first_pn(const TxSaSpec& spec) const;
    [[nodiscard]] Result<void> make_sas(const TxSaSetup& setup, const TxSaSpec& spec);
    [[nodiscard]] const macsec::PacketNumbers& foremost() const;
    [[nodiscard]] uint64_t limit_from(uint64_t next, uint64_t chunk) const;

    PnStore& store_;
    macsec::CipherSuite suite_;
    uint64_t threshold_;
    bool shared_; // all workers use the one lane
    std::string fingerprint_;
    std::optional<macsec::XpnParameters> xpn_; // of the first SC
    std::vector<Lane> lanes_;
    std::vector<std::shared_ptr<macsec::TxSa>> sas_; // by worker
};

} // namespace isthmus::control
