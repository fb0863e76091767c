#pragma once
// The options of the configuration file: one row per key with its type, range and what an error
// says was expected. Defaults are those of the structs in config.hpp. Included by config.cpp alone.

#include "control/config.hpp"
#include "control/config_reader.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace isthmus::control {

inline constexpr unsigned kMaxCore = 1023;
inline constexpr std::size_t kMaxWorkers = 64;
inline constexpr std::size_t kMaxSocketPath = 107; // sun_path without its terminating zero
inline constexpr std::string_view kWire = "wire:";
inline constexpr std::string_view kGenerator = "generator";

// What a table says before names are resolved. The empty text: the key is absent.
struct EdgeTable : EdgeConfig {};
struct PortTable : PortConfig {
    std::string edge_name;
};
struct InterconnectTable : InterconnectConfig {
    std::string edge_name;
};

inline bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    });
}

inline bool read_core(unsigned& core, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || value->get() < 0 || value->get() > kMaxCore)
        return false;
    core = static_cast<unsigned>(value->get());
    return true;
}

template <class T, auto Member> constexpr Special<T> name_in() {
    return {"1 to 63 of A-Z a-z 0-9 _ . -", [](T& out, const toml::node& node) {
                const auto* text = node.as_string();
                if (!text || !is_name(text->get()))
                    return false;
                out.*Member = text->get();
                return true;
            }};
}

template <class T, auto Member> constexpr Special<T> text_in(std::string_view expected) {
    return {expected, [](T& out, const toml::node& node) {
                const auto* text = node.as_string();
                if (!text || text->get().empty() || text->get().size() > 255)
                    return false;
                out.*Member = text->get();
                return true;
            }};
}

inline bool read_socket(Config& out, const toml::node& node) {
    const auto* text = node.as_string();
    if (!text || text->get().empty() || text->get().size() > kMaxSocketPath)
        return false;
    out.socket_path = text->get();
    return true;
}

inline bool read_worker_cores(Config& out, const toml::node& node) {
    const auto* cores = node.as_array();
    if (!cores || cores->empty() || cores->size() > kMaxWorkers)
        return false;
    for (const auto& core : *cores) {
        unsigned number = 0;
        if (!read_core(number, core) || std::ranges::count(out.worker_cores, number) != 0)
            return false;
        out.worker_cores.push_back(number);
    }
    return true;
}

inline bool read_poll(Config& out, const toml::node& node) {
    const auto text = node.value<std::string_view>();
    out.poll = text == "adaptive" ? PollMode::adaptive : PollMode::busy;
    return text == "adaptive" || text == "busy";
}

inline bool read_log(Config& out, const toml::node& node) {
    const auto text = node.value<std::string_view>();
    constexpr std::string_view kNames[] = {"auto", "text", "json", "journald"}; // of LogFormat
    const auto* const name = std::ranges::find(kNames, text);
    out.log = static_cast<LogFormat>(name - std::begin(kNames));
    return name != std::end(kNames);
}

inline bool read_mac(PortTable& out, const toml::node& node) {
    const auto mac = parse_mac(node.value_or(std::string_view{}));
    if (!mac || mac->is_multicast() || mac->is_zero())
        return false;
    out.mac = *mac;
    return true;
}

inline bool read_admin_state(PortTable& out, const toml::node& node) {
    const auto text = node.value<std::string_view>();
    out.enabled = text == "up";
    return text == "up" || text == "down";
}

inline bool read_device(PortTable& out, const toml::node& node) {
    const auto* text = node.as_string();
    if (!text || text->get().empty() || text->get().size() > 255)
        return false;
    out.device = text->get();
    return !out.device.starts_with(kWire) ||
           is_name(std::string_view(out.device).substr(kWire.size()));
}

// Whether the channels carry it is checked when all tables are read.
inline bool read_max_bandwidth(InterconnectTable& out, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || value->get() < 1 || value->get() > std::numeric_limits<uint32_t>::max())
        return false;
    out.max_bandwidth_mbps = static_cast<uint32_t>(value->get());
    return true;
}

inline bool read_sell(InterconnectTable& out, const toml::node& node) {
    const auto text = node.value<std::string_view>();
    out.sell_strictly = text == "strict";
    return text == "strict" || text == "open";
}

// Whether the workers exist is checked when all tables are read.
inline bool read_rx_workers(PortTable& out, const toml::node& node) {
    const auto* workers = node.as_array();
    if (!workers || workers->empty() || workers->size() > kMaxWorkers)
        return false;
    for (const auto& worker : *workers) {
        const auto* value = worker.as_integer();
        if (!value || value->get() < 0 || value->get() >= static_cast<int64_t>(kMaxWorkers))
            return false;
        out.rx_workers.push_back(static_cast<uint16_t>(value->get()));
    }
    return true;
}

// Tables in it are read apart; here they only have to be known.
inline bool read_tables(Config&, const toml::node& node) {
    return node.is_array_of_tables();
}

