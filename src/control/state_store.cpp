// Rows that are written.

#include "control/state_store.hpp"

#include "control/state_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

using Text = std::optional<std::string>;

template <class T> Text text_of(const std::optional<T>& value) {
    return value ? Text(to_string(*value)) : std::nullopt;
}

int mss_number(const MssClamp& clamp) {
    return clamp.mode == MssClamp::Mode::automatic ? -1 : clamp.value;
}

template <class Member>
auto member_of(const std::optional<Limit>& limit, Member member)
    -> std::optional<std::decay_t<decltype((*limit).*member)>> {
    return limit ? std::optional((*limit).*member) : std::nullopt;
}
std::optional<uint64_t> peak_of(const std::optional<Limit>& limit) {
    return limit ? limit->peak_bps : std::nullopt;
}
std::optional<uint8_t> excess_of(const std::optional<Limit>& limit) {
    return limit ? limit->excess_dscp : std::nullopt;
}

SaRow sa_row(const Config& config, ChannelId id, std::optional<macsec::Sci> sci, uint8_t an,
             const std::optional<macsec::XpnParameters>& xpn) {
    const ChannelConfig& channel = config.channels[id.value];
    return {config.edges[channel.edge.value].name,           channel.name, sci, an,
            std::string(macsec::name(channel.cipher_suite)), xpn};
}

// Edge and name, for a row of a channel.
struct Where {
    Where(const Config& config, ChannelId id)
        : edge(config.edges[config.channels[id.value].edge.value].name),
          channel(config.channels[id.value].name) {}
    const std::string &edge, &channel;
};

std::optional<std::span<const uint8_t>> salt_of(const std::optional<macsec::XpnParameters>& xpn) {
    return xpn ? std::optional(std::span<const uint8_t>(xpn->salt)) : std::nullopt;
}
std::optional<uint32_t> ssci_of(const std::optional<macsec::XpnParameters>& xpn) {
    return xpn ? std::optional(xpn->ssci) : std::nullopt;
}

// Where an added route goes in the table, near enough: neighbours fall into one page. Numbers,
// since a million prefixes take half a second to sort.
struct TablePlace {
    uint64_t high = 0, low = 0;
    std::size_t index = 0; // of two with one prefix the later one counts
    auto operator<=>(const TablePlace&) const = default;
};

std::vector<TablePlace> in_table_order(const std::vector<std::pair<IpPrefix, Route>>& routes) {
    std::vector<TablePlace> places;
    places.reserve(routes.size());
    for (const auto& [prefix, route] : routes) {
        if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
            places.push_back({uint64_t{v4->addr.value} << 32 | v4->length, 0, places.size()});
        else if (const auto* v6 = std::get_if<Ipv6Prefix>(&prefix))
            places.push_back({v6->addr.high, v6->addr.low, places.size()});
    }
    std::sort(places.begin(), places.end());
    return places;
}

class RouteWriter {
  public:
    RouteWriter(Database& database, AttachmentId id)
        : database_(database), place_(id.value),
          put_(database.prepare("INSERT INTO routes VALUES (?1, ?2, ?3, ?4)"
                                " ON CONFLICT DO UPDATE SET via = ?3, next_hop = ?4")),
          erase_(database.prepare("DELETE FROM routes WHERE place = ? AND prefix = ?")) {}

    Result<void> put(const IpPrefix& prefix, const Route& route) {
        std::optional<RouteOctets> next_hop;
        std::optional<std::span<const uint8_t>> octets;
        if (route.next_hop)
            octets = next_hop.emplace(*route.next_hop).octets();
        return finish(
            Query(put_, place_, RouteOctets(prefix).octets(), static_cast<int>(route.via), octets));
    }
    Result<void> erase(const IpPrefix& prefix) {
        return finish(Query(erase_, place_, RouteOctets(prefix).octets()));
    }

  private:
    Result<void> finish(Query&& query) {
        if (!query.next() && query.ended())
            return {};
        return database_.failure("cannot be written");
    }

    Database& database_;
    int place_;
    sqlite3_stmt *put_, *erase_;
};

} // namespace

StateStore::StateStore(std::shared_ptr<Database> database, std::unique_ptr<SecretBox> secrets)
    : database_(std::move(database)), packet_numbers_(database_), usage_(database_),
      secrets_(std::move(secrets)) {}

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& path) {
    auto database = Database::open(path);
    if (!database)
        return database.error();
    return std::make_unique<StateStore>(std::move(*database), nullptr);
}

Result<std::unique_ptr<StateStore>> StateStore::open(const Config& config,
                                                     Database::Purpose purpose) {
    // First, for a second daemon of this configuration is found out by it.
    auto database = Database::open(config.state_path, purpose);
    if (!database)
        return database.error();
    auto secrets = SecretBox::find(config);
    if (!secrets)
        return secrets.error();
    auto store = std::make_unique<StateStore>(std::move(*database), std::move(*secrets));
    if (auto good = store->check_secrets(); !good)
        return good.error();
    return store;
}

