// Rows that are read at start: each is checked against the configuration and the rest.

#include "control/state_rows.hpp"
#include "control/state_store.hpp"
#include "control/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace isthmus::control {
namespace {

constexpr const char* kDamaged = "the row is damaged";

template <class List> std::optional<std::size_t> position(const List& list, const auto& same) {
    const auto found = std::find_if(list.begin(), list.end(), same);
    if (found == list.end())
        return std::nullopt;
    return static_cast<std::size_t>(found - list.begin());
}

// Why a row is unusable; empty if it is not.
using Reason = std::string;

// Numbers of rows are not negative where a value is read from them.
template <class Value> bool in(int64_t number, Value& out) {
    if (number < 0 || static_cast<uint64_t>(number) > std::numeric_limits<Value>::max())
        return false;
    out = static_cast<Value>(number);
    return true;
}

template <class Prefix>
bool read_interface(const Query& row, int column, std::optional<Prefix>& out) {
    if (row.is_null(column))
        return true;
    const auto parsed = parse_interface(row.text(column));
    if (!parsed || !std::holds_alternative<Prefix>(*parsed))
        return false;
    out = std::get<Prefix>(*parsed);
    return true;
}

template <class Addr> bool read_address(const Query& row, int column, std::optional<Addr>& out) {
    if (row.is_null(column))
        return true;
    const auto parsed = parse_ip(row.text(column));
    if (!parsed || !std::holds_alternative<Addr>(*parsed))
        return false;
    out = std::get<Addr>(*parsed);
    return true;
}

bool read_limit(const Query& row, int column, std::optional<Limit>& out) {
    if (row.is_null(column))
        return row.is_null(column + 1) && row.is_null(column + 2) && row.is_null(column + 3);
    Limit limit;
    bool good = in(row.integer(column), limit.rate_bps) && !row.is_null(column + 1) &&
                in(row.integer(column + 1), limit.burst_us);
    if (!row.is_null(column + 2))
        good = good && in(row.integer(column + 2), limit.peak_bps.emplace());
    if (!row.is_null(column + 3))
        good = good && in(row.integer(column + 3), limit.excess_dscp.emplace());
    out = limit;
    return good;
}

bool read_mss(int64_t number, MssClamp& out) {
    out.mode = number == -1  ? MssClamp::Mode::automatic
               : number == 0 ? MssClamp::Mode::off
                             : MssClamp::Mode::value;
    return number == -1 || in(number, out.value);
}

class Loader {
  public:
    Loader(Database& database, const SecretBox* secrets, const Config& config)
        : database_(database), secrets_(secrets), config_(config) {
        out_.model = Model::from(config);
    }

    Result<SavedState> load() {
        for (const auto part :
             {&Loader::load_attachments, &Loader::load_features, &Loader::load_neighbours,
              &Loader::load_routes, &Loader::check_attachments, &Loader::load_ports,
              &Loader::load_channels, &Loader::load_rx_scs, &Loader::load_tx_sas,
              &Loader::load_rx_sas})
            if (auto loaded = (this->*part)(); !loaded)
                return loaded.error();
        return std::move(out_);
    }

  private:
    Result<void> load_attachments();
    Result<void> load_features();
    Result<void> load_neighbours();
    Result<void> load_routes();
    Result<void> check_attachments();
    Result<void> load_ports();
    Result<void> load_channels();
    Result<void> load_rx_scs();
    Result<void> load_tx_sas();
    Result<void> load_rx_sas();

    Reason read_attachment(const Query& row, Attachment& out);
    Reason read_feature(const Query& row, Attachment& owner);
    Reason read_sa(const Query& row, SaRow where, int first, SavedSa& out);

    // What has gone with this row is not told of again.
    void unusable(std::string row, Reason reason, const char* remove, auto... key) {
        out_.unusable.push_back(
            {std::move(row), std::move(reason),
             [this_ = &database_, remove, key...] { return this_->run(remove, key...); }});
    }
    void unusable_attachment(int64_t place, const std::string& name, Reason reason);
    // nullptr: the attachment itself is unusable, or there is none: then the row is told of.
    Attachment* owner(int64_t place, const char* table, const char* remove);

    std::optional<EdgeId> find_edge(const std::string& name) const {
        const auto found = position(config_.edges, [&](const auto& it) { return it.name == name; });
        return found ? std::optional(EdgeId(*found)) : std::nullopt;
    }
    std::optional<ChannelId> find_channel(EdgeId edge, const std::string& name) const {
        const auto found = position(
            config_.channels, [&](const auto& it) { return it.edge == edge && it.name == name; });
        return found ? std::optional(ChannelId(*found)) : std::nullopt;
    }
    std::optional<ChannelId> find_channel(const std::string& edge, const std::string& name) const {
        const auto id = find_edge(edge);
        return id ? find_channel(*id, name) : std::nullopt;
    }
    std::string name_of(const Attachment& it) const {
        return fmt::format("{}/{}", config_.edges[it.edge.value].name, it.name);
    }
    Result<void> end(const Query& query) const {
        return query.ended() ? Result<void>{} : Result<void>(database_.failure("cannot be read"));
    }

