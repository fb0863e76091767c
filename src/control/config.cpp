#include "control/config.hpp"

#include "control/config_access.hpp"
#include "control/config_channel.hpp"
#include "control/config_check.hpp"
#include "control/config_tables.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>

namespace isthmus::control {
namespace {

constexpr std::size_t kMaxChannelsPerInterconnect = 16;

// Builds the Config table by table; every add_ gives the first error of its table.
class Builder {
  public:
    Builder(const toml::table& root, const std::string& file) : root_(root), file_(file) {}

    Result<Config> build() {
        out_.worker_cores.clear();
        const Place top{&file_, &root_, {}};
        if (auto read = read_table<Config>(out_, kTopOptions, top); !read)
            return read.error();
        if (out_.state_path == "none" && !out_.secrets_key_path.empty())
            return wrong_value(top, "secrets_key_file", out_.secrets_key_path,
                               "no key with state = \"none\"");
        if (out_.worker_cores.empty())
            out_.worker_cores = Config{}.worker_cores;
        if (const auto* table = root_["macsec"].as_table())
            if (auto read = read_table<Config>(out_, kMacsecOptions, {&file_, table, "[macsec]"});
                !read)
                return read.error();
        if (const auto* table = root_["access"].as_table())
            if (auto read = read_table<AccessConfig>(out_.access, kAccessOptions,
                                                     {&file_, table, "[access]"});
                !read)
                return read.error();
        if (const auto* table = root_["usage"].as_table())
            if (auto read =
                    read_table<UsageConfig>(out_.usage, kUsageOptions, {&file_, table, "[usage]"});
                !read)
                return read.error();
        for (const auto& [kind, title, add] : kKinds)
            if (const auto* tables = root_[kind].as_array())
                for (const auto& node : *tables)
                    if (auto added = (this->*add)({&file_, node.as_table(), title}); !added)
                        return added.error();
        if (out_.edges.empty())
            return wrong_value(top, "edge", "an empty list", "one or more [[edge]] tables");
        if (auto checked = check_wires(); !checked)
            return checked.error();
        for (std::size_t i = 0; i < out_.interconnects.size(); ++i)
            if (auto good = check_pool(out_, InterconnectId(i)); !good)
                return at_line(file_, out_.interconnects[i].line, good.error());
        return std::move(out_);
    }

  private:
    Result<void> add_edge(const Place& place);
    Result<void> add_port(const Place& place);
    Result<void> add_interconnect(const Place& place);
    Result<void> add_channel(const Place& place);
    Result<void> check_port(const PortTable& port, const Place& place) const;
    Result<void> check_wires() const;

    Result<EdgeId> find_edge(const std::string& name, const Place& place) const;
    Result<InterconnectId> find_interconnect(EdgeId edge, const std::string& name,
                                             const Place& place) const;
    Result<PortId> find_port(EdgeId edge, const std::string& name, const Place& place) const;

    // An Error if `key` of this table repeats what another table has.
    template <class List, class Same>
    Result<void> check_new(const List& list, const Place& place, std::string_view key,
                           const std::string& value, const Same& same) const {
        if (std::ranges::none_of(list, same))
            return {};
        return wrong_value(place, key, value,
                           "one that no other " + std::string(place.kind) + " has");
    }

    struct Kind {
        std::string_view key, title;
        Result<void> (Builder::*add)(const Place&);
    };
    static const std::array<Kind, 4> kKinds;

