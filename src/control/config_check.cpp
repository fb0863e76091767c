#include "control/config_check.hpp"

#include "control/macsec_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace isthmus::control {
namespace {

using macsec::ValidateFrames;

// What carries customers' packets, and the tags they are found behind: never in clear, and nothing
// a SecTAG may look like.
constexpr auto kCustomerTypes =
    std::to_array<uint16_t>({wire::kEtherTypeIpv4, wire::kEtherTypeArp, wire::kEtherTypeIpv6,
                             wire::kEtherTypeVlan, wire::kEtherTypeServiceVlan});

std::string type_text(uint16_t type) {
    return fmt::format("0x{:04x}", type);
}

bool is_customer_type(uint16_t type) {
    return std::ranges::find(kCustomerTypes, type) != kCustomerTypes.end();
}

// Group addresses that IPv4 and IPv6 multicast and broadcast are sent to.
bool is_ip_group(const MacAddr& mac) {
    const auto& o = mac.octets;
    return mac == kBroadcastMac || (o[0] == 0x33 && o[1] == 0x33) ||
           (o[0] == 0x01 && o[1] == 0x00 && o[2] == 0x5e);
}

Result<void> check_plaintext(const ChannelConfig& channel, const Config& config) {
    if (!channel.protect_frames && !config.allow_plaintext)
        return invalid_value("protect_frames", "false", "true, or allow_plaintext = true as well");
    if (channel.validate_frames == ValidateFrames::strict)
        return {};
    const auto name = std::string(validate_name(channel.validate_frames));
    if (!config.allow_plaintext)
        return invalid_value("validate_frames", name,
                             "'strict', or allow_plaintext = true as well");
    if (channel.validate_frames == ValidateFrames::null && channel.protect_frames)
        return invalid_value("validate_frames", name,
                             "'strict', 'check' or 'disabled' unless protect_frames is false");
    return {};
}

Result<void> check_confidentiality(const ChannelConfig& channel) {
    if (channel.confidentiality_offset == 0)
        return {};
    const std::string offset = std::to_string(channel.confidentiality_offset);
    if (macsec::is_xpn(channel.cipher_suite))
        return invalid_value(
            "confidentiality_offset", offset,
            fmt::format("0 with cipher_suite {}", macsec::name(channel.cipher_suite)));
    if (!channel.encrypt)
        return invalid_value("confidentiality_offset", offset, "0 with encrypt = false");
    return {};
}

Result<void> check_replay(const ChannelConfig& channel) {
    const uint32_t window = channel.replay_window;
    if (const uint32_t most = macsec::max_replay_window(channel.cipher_suite); window > most)
        return invalid_value(
            "replay_window", std::to_string(window),
            fmt::format("0..{} with cipher_suite {}", most, macsec::name(channel.cipher_suite)));
    if (!channel.duplicate_proof)
        return {};
    if (!channel.replay_protect)
        return invalid_value("duplicate_proof", "true", "false with replay_protect = false");
    if (window > kMaxDuplicateProofWindow)
        return invalid_value(
            "replay_window", std::to_string(window),
            fmt::format("0..{} with duplicate_proof = true", kMaxDuplicateProofWindow));
    return {};
}

Result<void> check_types(const ChannelConfig& channel) {
    if (is_customer_type(channel.ether_type))
        return invalid_value("ether_type", type_text(channel.ether_type),
                             "none of IPv4, IPv6, ARP, 0x8100 and 0x88a8");
    for (const uint16_t type : channel.clear_ether_types) {
        if (is_customer_type(type))
            return invalid_value("clear_ether_types", type_text(type),
                                 "none of IPv4, IPv6, ARP, 0x8100 and 0x88a8");
        if (type == channel.ether_type)
            return invalid_value("clear_ether_types", type_text(type),
                                 "another EtherType than that of the SecTAG (ether_type)");
    }
    for (const MacAddr& mac : channel.clear_destinations)
        if (is_ip_group(mac))
            return invalid_value("clear_destinations", to_string(mac),
                                 "no address of IP broadcast or multicast, such as "
                                 "ff:ff:ff:ff:ff:ff, 33:33:* and 01:00:5e:*");
    return {};
}

// Without explicit SCI it follows from the source address of the frames, the port's MAC (9.5).
Result<void> check_implied_sci(const ChannelConfig& channel, const PortConfig& port,
                               const Config& config) {
    const bool scb = channel.include_sci == IncludeSci::scb;
    if (!scb && channel.include_sci != IncludeSci::end_station)
        return {};
    const std::string name(include_sci_name(channel.include_sci));
    if (config.worker_cores.size() > 1 && channel.tx_sc != TxScMode::shared)
        return invalid_value("include_sci", name,
                             "'always' or 'when_needed' with several workers, or tx_sc = 'shared'");
    if (!channel.sci)
        return {};
    const std::string given = fmt::format("{:016x}", channel.sci->value);
    if (!port.mac)
        return invalid_value("sci", given,
                             fmt::format("no sci with include_sci = '{}', as the port has no mac "
                                         "in the configuration",
                                         name));
    const auto implied = macsec::Sci::from(*port.mac, scb ? macsec::kSingleCopyBroadcastPort
                                                          : macsec::kEndStationPort);
    if (*channel.sci != implied)
        return invalid_value("sci", given,
                             fmt::format("{:016x} with include_sci = '{}': the port's MAC address",
                                         implied.value, name));
    return {};
}

// Workers have consecutive port identifiers.
Result<void> check_sci(const ChannelConfig& channel, const Config& config) {
    if (!channel.sci || channel.tx_sc == TxScMode::shared)
        return {};
    const std::size_t highest = 0xffff - (config.worker_cores.size() - 1);
    if ((channel.sci->value & 0xffff) > highest)
        return invalid_value(
            "sci", fmt::format("{:016x}", channel.sci->value),
            fmt::format("a port identifier of at most {:04x}: each worker has one", highest));
    return {};
}

Result<void> check_threshold(const ChannelConfig& channel) {
    const uint64_t last = macsec::last_pn(channel.cipher_suite);
    if (channel.pn_threshold && *channel.pn_threshold > last)
        return invalid_value(
            "pn_threshold", std::to_string(*channel.pn_threshold),
            fmt::format("1..{} with cipher_suite {}", last, macsec::name(channel.cipher_suite)));
    return {};
}

} // namespace

Result<void> check_pool(const Config& config, InterconnectId interconnect) {
    const auto& pool = config.interconnects[interconnect.value].max_bandwidth_mbps;
    uint64_t sum = 0;
    for (const ChannelConfig& channel : config.channels)
        if (channel.interconnect == interconnect)
            sum += channel.capacity_mbps;
    if (pool && *pool > sum)
        return invalid_value(
            "max_bandwidth_mbps", std::to_string(*pool),
            fmt::format("at most {}, the sum of capacity_mbps of its channels", sum));
    return {};
}

Result<void> check_macsec(const ChannelConfig& channel, const PortConfig& port,
                          const Config& config) {
    if (auto good = check_plaintext(channel, config); !good)
        return good;
    if (auto good = check_confidentiality(channel); !good)
        return good;
    if (auto good = check_replay(channel); !good)
        return good;
    if (auto good = check_types(channel); !good)
        return good;
    if (auto good = check_implied_sci(channel, port, config); !good)
        return good;
    if (auto good = check_sci(channel, config); !good)
        return good;
    return check_threshold(channel);
}

} // namespace isthmus::control