    Database& database_;
    const SecretBox* secrets_;
    const Config& config_;
    SavedState out_;
    std::map<AttachmentId, Attachment> found_; // in no index yet
    std::set<int64_t> gone_;                   // places of unusable attachments
};

void Loader::unusable_attachment(int64_t place, const std::string& name, Reason reason) {
    gone_.insert(place);
    out_.unusable.push_back(
        {fmt::format("attachments: {}", name), std::move(reason), [&database = database_, place] {
             Result<void> done;
             for (const char* sql :
                  {"DELETE FROM attachments WHERE place = ?",
                   "DELETE FROM features WHERE place = ?", "DELETE FROM neighbours WHERE place = ?",
                   "DELETE FROM routes WHERE place = ?"})
                 if (done)
                     done = database.run(sql, place);
             return done;
         }});
}

Attachment* Loader::owner(int64_t place, const char* table, const char* remove) {
    if (gone_.contains(place))
        return nullptr;
    const auto found = found_.find(AttachmentId(static_cast<std::size_t>(place)));
    if (place >= 0 && place < AttachmentId::kNone && found != found_.end())
        return &found->second;
    gone_.insert(place);
    unusable(fmt::format("{}: of place {}", table, place), "no attachment has this place", remove,
             place);
    return nullptr;
}

Reason Loader::read_attachment(const Query& row, Attachment& out) {
    const std::string edge = row.text(1), interconnect = row.text(3), port = row.text(4);
    out.name = row.text(2);
    const auto edge_id = find_edge(edge);
    if (!edge_id)
        return fmt::format("the configuration has no edge {}", edge);
    out.edge = *edge_id;
    const auto interconnect_id = position(config_.interconnects, [&](const auto& it) {
        return it.edge == out.edge && it.name == interconnect;
    });
    if (!interconnect_id)
        return fmt::format("edge {} has no interconnect {}", edge, interconnect);
    out.interconnect = InterconnectId(*interconnect_id);
    const auto port_id = position(
        config_.ports, [&](const auto& it) { return it.edge == out.edge && it.name == port; });
    if (!port_id)
        return fmt::format("edge {} has no port {}", edge, port);
    out.port = PortId(*port_id);
    if (row.integer(0) < 0 || row.integer(0) >= config_.max_attachments)
        return fmt::format("place {} is beyond max_attachments, {}", row.integer(0),
                           config_.max_attachments);
    const bool good =
        in(row.integer(5), out.vlan) && in(row.integer(6), out.mtu) &&
        read_mss(row.integer(7), out.mss_clamp) && read_interface(row, 8, out.local.ipv4) &&
        read_interface(row, 9, out.local.ipv6) && read_limit(row, 10, out.egress_limit) &&
        read_limit(row, 14, out.ingress_limit);
    return good ? "" : kDamaged;
}

Result<void> Loader::load_attachments() {
    Query row(database_, "SELECT * FROM attachments ORDER BY place");
    while (row.next()) {
        Attachment attachment;
        if (Reason reason = read_attachment(row, attachment); !reason.empty())
            unusable_attachment(row.integer(0), row.text(1) + "/" + row.text(2), reason);
        else
            found_.emplace(AttachmentId(static_cast<std::size_t>(row.integer(0))),
                           std::move(attachment));
    }
    return end(row);
}

Reason Loader::read_feature(const Query& row, Attachment& owner) {
    const auto channel = find_channel(owner.edge, row.text(1));
    if (!channel)
        return fmt::format("the edge has no channel {}", row.text(1));
    Feature feature;
    if (!in(row.integer(2), feature.vlan) || !in(row.integer(3), feature.mtu) ||
        !read_interface(row, 4, feature.local.ipv4) ||
        !read_interface(row, 5, feature.local.ipv6) || !read_address(row, 6, feature.peer_ipv4) ||
        !read_address(row, 7, feature.peer_ipv6))
        return kDamaged;
    owner.features.emplace(*channel, feature);
    return "";
}

Result<void> Loader::load_features() {
    Query row(database_, "SELECT * FROM features ORDER BY place");
    while (row.next()) {
        const int64_t place = row.integer(0);
        Attachment* const it = owner(place, "features", "DELETE FROM features WHERE place = ?");
        if (it == nullptr)
            continue;
        if (Reason reason = read_feature(row, *it); !reason.empty())
            unusable(fmt::format("features: {} {}", name_of(*it), row.text(1)), reason,
                     "DELETE FROM features WHERE place = ? AND channel = ?", place, row.text(1));
    }
    return end(row);
}

Result<void> Loader::load_neighbours() {
    Query row(database_, "SELECT * FROM neighbours ORDER BY place");
    while (row.next()) {
        const int64_t place = row.integer(0);
        const std::string channel = row.text(1), address = row.text(2);
        Attachment* const it = owner(place, "neighbours", "DELETE FROM neighbours WHERE place = ?");
        if (it == nullptr)
            continue;
        const auto ip = parse_ip(address);
        const auto mac = parse_mac(row.text(3));
        const auto on = channel.empty() ? ChannelId{} : find_channel(it->edge, channel);
        if (on && ip && mac)
            it->static_neighbours.emplace(std::pair(*on, *ip), *mac);
        else
            unusable(fmt::format("neighbours: {} {} {}", name_of(*it), channel, address),
                     on ? kDamaged : fmt::format("the edge has no channel {}", channel),
                     "DELETE FROM neighbours WHERE place = ? AND channel = ? AND address = ?",
                     place, channel, address);
    }
    return end(row);
}

Result<void> Loader::load_routes() {
    Query row(database_, "SELECT place, prefix, via, next_hop FROM routes");
    int64_t last = -1;
    Attachment* it = nullptr;
    while (row.next()) {
        const int64_t place = row.integer(0);
        if (place != last)
            it = owner(place, "routes", "DELETE FROM routes WHERE place = ?");
        last = place;
        if (it == nullptr)
            continue;
        const auto octets = row.octets(1);
        const auto prefix = prefix_from(octets);
        const int64_t via = row.integer(2);
        Route route{static_cast<Via>(via), {}};
        if (!row.is_null(3))
            route.next_hop = address_from(row.octets(3));
        const bool good = prefix && via >= 0 && via <= static_cast<int64_t>(Via::blackhole) &&
                          row.is_null(3) == !route.next_hop;
        if (good)
            (void)it->routes.set(*prefix, route);
        else
            unusable(fmt::format("routes: {} {}", name_of(*it),
                                 prefix ? to_string(*prefix) : "without a prefix"),
                     kDamaged, "DELETE FROM routes WHERE place = ? AND prefix = ?", place,
                     std::vector<uint8_t>(octets.begin(), octets.end()));
    }
    return end(row);
}

// As if the API had installed one after the other.
Result<void> Loader::check_attachments() {
    for (auto& [id, attachment] : found_) {
        if (const auto good = check_parameters(out_.model, attachment, id); !good) {
            unusable_attachment(id.value, name_of(attachment), good.error().message);
            continue;
        }
        attachment.routes.for_each(
            [&, place = id.value, &it = attachment](const IpPrefix& prefix, const Route& route) {
                const auto good = check_route(it, prefix, route);
                if (good)
                    return;
                const RouteOctets key(prefix);
                unusable(fmt::format("routes: {} {}", name_of(it), to_string(prefix)),
                         good.error().message, "DELETE FROM routes WHERE place = ? AND prefix = ?",
                         place, std::vector<uint8_t>(key.octets().begin(), key.octets().end()));
            });
        out_.model.add(id, std::move(attachment));
    }
    return {};
}

Result<void> Loader::load_ports() {
    Query row(database_, "SELECT port, enabled FROM ports");
    while (row.next()) {
        const std::string name = row.text(0);
        const auto port = position(config_.ports, [&](const auto& it) { return it.name == name; });
        if (port)
            out_.model.port_enabled[*port] = row.integer(1) != 0;
        else
            unusable("ports: " + name, "the configuration has no such port",
                     "DELETE FROM ports WHERE port = ?", name);
    }
    return end(row);
}

Result<void> Loader::load_channels() {
    Query row(database_, "SELECT edge, channel, admin_state FROM channels");
    while (row.next()) {
        const std::string edge = row.text(0), name = row.text(1);
        const auto channel = find_channel(edge, name);
        const int64_t state = row.integer(2);
        const bool good = state >= 0 && state <= static_cast<int64_t>(AdminState::down);
        if (channel && good)
            out_.model.channel_admin[channel->value] = static_cast<AdminState>(state);
        else
            unusable(fmt::format("channels: {}/{}", edge, name),
                     channel ? kDamaged : "the configuration has no such channel",
                     "DELETE FROM channels WHERE edge = ? AND channel = ?", edge, name);
    }
    return end(row);
}

Result<void> Loader::load_rx_scs() {
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
Reason Loader::read_sa(const Query& row, SaRow where, int first, SavedSa& out) {
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

Result<void> Loader::load_tx_sas() {
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

Result<void> Loader::load_rx_sas() {
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

constexpr const char* kWaysOut =
    "give the key that they were sealed with (secrets_key_file), or remove them: "
    "isthmusd --config FILE --forget sas";

} // namespace

Result<SavedState> StateStore::load(const Config& config) {
    return Loader(*database_, secrets_.get(), config).load();
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