Result<void> StateStore::put_parameters(const Config& config, AttachmentId id,
                                        const Attachment& it) {
    if (!keeps())
        return {};
    return database_->transact([&]() -> Result<void> {
        const auto channel_name = [&](ChannelId channel) -> std::string {
            return channel.valid() ? config.channels[channel.value].name : "";
        };
        auto done =
            run("INSERT OR REPLACE INTO attachments VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                id.value, config.edges[it.edge.value].name, it.name,
                config.interconnects[it.interconnect.value].name, config.ports[it.port.value].name,
                it.vlan, it.mtu, mss_number(it.mss_clamp), text_of(it.local.ipv4),
                text_of(it.local.ipv6), member_of(it.egress_limit, &Limit::rate_bps),
                member_of(it.egress_limit, &Limit::burst_us), peak_of(it.egress_limit),
                excess_of(it.egress_limit), member_of(it.ingress_limit, &Limit::rate_bps),
                member_of(it.ingress_limit, &Limit::burst_us), peak_of(it.ingress_limit),
                excess_of(it.ingress_limit));
        if (done)
            done = run("DELETE FROM features WHERE place = ?", id.value);
        if (done)
            done = run("DELETE FROM neighbours WHERE place = ?", id.value);
        for (const auto& [channel, feature] : it.features)
            if (done)
                done = run("INSERT INTO features VALUES (?, ?, ?, ?, ?, ?, ?, ?)", id.value,
                           channel_name(channel), feature.vlan, feature.mtu,
                           text_of(feature.local.ipv4), text_of(feature.local.ipv6),
                           text_of(feature.peer_ipv4), text_of(feature.peer_ipv6));
        for (const auto& [where, mac] : it.static_neighbours)
            if (done)
                done = run("INSERT INTO neighbours VALUES (?, ?, ?, ?)", id.value,
                           channel_name(where.first), to_string(where.second), to_string(mac));
        return done;
    });
}

Result<void> StateStore::put_attachment(const Config& config, AttachmentId id,
                                        const Attachment& attachment) {
    if (!keeps())
        return {};
    return database_->transact([&]() -> Result<void> {
        auto done = put_parameters(config, id, attachment);
        if (done)
            done = usage_.begin_life(id.value, config.edges[attachment.edge.value].name,
                                     attachment.name);
        if (done)
            done = run("DELETE FROM routes WHERE place = ?", id.value);
        RouteWriter writer(*database_, id);
        for (const auto& [prefix, route] : attachment.routes.in_order())
            if (done)
                done = writer.put(prefix, route);
        return done;
    });
}

Result<void> StateStore::erase_attachment(AttachmentId id) {
    if (!keeps())
        return {};
    return database_->transact([&]() -> Result<void> {
        for (const char* sql :
             {"DELETE FROM attachments WHERE place = ?", "DELETE FROM features WHERE place = ?",
              "DELETE FROM neighbours WHERE place = ?", "DELETE FROM routes WHERE place = ?"})
            if (auto done = run(sql, id.value); !done)
                return done;
        return usage_.end_life(id.value);
    });
}

Result<void> StateStore::change_routes(AttachmentId id, const RouteChange& change) {
    if (!keeps())
        return {};
    return database_->transact([&]() -> Result<void> {
        RouteWriter writer(*database_, id);
        for (const IpPrefix& prefix : change.remove)
            if (auto done = writer.erase(prefix); !done)
                return done;
        for (const TablePlace& place : in_table_order(change.add)) {
            const auto& [prefix, route] = change.add[place.index];
            if (auto done = writer.put(prefix, route); !done)
                return done;
        }
        return {};
    });
}

Result<void> StateStore::put_port(const PortConfig& port, bool enabled) {
    return database_->transact(
        [&] { return run("INSERT OR REPLACE INTO ports VALUES (?, ?)", port.name, enabled); });
}

Result<void> StateStore::put_channel(const Config& config, ChannelId channel, AdminState state) {
    const Where where(config, channel);
    return database_->transact([&] {
        return run("INSERT OR REPLACE INTO channels VALUES (?, ?, ?)", where.edge, where.channel,
                   static_cast<int>(state));
    });
}

// Those below are parts of a transaction of ControlPlane.

Result<void> StateStore::write_proof() {
    return run("INSERT OR REPLACE INTO secrets VALUES (?, ?)", kProofName,
               std::span<const uint8_t>(secrets_->seal({}, kProofOwner)));
}

