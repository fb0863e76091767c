// A channel and its SecY, under the names of the configuration and of the MIB.

#include "control/macsec_names.hpp"
#include "control/render.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace isthmus::control {
namespace {

// By AdminState.
constexpr std::array<std::string_view, 3> kAdminStates = {"up", "drain", "down"};

std::string text_of(macsec::Sci sci) {
    return fmt::format("{:016x}", sci.value);
}

template <class T> void write_counters(JsonWriter& json, const CounterValues<T>& counters) {
    for (std::size_t row = 0; row < counters.kRows.size(); ++row)
        json.member(counters.kRows[row].name, counters.at(row));
}

void write_ssci(JsonWriter& json, const std::optional<uint32_t>& ssci) {
    if (ssci)
        json.member("ssci", *ssci);
}

void write_tx_sa(JsonWriter& json, const TxSaInfo& sa) {
    json.begin_object()
        .member("an", sa.an)
        .member("encoding", sa.encoding)
        .member("next_pn", sa.next_pn)
        .member("pn_limit", sa.pn_limit)
        .member("pending_exhaustion", sa.pending_exhaustion)
        .member("exhausted", sa.exhausted);
    write_counters(json, sa.counters);
    json.member("fingerprint", sa.fingerprint);
    write_ssci(json, sa.ssci);
    json.end_object();
}

void write_rx_sa(JsonWriter& json, const RxSaInfo& sa) {
    json.begin_object()
        .member("an", sa.an)
        .member("in_use", sa.in_use)
        .member("next_pn", sa.next_pn)
        .member("lowest_pn", sa.lowest_pn);
    write_counters(json, sa.counters);
    json.member("fingerprint", sa.fingerprint);
    write_ssci(json, sa.ssci);
    json.end_object();
}

void write_tx(JsonWriter& json, const ChannelInfo& info) {
    json.key("tx_scs").begin_array();
    for (const auto& sc : info.tx_scs) {
        json.begin_object().member("sci", text_of(sc.sci));
        write_counters(json, sc.counters);
        json.end_object();
    }
    json.end_array().key("tx_sas").begin_array();
    for (const auto& sa : info.tx_sas)
        write_tx_sa(json, sa);
    json.end_array();
}

void write_rx(JsonWriter& json, const ChannelInfo& info) {
    json.key("rx_scs").begin_array();
    for (const auto& sc : info.rx_scs) {
        json.begin_object().member("sci", text_of(sc.sci));
        write_counters(json, sc.counters);
        json.key("sas").begin_array();
        for (const auto& sa : sc.sas)
            write_rx_sa(json, sa);
        json.end_array().end_object();
    }
    json.end_array();
}

void write_options(JsonWriter& json, const ChannelConfig& channel) {
    json.member("cipher_suite", macsec::name(channel.cipher_suite))
        .member("cipher_suite_id", fmt::format("{:016x}", suite_identifier(channel.cipher_suite)))
        .member("protect_frames", channel.protect_frames)
        .member("validate_frames", validate_name(channel.validate_frames))
        .member("encrypt", channel.encrypt)
        .member("confidentiality_offset", channel.confidentiality_offset)
        .member("include_sci", include_sci_name(channel.include_sci))
        .member("tx_sc", tx_sc_name(channel.tx_sc))
        .member("replay_protect", channel.replay_protect)
        .member("replay_window", channel.replay_window)
        .member("duplicate_proof", channel.duplicate_proof)
        .member("ether_type", fmt::format("0x{:04x}", channel.ether_type));
    json.key("clear_ether_types").begin_array();
    for (const uint16_t type : channel.clear_ether_types)
        json.value(fmt::format("0x{:04x}", type));
    json.end_array().key("clear_destinations").begin_array();
    for (const MacAddr& mac : channel.clear_destinations)
        json.value(to_string(mac));
    json.end_array()
        .member("vlan_in_clear", channel.vlan_in_clear)
        .member("pn_threshold", channel.threshold());
}

} // namespace

std::string_view admin_state_name(AdminState state) {
    return kAdminStates.at(static_cast<std::size_t>(state));
}

void write_channel(JsonWriter& json, const Config& config, const ChannelInfo& info) {
    const auto& it = config.channels[info.id.value];
    json.begin_object()
        .member("edge", config.edges[it.edge.value].name)
        .member("name", it.name)
        .member("interconnect", config.interconnects[it.interconnect.value].name)
        .member("port", config.ports[it.port.value].name)
        .member("capacity_mbps", it.capacity_mbps);
    write_options(json, it);
    json.member("admin_state", admin_state_name(info.admin_state))
        .member("link_up", info.link_up)
        .member("usable", info.usable)
        .member("reason", info.reason);
    write_counters(json, info.counters);
    json.member("in_pkts_no_sa", info.in_pkts_no_sa())
        .member("in_pkts_no_sa_error", info.in_pkts_no_sa_error())
        .member("pn_pending_exhaustion", info.pn_pending_exhaustion)
        .member("pn_exhausted", info.pn_exhausted);
    write_tx(json, info);
    write_rx(json, info);
    json.end_object();
}

} // namespace isthmus::control