inline bool read_single_table(Config&, const toml::node& node) {
    return node.is_table();
}

inline constexpr auto kTopOptions = std::to_array<Option<Config>>({
    {"socket", Need::optional, Special<Config>{"a path of 1..107 octets", read_socket}},
    {"worker_cores", Need::optional,
     Special<Config>{"a list of 1 to 64 different cores, 0..1023", read_worker_cores}},
    {"main_core", Need::optional,
     Special<Config>{"a core, 0..1023",
                     [](Config& out, const toml::node& node) {
                         return read_core(out.main_core.emplace(), node);
                     }}},
    {"poll", Need::optional, Special<Config>{"'busy' or 'adaptive'", read_poll}},
    {"state", Need::optional,
     text_in<Config, &Config::state_path>("a path of 1..255 octets, or 'none'")},
    {"secrets_key_file", Need::optional,
     text_in<Config, &Config::secrets_key_path>("a path of 1..255 octets")},
    {"log", Need::optional, Special<Config>{"'auto', 'text', 'json' or 'journald'", read_log}},
    {"audit_log", Need::optional,
     text_in<Config, &Config::audit_path>("a path of 1..255 octets, or 'none'")},
    {"memory_mb", Need::optional, &Config::memory_mb, 64, 65536},
    {"packet_buffers", Need::optional, &Config::packet_buffers, 2048, 1048576},
    {"max_attachments", Need::optional, &Config::max_attachments, 1, 16384},
    {"allow_plaintext", Need::optional, &Config::allow_plaintext},
    {"macsec", Need::optional, Special<Config>{"a [macsec] table", read_single_table}},
    {"usage", Need::optional, Special<Config>{"a [usage] table", read_single_table}},
    {"access", Need::optional, Special<Config>{"an [access] table", read_single_table}},
    {"edge", Need::required, Special<Config>{"one or more [[edge]] tables", read_tables}},
    {"port", Need::optional, Special<Config>{"[[port]] tables", read_tables}},
    {"interconnect", Need::optional, Special<Config>{"[[interconnect]] tables", read_tables}},
    {"channel", Need::optional, Special<Config>{"[[channel]] tables", read_tables}},
});

// Of the process's only [macsec] table.
inline constexpr auto kMacsecOptions = std::to_array<Option<Config>>({
    {"engine", Need::optional,
     text_in<Config, &Config::macsec_engine>("'auto' or the name of an engine")},
});

inline bool read_usage_interval(UsageConfig& out, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || value->get() < 10 || value->get() > 86'400 || 86'400 % value->get() != 0)
        return false;
    out.interval_s = static_cast<uint32_t>(value->get());
    return true;
}

// Of the process's only [usage] table.
inline constexpr auto kUsageOptions = std::to_array<Option<UsageConfig>>({
    {"interval_s", Need::optional,
     Special<UsageConfig>{"10..86400 that divides a day of 86400", read_usage_interval}},
    {"checkpoint_s", Need::optional, &UsageConfig::checkpoint_s, 1, 60},
    {"keep_days", Need::optional, &UsageConfig::keep_days, 1, 3650},
});

inline constexpr auto kEdgeOptions = std::to_array<Option<EdgeTable>>({
    {"name", Need::required, name_in<EdgeTable, &EdgeTable::name>()},
    {"provider", Need::optional, text_in<EdgeTable, &EdgeTable::provider>("1 to 255 octets")},
});

inline constexpr auto kPortOptions = std::to_array<Option<PortTable>>({
    {"name", Need::required, name_in<PortTable, &PortTable::name>()},
    {"edge", Need::optional, name_in<PortTable, &PortTable::edge_name>()},
    {"device", Need::required,
     Special<PortTable>{"a PCI address, a DPDK device, 'wire:NAME' or 'generator'", read_device}},
    {"mac", Need::optional,
     Special<PortTable>{"a unicast MAC address like 02:00:00:00:00:01", read_mac}},
    {"mtu", Need::optional, &PortTable::mtu, kMinPortMtu, kMaxPortMtu},
    {"rx_workers", Need::optional,
     Special<PortTable>{"a list of workers, counted from 0, one for each receive queue",
                        read_rx_workers}},
    {"admin_state", Need::optional, Special<PortTable>{"'up' or 'down'", read_admin_state}},
});

inline constexpr auto kInterconnectOptions = std::to_array<Option<InterconnectTable>>({
    {"name", Need::required, name_in<InterconnectTable, &InterconnectTable::name>()},
    {"edge", Need::optional, name_in<InterconnectTable, &InterconnectTable::edge_name>()},
    {"peer", Need::optional,
     text_in<InterconnectTable, &InterconnectTable::peer>("1 to 255 octets")},
    {"max_bandwidth_mbps", Need::optional,
     Special<InterconnectTable>{"an integer of at least 1", read_max_bandwidth}},
    {"sell", Need::optional, Special<InterconnectTable>{"'open' or 'strict'", read_sell}},
});

} // namespace isthmus::control
