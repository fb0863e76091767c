#pragma once
// The options of a [[channel]] table. Included by config.cpp alone.

#include "control/body.hpp"
#include "control/config_reader.hpp"
#include "control/config_tables.hpp"
#include "control/macsec_names.hpp"

#include <array>
#include <string>
#include <string_view>

namespace isthmus::control {

inline constexpr std::size_t kMaxClearTypes = 8;
inline constexpr std::size_t kMaxClearDestinations = 8;
inline constexpr int64_t kMinEtherType = 0x0600; // below it stands a length (802.3, 3.2.6)

// What a table says before names are resolved. The empty text: the key is absent.
struct ChannelTable : ChannelConfig {
    std::string edge_name, interconnect_name, port_name;
};

inline bool read_cipher_suite(ChannelTable& out, const toml::node& node) {
    const auto suite = macsec::suite_from_name(node.value_or(std::string_view{}));
    if (suite)
        out.cipher_suite = *suite;
    return suite.has_value();
}

template <class Enum, auto Member, const auto& Names>
bool read_word(ChannelTable& out, const toml::node& node) {
    const auto value = from_name<Enum>(Names, node.value_or(std::string_view{}));
    if (value)
        out.*Member = *value;
    return value.has_value();
}

inline bool read_confidentiality_offset(ChannelTable& out, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || (value->get() != 0 && value->get() != 30 && value->get() != 50))
        return false;
    out.confidentiality_offset = static_cast<uint8_t>(value->get());
    return true;
}

inline bool read_sci(ChannelTable& out, const toml::node& node) {
    const auto sci = parse_sci(node.value_or(std::string_view{}));
    if (sci)
        out.sci = *sci;
    return sci.has_value();
}

inline bool read_ether_type(uint16_t& out, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || value->get() < kMinEtherType || value->get() > 0xffff)
        return false;
    out = static_cast<uint16_t>(value->get());
    return true;
}

inline bool read_clear_ether_types(ChannelTable& out, const toml::node& node) {
    const auto* types = node.as_array();
    if (!types || types->size() > kMaxClearTypes)
        return false;
    out.clear_ether_types.clear();
    for (const auto& type : *types)
        if (!read_ether_type(out.clear_ether_types.emplace_back(), type))
            return false;
    return true;
}

inline bool read_clear_destinations(ChannelTable& out, const toml::node& node) {
    const auto* addresses = node.as_array();
    if (!addresses || addresses->size() > kMaxClearDestinations)
        return false;
    for (const auto& address : *addresses) {
        const auto mac = parse_mac(address.value_or(std::string_view{}));
        if (!mac || !mac->is_multicast())
            return false;
        out.clear_destinations.push_back(*mac);
    }
    return true;
}

inline bool read_pn_threshold(ChannelTable& out, const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value || value->get() < 1)
        return false;
    out.pn_threshold = static_cast<uint64_t>(value->get());
    return true;
}

inline constexpr auto kChannelOptions = std::to_array<Option<ChannelTable>>({
    {"name", Need::required, name_in<ChannelTable, &ChannelTable::name>()},
    {"edge", Need::optional, name_in<ChannelTable, &ChannelTable::edge_name>()},
    {"interconnect", Need::optional, name_in<ChannelTable, &ChannelTable::interconnect_name>()},
    {"port", Need::required, name_in<ChannelTable, &ChannelTable::port_name>()},
    {"capacity_mbps", Need::optional, &ChannelTable::capacity_mbps, 1, kMaxCapacityMbps},
    {"cipher_suite", Need::optional,
     Special<ChannelTable>{"'GCM-AES-128', 'GCM-AES-256', 'GCM-AES-XPN-128' or 'GCM-AES-XPN-256'",
                           read_cipher_suite}},
    {"protect_frames", Need::optional, &ChannelTable::protect_frames},
    {"validate_frames", Need::optional,
     Special<ChannelTable>{
         "'strict', 'check', 'disabled' or 'null'",
         read_word<macsec::ValidateFrames, &ChannelTable::validate_frames, kValidateNames>}},
    {"encrypt", Need::optional, &ChannelTable::encrypt},
    {"confidentiality_offset", Need::optional,
     Special<ChannelTable>{"0, 30 or 50", read_confidentiality_offset}},
    {"include_sci", Need::optional,
     Special<ChannelTable>{"'always', 'end_station', 'scb' or 'when_needed'",
                           read_word<IncludeSci, &ChannelTable::include_sci, kIncludeSciNames>}},
    {"tx_sc", Need::optional,
     Special<ChannelTable>{"'per_worker' or 'shared'",
                           read_word<TxScMode, &ChannelTable::tx_sc, kTxScNames>}},
    {"sci", Need::optional, Special<ChannelTable>{"16 hexadecimal digits", read_sci}},
    {"replay_protect", Need::optional, &ChannelTable::replay_protect},
    {"replay_window", Need::optional, &ChannelTable::replay_window, 0, 0xffffffff},
    {"duplicate_proof", Need::optional, &ChannelTable::duplicate_proof},
    {"ether_type", Need::optional,
     Special<ChannelTable>{"an EtherType, 0x0600..0xffff",
                           [](ChannelTable& out, const toml::node& node) {
                               return read_ether_type(out.ether_type, node);
                           }}},
    {"clear_ether_types", Need::optional,
     Special<ChannelTable>{"a list of at most 8 EtherTypes, 0x0600..0xffff",
                           read_clear_ether_types}},
    {"clear_destinations", Need::optional,
     Special<ChannelTable>{"a list of at most 8 group MAC addresses", read_clear_destinations}},
    {"vlan_in_clear", Need::optional, &ChannelTable::vlan_in_clear},
    {"pn_threshold", Need::optional,
     Special<ChannelTable>{"an integer from 1 to the last packet number of the cipher suite",
                           read_pn_threshold}},
});

} // namespace isthmus::control