    const toml::table& root_;
    const std::string& file_;
    Config out_;
};

// In the order of their references: ports name edges, channels name all others.
const std::array<Builder::Kind, 4> Builder::kKinds{{
    {"edge", "[[edge]]", &Builder::add_edge},
    {"port", "[[port]]", &Builder::add_port},
    {"interconnect", "[[interconnect]]", &Builder::add_interconnect},
    {"channel", "[[channel]]", &Builder::add_channel},
}};

Result<void> Builder::add_edge(const Place& place) {
    EdgeTable edge;
    if (auto read = read_table<EdgeTable>(edge, kEdgeOptions, place); !read)
        return read;
    if (edge.provider.empty())
        edge.provider = edge.name;
    auto fresh = check_new(out_.edges, place, "name", edge.name,
                           [&](const EdgeConfig& other) { return other.name == edge.name; });
    if (fresh)
        out_.edges.push_back(std::move(edge));
    return fresh;
}

Result<void> Builder::add_port(const Place& place) {
    PortTable port;
    if (auto read = read_table<PortTable>(port, kPortOptions, place); !read)
        return read;
    const auto edge = find_edge(port.edge_name, place);
    if (!edge)
        return edge.error();
    port.edge = *edge;
    port.line = place.line();
    if (auto checked = check_port(port, place); !checked)
        return checked;
    out_.ports.push_back(std::move(port));
    return {};
}

Result<void> Builder::check_port(const PortTable& port, const Place& place) const {
    if (auto fresh = check_new(out_.ports, place, "name", port.name,
                               [&](const PortConfig& other) { return other.name == port.name; });
        !fresh)
        return fresh;
    if (port.mac)
        if (auto fresh = check_new(out_.ports, place, "mac", to_string(*port.mac),
                                   [&](const PortConfig& other) { return other.mac == port.mac; });
            !fresh)
            return fresh;
    for (const uint16_t worker : port.rx_workers)
        if (worker >= out_.worker_cores.size())
            return wrong_value(place, "rx_workers", std::to_string(worker),
                               "workers 0.." + std::to_string(out_.worker_cores.size() - 1) +
                                   ", one for each of worker_cores");
    if (port.device == kGenerator || port.device.starts_with(kWire))
        return {};
    return check_new(out_.ports, place, "device", port.device,
                     [&](const PortConfig& other) { return other.device == port.device; });
}

Result<void> Builder::check_wires() const {
    std::map<std::string, std::vector<const PortConfig*>> ends;
    for (const auto& port : out_.ports)
        if (port.device.starts_with(kWire))
            ends[port.device].push_back(&port);
    for (const auto& [device, ports] : ends)
        if (ports.size() != 2)
            return at_line(file_, ports.back()->line,
                           invalid_value("device", device,
                                         "a wire on exactly two ports, not on " +
                                             std::to_string(ports.size())));
    return {};
}

Result<void> Builder::add_interconnect(const Place& place) {
    InterconnectTable interconnect;
    if (auto read = read_table<InterconnectTable>(interconnect, kInterconnectOptions, place); !read)
        return read;
    const auto edge = find_edge(interconnect.edge_name, place);
    if (!edge)
        return edge.error();
    interconnect.edge = *edge;
    interconnect.line = place.line();
    auto fresh = check_new(out_.interconnects, place, "name", interconnect.name,
                           [&](const InterconnectConfig& other) {
                               return other.edge == *edge && other.name == interconnect.name;
                           });
    if (fresh)
        out_.interconnects.push_back(std::move(interconnect));
    return fresh;
}

Result<void> Builder::add_channel(const Place& place) {
    ChannelTable channel;
    if (auto read = read_table<ChannelTable>(channel, kChannelOptions, place); !read)
        return read;
    const auto edge = find_edge(channel.edge_name, place);
    if (!edge)
        return edge.error();
    const auto interconnect = find_interconnect(*edge, channel.interconnect_name, place);
    if (!interconnect)
        return interconnect.error();
    const auto port = find_port(*edge, channel.port_name, place);
    if (!port)
        return port.error();
    channel.edge = *edge;
    channel.interconnect = *interconnect;
    channel.port = *port;
    if (const auto good = check_macsec(channel, out_.ports[port->value], out_); !good)
        return wrong_value(place, good.error().field, good.error().value, good.error().limit);
    if (auto fresh = check_new(out_.channels, place, "name", channel.name,
                               [&](const ChannelConfig& other) {
                                   return other.edge == *edge && other.name == channel.name;
                               });
        !fresh)
        return fresh;
    const auto members =
        std::ranges::count(out_.channels, *interconnect, &ChannelConfig::interconnect);
    if (static_cast<std::size_t>(members) >= kMaxChannelsPerInterconnect)
        return wrong_value(place, "interconnect", out_.interconnects[interconnect->value].name,
                           "at most " + std::to_string(kMaxChannelsPerInterconnect) +
                               " channels per interconnect");
    out_.channels.push_back(std::move(channel));
    return {};
}

Result<EdgeId> Builder::find_edge(const std::string& name, const Place& place) const {
    if (name.empty() && out_.edges.size() == 1)
        return EdgeId{0};
    for (std::size_t i = 0; i < out_.edges.size(); ++i)
        if (!name.empty() && out_.edges[i].name == name)
            return EdgeId{i};
    return wrong_value(place, "edge", name.empty() ? "no value" : name, "the name of an [[edge]]");
}

Result<InterconnectId> Builder::find_interconnect(EdgeId edge, const std::string& name,
                                                  const Place& place) const {
    std::vector<InterconnectId> matches;
    for (std::size_t i = 0; i < out_.interconnects.size(); ++i)
        if (const auto& it = out_.interconnects[i];
            it.edge == edge && (name.empty() || it.name == name))
            matches.emplace_back(i);
    if (matches.size() == 1)
        return matches[0];
    return wrong_value(place, "interconnect", name.empty() ? "no value" : name,
                       "the name of an [[interconnect]] of this edge");
}

Result<PortId> Builder::find_port(EdgeId edge, const std::string& name, const Place& place) const {
    for (std::size_t i = 0; i < out_.ports.size(); ++i) {
        if (out_.ports[i].edge != edge || out_.ports[i].name != name)
            continue;
        if (out_.ports[i].device == kGenerator)
            return wrong_value(place, "port", name, "a port whose device is not a generator");
        if (std::ranges::count(out_.channels, PortId{i}, &ChannelConfig::port) != 0)
            return wrong_value(place, "port", name, "a port that no other [[channel]] uses");
        return PortId{i};
    }
    return wrong_value(place, "port", name, "the name of a [[port]] of this edge");
}

} // namespace

Result<Config> parse_config(std::string_view text, const std::string& file_name) {
    try {
        const toml::table root = toml::parse(text, file_name);
        return Builder(root, file_name).build();
    } catch (const toml::parse_error& error) {
        return at_line(file_name, error.source().begin.line,
                       {ErrorCode::invalid, std::string(error.description())});
    }
}

Result<Config> load_config(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file.is_open() || file.bad())
        return Error{ErrorCode::unavailable, path + ": the file cannot be read", "config", path};
    return parse_config(text, path);
}

} // namespace isthmus::control