Result<void> StateStore::add_tx_sa(const Config& config, ChannelId channel, const TxSaSpec& spec) {
    if (!keeps_sas())
        return {};
    const SaRow row = sa_row(config, channel, {}, spec.an, spec.xpn);
    if (auto proven = write_proof(); !proven)
        return proven;
    // The first one encodes.
    return run(
        "INSERT INTO tx_sas SELECT ?1, ?2, ?3,"
        " NOT EXISTS (SELECT * FROM tx_sas WHERE edge = ?1 AND channel = ?2), ?4, ?5, ?6, ?7",
        row.edge, row.channel, row.an, row.suite, salt_of(spec.xpn), ssci_of(spec.xpn),
        std::span<const uint8_t>(secrets_->seal(spec.sak, row.owner())));
}

Result<void> StateStore::remove_tx_sa(const Config& config, ChannelId channel, uint8_t an) {
    const Where where(config, channel);
    return run("DELETE FROM tx_sas WHERE edge = ? AND channel = ? AND an = ?", where.edge,
               where.channel, an);
}

Result<void> StateStore::set_encoding_an(const Config& config, ChannelId channel, uint8_t an) {
    const Where where(config, channel);
    return run("UPDATE tx_sas SET encoding = (an = ?3) WHERE edge = ?1 AND channel = ?2",
               where.edge, where.channel, an);
}

Result<void> StateStore::add_rx_sc(const Config& config, ChannelId channel, macsec::Sci sci) {
    const Where where(config, channel);
    return run("INSERT INTO rx_scs VALUES (?, ?, ?)", where.edge, where.channel, hex64(sci.value));
}

Result<void> StateStore::remove_rx_sc(const Config& config, ChannelId channel, macsec::Sci sci) {
    const Where where(config, channel);
    auto done = run("DELETE FROM rx_scs WHERE edge = ? AND channel = ? AND sci = ?", where.edge,
                    where.channel, hex64(sci.value));
    if (done)
        done = run("DELETE FROM rx_sas WHERE edge = ? AND channel = ? AND sci = ?", where.edge,
                   where.channel, hex64(sci.value));
    return done;
}

Result<void> StateStore::add_rx_sa(const Config& config, ChannelId channel, macsec::Sci sci,
                                   const RxSaSpec& spec) {
    if (!keeps_sas())
        return {};
    if (auto proven = write_proof(); !proven)
        return proven;
    const SaRow row = sa_row(config, channel, sci, spec.an, spec.xpn);
    return run("INSERT INTO rx_sas VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row.edge, row.channel,
               hex64(sci.value), row.an, spec.in_use, row.suite, salt_of(spec.xpn),
               ssci_of(spec.xpn), hex64(spec.lowest_pn),
               std::span<const uint8_t>(secrets_->seal(spec.sak, row.owner())));
}

Result<void> StateStore::set_rx_sa_in_use(const Config& config, ChannelId channel, macsec::Sci sci,
                                          uint8_t an, bool in_use) {
    const Where where(config, channel);
    return run("UPDATE rx_sas SET in_use = ? WHERE edge = ? AND channel = ? AND sci = ? AND an = ?",
               in_use, where.edge, where.channel, hex64(sci.value), an);
}

Result<void> StateStore::remove_rx_sa(const Config& config, ChannelId channel, macsec::Sci sci,
                                      uint8_t an) {
    const Where where(config, channel);
    return run("DELETE FROM rx_sas WHERE edge = ? AND channel = ? AND sci = ? AND an = ?",
               where.edge, where.channel, hex64(sci.value), an);
}

Result<void> StateStore::note_received(const Config& config, const std::vector<RxMark>& marks) {
    if (!keeps_sas() || marks.empty())
        return {};
    return database_->transact([&]() -> Result<void> {
        for (const RxMark& mark : marks) {
            const Where where(config, mark.channel);
            if (auto done = run("UPDATE rx_sas SET next_pn = ?"
                                " WHERE edge = ? AND channel = ? AND sci = ? AND an = ?",
                                hex64(mark.next_pn), where.edge, where.channel,
                                hex64(mark.sci.value), mark.an);
                !done)
                return done;
        }
        return {};
    });
}

Result<std::size_t> StateStore::forget_sas() {
    std::size_t count = 0;
    auto done = database_->transact([&]() -> Result<void> {
        Query held(*database_, "SELECT (SELECT count(*) FROM tx_sas) + count(*) FROM rx_sas");
        if (!held.next())
            return database_->failure("cannot be read");
        count = static_cast<std::size_t>(held.integer(0));
        for (const char* sql : {"DELETE FROM tx_sas", "DELETE FROM rx_sas", "DELETE FROM secrets"})
            if (auto deleted = database_->run(sql); !deleted)
                return deleted;
        return {};
    });
    if (!done)
        return done.error();
    return count;
}

} // namespace isthmus::control
