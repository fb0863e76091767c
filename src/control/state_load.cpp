// Rows of attachments, ports and channels.

#include "control/state_loader.hpp"
#include "control/validate.hpp"

#include <fmt/format.h>

namespace isthmus::control {
namespace {

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

} // namespace

Result<SavedState> StateLoader::load() {
    for (const auto part :
         {&StateLoader::load_attachments, &StateLoader::load_features,
          &StateLoader::load_neighbours, &StateLoader::load_routes, &StateLoader::check_attachments,
          &StateLoader::load_ports, &StateLoader::load_channels, &StateLoader::load_rx_scs,
          &StateLoader::load_tx_sas, &StateLoader::load_rx_sas})
        if (auto loaded = (this->*part)(); !loaded)
            return loaded.error();
    return std::move(out_);
}

void StateLoader::unusable_attachment(int64_t place, const std::string& name, Reason reason) {
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

Attachment* StateLoader::owner(int64_t place, const char* table, const char* remove) {
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

Reason StateLoader::read_attachment(const Query& row, Attachment& out) {
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

Result<void> StateLoader::load_attachments() {
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

Reason StateLoader::read_feature(const Query& row, Attachment& owner) {
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

Result<void> StateLoader::load_features() {
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

Result<void> StateLoader::load_neighbours() {
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

Result<void> StateLoader::load_routes() {
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
Result<void> StateLoader::check_attachments() {
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

Result<void> StateLoader::load_ports() {
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

Result<void> StateLoader::load_channels() {
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

Result<SavedState> StateStore::load(const Config& config) {
    return StateLoader(*database_, secrets_.get(), config).load();
}

} // namespace isthmus::control
