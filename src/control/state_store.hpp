#pragma once
// What the API has installed, as rows of the state file: what control_plane*.cpp writes before it
// applies a change, and what a start begins with. With state = "none" nothing is written. Control
// thread only; a change waits for the disk.

#include "control/control_plane.hpp"
#include "control/database.hpp"
#include "control/model.hpp"
#include "control/pn_store.hpp"
#include "control/secret_box.hpp"
#include "control/usage_store.hpp"
#include "control/wipe.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace isthmus::control {

struct SavedSa {
    std::string row; // for messages
    ChannelId channel;
    macsec::Sci sci; // receive only
    uint8_t an = 0;
    bool active = false;  // encoding, or in use
    uint64_t next_pn = 1; // receive only
    std::optional<macsec::XpnParameters> xpn;
    WipedBytes sak;
};
// A row that means nothing with this configuration.
struct UnusableRow {
    std::string row, reason;
    std::function<Result<void>()> remove;
};
struct SavedState {
    Model model;
    std::vector<std::pair<ChannelId, macsec::Sci>> rx_scs;
    std::vector<SavedSa> tx_sas, rx_sas;
    std::vector<UnusableRow> unusable;
};
// How far a receive SA has come.
struct RxMark {
    ChannelId channel;
    macsec::Sci sci;
    uint8_t an = 0;
    uint64_t next_pn = 1;
};

class StateStore {
  public:
    // `secrets` null: SAs are not written.
    StateStore(std::shared_ptr<Database> database, std::unique_ptr<SecretBox> secrets);
    // Of a database of its own, without a key.
    [[nodiscard]] static Result<std::unique_ptr<StateStore>> open(const std::string& path);
    // As the configuration says. Refused: what Database::open() refuses, a key file that is not
    // good, and a file whose SAs are sealed with another key than the one given.
    [[nodiscard]] static Result<std::unique_ptr<StateStore>>
    open(const Config& config, Database::Purpose purpose = Database::Purpose::serve);

    [[nodiscard]] Database& database() { return *database_; }
    [[nodiscard]] PnStore& packet_numbers() { return packet_numbers_; }
    [[nodiscard]] UsageStore& usage() { return usage_; }
    [[nodiscard]] bool keeps() const { return database_->kept(); }
    [[nodiscard]] bool keeps_sas() const { return keeps() && secrets_ != nullptr; }

    // All rows. An Error: they could not be read.
    [[nodiscard]] Result<SavedState> load(const Config& config);
    // Removes all SAs, whatever they are sealed with; the number of them. Packet numbers stay.
    [[nodiscard]] Result<std::size_t> forget_sas();

    // The whole attachment, routes included; anything but the routes; nothing of it.
    [[nodiscard]] Result<void> put_attachment(const Config& config, AttachmentId id,
                                              const Attachment& attachment);
    [[nodiscard]] Result<void> put_parameters(const Config& config, AttachmentId id,
                                              const Attachment& attachment);
    [[nodiscard]] Result<void> erase_attachment(AttachmentId id);
    [[nodiscard]] Result<void> change_routes(AttachmentId id, const RouteChange& change);

    [[nodiscard]] Result<void> put_port(const PortConfig& port, bool enabled);
    // Channels are meant as the configuration has them.
    [[nodiscard]] Result<void> put_channel(const Config& config, ChannelId channel,
                                           AdminState state);
    [[nodiscard]] Result<void> add_tx_sa(const Config& config, ChannelId channel,
                                         const TxSaSpec& spec);
    [[nodiscard]] Result<void> remove_tx_sa(const Config& config, ChannelId channel, uint8_t an);
    [[nodiscard]] Result<void> set_encoding_an(const Config& config, ChannelId channel, uint8_t an);
    [[nodiscard]] Result<void> add_rx_sc(const Config& config, ChannelId channel, macsec::Sci sci);
    [[nodiscard]] Result<void> remove_rx_sc(const Config& config, ChannelId channel,
                                            macsec::Sci sci);
    [[nodiscard]] Result<void> add_rx_sa(const Config& config, ChannelId channel, macsec::Sci sci,
                                         const RxSaSpec& spec);
    [[nodiscard]] Result<void> set_rx_sa_in_use(const Config& config, ChannelId channel,
                                                macsec::Sci sci, uint8_t an, bool in_use);
    [[nodiscard]] Result<void> remove_rx_sa(const Config& config, ChannelId channel,
                                            macsec::Sci sci, uint8_t an);
    [[nodiscard]] Result<void> note_received(const Config& config,
                                             const std::vector<RxMark>& marks);

  private:
    [[nodiscard]] Result<void> check_secrets();
    [[nodiscard]] Result<void> write_proof();
    template <class... Values> Result<void> run(const char* sql, const Values&... values) {
        return keeps() ? database_->run(sql, values...) : Result<void>{};
    }

    std::shared_ptr<Database> database_;
    PnStore packet_numbers_;
    UsageStore usage_;
    std::unique_ptr<SecretBox> secrets_;
};

} // namespace isthmus::control
