#pragma once
// The keys of one channel: transmit SCs (one per worker), receive SCs, and their SAs. Owns what the
// forwarding state points to. Control thread only.

#include "control/control_plane.hpp"
#include "dataplane/forwarding_state.hpp"
#include "macsec/secy.hpp"

#include <array>
#include <map>
#include <memory>
#include <vector>

namespace isthmus::control {

class ChannelSecy {
  public:
    // The transmit SC of worker w has the port's MAC and port identifier w + 1.
    ChannelSecy(const ChannelConfig& config, const MacAddr& mac, uint16_t workers,
                const macsec::Aead& aead);

    [[nodiscard]] Result<void> add_tx_sa(uint8_t an, std::span<const uint8_t> sak,
                                         uint64_t next_pn);
    [[nodiscard]] Result<void> remove_tx_sa(uint8_t an);
    [[nodiscard]] Result<void> set_encoding_an(uint8_t an);
    [[nodiscard]] Result<void> add_rx_sc(macsec::Sci sci);
    [[nodiscard]] Result<void> remove_rx_sc(macsec::Sci sci);
    [[nodiscard]] Result<void> add_rx_sa(macsec::Sci sci, uint8_t an, std::span<const uint8_t> sak,
                                         uint64_t lowest_pn);
    [[nodiscard]] Result<void> remove_rx_sa(macsec::Sci sci, uint8_t an);

    // Whether data may be sent: an encoding SA is in use, or the channel is configured as
    // plaintext.
    [[nodiscard]] bool can_send() const;

    // Fills the MACsec part of the channel's forwarding state; `keep_alive` takes the references.
    void bind(dataplane::ChannelState& state,
              std::vector<std::shared_ptr<const void>>& keep_alive) const;

    // To be called when no worker uses removed SAs any more: remembers how far each SAK was used.
    void forget_removed();

    // Fills SCs and SAs.
    void describe(ChannelInfo& info) const;

  private:
    struct TxSaSet { // one SAK on one AN: an SA for every transmit SC
        std::vector<std::shared_ptr<macsec::TxSa>> sas; // by worker
        std::string fingerprint;
        [[nodiscard]] uint64_t next_pn() const; // highest over the SCs
    };
    struct RxSaSlot {
        std::shared_ptr<macsec::RxSa> sa;
        std::string fingerprint;
    };
    struct RxScSlot {
        std::shared_ptr<macsec::RxSc> sc;
        std::array<RxSaSlot, macsec::kAssociationNumbers> sas;
    };

    [[nodiscard]] Result<void> check_not_used_before(const std::string& fingerprint,
                                                     uint64_t next_pn) const;
    [[nodiscard]] Result<RxScSlot*> find_rx_sc(macsec::Sci sci);

    ChannelConfig config_;
    const macsec::Aead& aead_;
    std::vector<std::shared_ptr<macsec::TxSc>> tx_scs_;       // by worker
    std::array<TxSaSet, macsec::kAssociationNumbers> tx_sas_; // empty `sas`: no SA
    int encoding_an_ = -1;
    std::map<macsec::Sci, RxScSlot> rx_scs_;
    std::vector<TxSaSet> removed_;
    // First unused PN by fingerprint of every SAK that was used to transmit here
    // (802.1X-2020, 9.8).
    std::map<std::string, uint64_t> used_pn_;
};

} // namespace isthmus::control
