// Rows of receive SCs and of SAs, whose SAKs are sealed.

#include "control/state_loader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

constexpr const char* kWaysOut =
    "give the key that they were sealed with (secrets_key_file), or remove them: "
    "isthmusd --config FILE --forget sas";

} // namespace

Result<void> StateLoader::load_rx_scs() {
    Query row(database_, "SELECT edge, channel, sci FROM rx_scs");
    while (row.next()) {
        const std::string edge = row.text(0), name = row.text(1), text = row.text(2);
        const auto channel = find_channel(edge, name);
        const auto sci = from_hex64(text);
        Reason reason;
        if (!channel)
            reason = "the configuration has no such channel";
        else if (!sci)
            reason = kDamaged;
        else if (config_.channels[channel->value].validate_frames == macsec::ValidateFrames::null)
            reason = "the channel is configured to accept plaintext only";
        if (reason.empty())
            out_.rx_scs.emplace_back(*channel, macsec::Sci{*sci});
        else
            unusable(fmt::format("rx_scs: {}/{} {}", edge, name, text), reason,
                     "DELETE FROM rx_scs WHERE edge = ? AND channel = ? AND sci = ?", edge, name,
                     text);
    }
    return end(row);
}

// Columns from `first` on: suite, salt, ssci, sak.
Reason StateLoader::read_sa(const Query& row, SaRow where, int first, SavedSa& out) {
    const auto channel = find_channel(where.edge, where.channel);
    if (!channel)
        return "the configuration has no such channel";
    const ChannelConfig& config = config_.channels[channel->value];
    where.suite = row.text(first);
    if (where.suite != macsec::name(config.cipher_suite))
        return fmt::format("its suite is {}, the channel's {}", where.suite,
                           macsec::name(config.cipher_suite));
    if (where.sci ? config.validate_frames == macsec::ValidateFrames::null : !config.protect_frames)
        return "the channel is configured without MACsec";
    if (!row.is_null(first + 1)) {
        where.xpn.emplace();
        const auto salt = row.octets(first + 1);
        if (salt.size() != where.xpn->salt.size() || !in(row.integer(first + 2), where.xpn->ssci))
            return kDamaged;
        std::copy(salt.begin(), salt.end(), where.xpn->salt.begin());
    }
    if (where.xpn.has_value() != macsec::is_xpn(config.cipher_suite) || !in(where.an, out.an) ||
        out.an >= macsec::kAssociationNumbers)
        return kDamaged;
    auto sak =
        secrets_ != nullptr ? secrets_->open(row.octets(first + 3), where.owner()) : std::nullopt;
    if (!sak || sak->size() != macsec::sak_length(config.cipher_suite))
        return "its SAK cannot be opened: the row was changed";
    out.channel = *channel;
    out.sci = where.sci.value_or(macsec::Sci{});
    out.xpn = where.xpn;
    out.sak = std::move(*sak);
    return "";
}

Result<void> StateLoader::load_tx_sas() {
    Query row(database_, "SELECT edge, channel, an, encoding, suite, salt, ssci, sak FROM tx_sas");
    while (row.next()) {
        const SaRow where{row.text(0), row.text(1), {}, row.integer(2), "", {}};
        SavedSa sa;
        sa.row = fmt::format("tx_sas: {}/{} AN {}", where.edge, where.channel, where.an);
        sa.active = row.integer(3) != 0;
        if (Reason reason = read_sa(row, where, 4, sa); reason.empty())
            out_.tx_sas.push_back(std::move(sa));
        else
            unusable(sa.row, reason, "DELETE FROM tx_sas WHERE edge = ? AND channel = ? AND an = ?",
                     where.edge, where.channel, where.an);
    }
    return end(row);
}

Result<void> StateLoader::load_rx_sas() {
    Query row(database_, "SELECT edge, channel, sci, an, in_use, next_pn, suite, salt, ssci, sak"
                         " FROM rx_sas");
    while (row.next()) {
        const std::string text = row.text(2);
        const auto sci = from_hex64(text);
        const auto next_pn = from_hex64(row.text(5));
        const SaRow where{row.text(0),    row.text(1), macsec::Sci{sci.value_or(0)},
                          row.integer(3), "",          {}};
        SavedSa sa;
        sa.row =
            fmt::format("rx_sas: {}/{} SCI {} AN {}", where.edge, where.channel, text, where.an);
        sa.active = row.integer(4) != 0;
        sa.next_pn = next_pn.value_or(0);
        Reason reason = sci && sa.next_pn != 0 ? read_sa(row, where, 6, sa) : kDamaged;
        if (reason.empty())
            out_.rx_sas.push_back(std::move(sa));
        else
            unusable(sa.row, reason,
                     "DELETE FROM rx_sas WHERE edge = ? AND channel = ? AND sci = ? AND an = ?",
                     where.edge, where.channel, text, where.an);
    }
    return end(row);
}

// A key is known by a record of its own, which is written with each SA.
Result<void> StateStore::check_secrets() {
    if (!keeps())
        return {};
    Query held(*database_, "SELECT (SELECT count(*) FROM tx_sas) + count(*) FROM rx_sas");
    if (!held.next())
        return database_->failure("cannot be read");
    const int64_t sas = held.integer(0);
    const auto refused = [&](const char* why) {
        return Error{ErrorCode::conflict,
                     fmt::format("state: {}: {} SAs are in it, and {}; {}", database_->path(), sas,
                                 why, kWaysOut),
                     "secrets_key_file", "", ""};
    };
    if (sas == 0)
        return {};
    if (!secrets_)
        return refused("there is no key to open them with");
    Query proof(*database_, "SELECT sealed FROM secrets WHERE name = ?", kProofName);
    if (!proof.next() || !secrets_->open(proof.octets(0), kProofOwner))
        return refused("the key is not the one that they were sealed with");
    return {};
}

} // namespace isthmus::control
