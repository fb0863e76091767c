#pragma once
// The SecY of one channel: its transmit SCs (one per worker, or one that they share), receive SCs,
// and their SAs. Owns what the forwarding state points to. Control thread only.

#include "control/control_plane.hpp"
#include "control/pn_store.hpp"
#include "control/tx_sa_set.hpp"
#include "dataplane/forwarding_state.hpp"
#include "macsec/secy.hpp"

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace isthmus::control {

// Something about packet numbers that an operator has to know, once per SA.
struct PnEvent {
    enum class Kind : uint8_t { near_exhaustion, exhausted };
    Kind kind = Kind::near_exhaustion;
    uint8_t an = 0;
    uint64_t next_pn = 0;
    std::string fingerprint;
};

class ChannelSecy {
  public:
    // Without `sci` in the configuration the first transmit SC has the port's MAC and port
    // identifier 1, with single copy broadcast 0; each further worker's the next one.
    ChannelSecy(const ChannelConfig& config, const MacAddr& mac, uint16_t workers,
                const macsec::Aead& aead, PnStore& store);

    // A copy of what is installed, for undo() of operations that no worker has heard of.
    struct Keys;
    [[nodiscard]] std::shared_ptr<const Keys> keys() const;
    void undo(const Keys& before);

    [[nodiscard]] Result<void> add_tx_sa(const TxSaSpec& spec);
    [[nodiscard]] Result<void> remove_tx_sa(uint8_t an);
    [[nodiscard]] Result<void> set_encoding_an(uint8_t an);
    [[nodiscard]] Result<void> add_rx_sc(macsec::Sci sci);
    [[nodiscard]] Result<void> remove_rx_sc(macsec::Sci sci);
    [[nodiscard]] Result<void> add_rx_sa(macsec::Sci sci, const RxSaSpec& spec);
    [[nodiscard]] Result<void> set_rx_sa_in_use(macsec::Sci sci, uint8_t an, bool in_use);
    [[nodiscard]] Result<void> remove_rx_sa(macsec::Sci sci, uint8_t an);

    // Why no data may be sent now; empty if it may.
    [[nodiscard]] std::string send_problem() const;
    [[nodiscard]] bool can_send() const { return send_problem().empty(); }
    // Whether there is an SA to send with, exhausted or not, or none is needed.
    [[nodiscard]] bool has_encoding_sa() const;

    // Fills the MACsec part of the channel's forwarding state; `keep_alive` takes the references.
    void bind(dataplane::ChannelState& state,
              std::vector<std::shared_ptr<const void>>& keep_alive) const;

    // To be called when no worker uses removed SAs any more: notes how far each SAK was used.
    [[nodiscard]] Result<void> forget_removed();
    // To be called when workers have ended: the same for all SAs.
    [[nodiscard]] Result<void> release_all();
    // Receive SAs that have come further since they were noted last; noted() when that is written.
    struct Received {
        macsec::Sci sci;
        uint8_t an = 0;
        uint64_t next_pn = 1;
    };
    [[nodiscard]] std::vector<Received> received() const;
    void noted(const Received& received);

    // From the control tick: packet numbers are reserved ahead, and what is to be told is taken.
    [[nodiscard]] Result<void> extend_reservations();
    [[nodiscard]] std::vector<PnEvent> take_events();

    // Fills SCs and SAs, and the counts of events.
    void describe(ChannelInfo& info) const;

  private:
    struct RxSaSlot {
        std::shared_ptr<macsec::RxSa> sa; // null: none
        NonceSpace space;
        std::optional<macsec::XpnParameters> xpn;
        bool in_use = false;
        uint64_t noted_pn = 1;
    };
    struct RxScSlot {
        std::shared_ptr<macsec::RxSc> sc;
        std::array<RxSaSlot, macsec::kAssociationNumbers> sas;
    };
    using TxSas = std::array<std::shared_ptr<TxSaSet>, macsec::kAssociationNumbers>;
    using RxScs = std::map<macsec::Sci, RxScSlot>;

    [[nodiscard]] Result<RxScSlot*> find_rx_sc(macsec::Sci sci);
    [[nodiscard]] Result<RxSaSlot*> find_rx_sa(macsec::Sci sci, uint8_t an);
    // Nonces that two of the SAs would have in common, if `slot` was one of them.
    [[nodiscard]] Result<void> check_nonces(macsec::Sci sci, const RxSaSlot& slot) const;
    [[nodiscard]] Result<void> check_nonces(const TxSaSet& set) const;
    [[nodiscard]] macsec::TagFormat tag_format() const;
    void bind_transmit(dataplane::ChannelState& state,
                       std::vector<std::shared_ptr<const void>>& keep_alive) const;
    void bind_receive(dataplane::ChannelState& state,
                      std::vector<std::shared_ptr<const void>>& keep_alive) const;
    [[nodiscard]] const TxSaSet* encoding_set() const;
    [[nodiscard]] std::size_t tx_sc_count() const;
    void describe_transmit(ChannelInfo& info) const;
    void describe_receive(ChannelInfo& info) const;

    ChannelConfig config_;
    const macsec::Aead& aead_;
    PnStore& store_;
    // By worker. A shared SC is one for each, too, for the counters: they have the same SCI.
    std::vector<std::shared_ptr<macsec::TxSc>> tx_scs_;
    TxSas tx_sas_; // null: none
    int encoding_an_ = -1;
    RxScs rx_scs_;
    std::vector<std::shared_ptr<TxSaSet>> removed_;
    uint64_t near_exhaustion_events_ = 0, exhausted_events_ = 0;
};

struct ChannelSecy::Keys {
    TxSas tx_sas;
    int encoding_an;
    RxScs rx_scs;
};

} // namespace isthmus::control
