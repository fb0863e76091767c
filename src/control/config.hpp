#pragma once
// The boot configuration: static resources of one or more edges, read once from a TOML file.
// Everything that changes at run time is not here but in the Model.

#include "control/roles.hpp"
#include "isthmus/address.hpp"
#include "isthmus/result.hpp"
#include "isthmus/types.hpp"
#include "isthmus/wire.hpp"
#include "macsec/secy.hpp"
#include "macsec/suite.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

// Channels differ in capacity only where the configuration says so.
inline constexpr uint32_t kDefaultCapacityMbps = 100'000;
inline constexpr uint32_t kMaxCapacityMbps = 1'600'000;

// Of a port, and of what is sent by it. Jumbo frames as the providers' circuits carry them; IPv6
// needs the lower bound (RFC 8200, section 5).
inline constexpr uint16_t kMaxPortMtu = 9100;
inline constexpr uint16_t kMinPortMtu = 1280;

enum class PollMode : uint8_t { busy, adaptive };
// automatic: journald if standard error leads there, else text.
enum class LogFormat : uint8_t { automatic, text, json, journald };

struct EdgeConfig {
    std::string name;
    std::string provider; // free text; defaults to the edge's name
};

struct PortConfig {
    std::string name; // unique in the process
    EdgeId edge;
    // A PCI address ("0000:01:00.0"), a DPDK vdev string ("net_af_xdp0,iface=c1"), "wire:NAME" (two
    // ports with one NAME are the ends of a simulated link) or "generator" (a simulated VPC host).
    std::string device;
    std::optional<MacAddr> mac; // default: the device's own
    uint16_t mtu = 1500;        // largest L3 packet, octets; for a channel's port: before MACsec
    bool enabled = true;        // admin_state at start; "down": not polled until the API says "up"
    uint32_t line = 0; // in the file, for errors found later (a device that fails to probe)
    std::vector<uint16_t> rx_workers = {}; // by receive queue: who polls it; empty: automatic
};

struct InterconnectConfig {
    std::string name; // unique within the edge
    EdgeId edge;
    std::string peer;                                // the other provider's edge, free text
    std::optional<uint32_t> max_bandwidth_mbps = {}; // the pool; default: sum of its channels
    bool sell_strictly = false;                      // attachments need a limit in each direction
    uint32_t line = 0;                               // in the file, for errors found later
};

// How a receiver learns the SCI (802.1AE, 10.5.3): it is in every tag; it follows from the source
// address (ES or SCB bit); or it is in the tag only where there are several SCs.
enum class IncludeSci : uint8_t { always, end_station, scb, when_needed };
// Whether each worker has a transmit SC of its own, or all share one.
enum class TxScMode : uint8_t { per_worker, shared };

struct ChannelConfig {
    std::string name; // unique within the edge
    EdgeId edge;
    InterconnectId interconnect;
    PortId port;                                   // used by no other channel and by no attachment
    uint32_t capacity_mbps = kDefaultCapacityMbps; // flows are shared out in proportion to it

    macsec::CipherSuite cipher_suite = macsec::CipherSuite::gcm_aes_xpn_256;
    bool protect_frames = true; // false needs Config::allow_plaintext
    macsec::ValidateFrames validate_frames = macsec::ValidateFrames::strict; // others need it too
    bool encrypt = true; // false: integrity only
    uint8_t confidentiality_offset = 0;
    IncludeSci include_sci = IncludeSci::always;
    TxScMode tx_sc = TxScMode::per_worker;
    std::optional<macsec::Sci> sci; // of the first transmit SC; default: from the port's MAC
    bool replay_protect = true;
    uint32_t replay_window = 0;
    bool duplicate_proof = false; // duplicates inside the window are late
    uint16_t ether_type = wire::kEtherTypeMacsec;
    std::vector<uint16_t> clear_ether_types = {wire::kEtherTypeEapol};
    std::vector<MacAddr> clear_destinations;
    bool vlan_in_clear = false;
    std::optional<uint64_t> pn_threshold; // default: default_pn_threshold of the suite

    // Whether frames have a SecTAG in either direction.
    [[nodiscard]] bool uses_macsec() const {
        return protect_frames || validate_frames != macsec::ValidateFrames::null;
    }
    [[nodiscard]] uint64_t threshold() const {
        return pn_threshold.value_or(macsec::default_pn_threshold(cipher_suite));
    }
};

// Metering for billing (usage_meter.hpp).
struct UsageConfig {
    uint32_t interval_s = 300; // divides a day
    uint32_t checkpoint_s = 5; // what a crash loses is at most this long
    uint32_t keep_days = 35;
    // Of records that are kept.
    [[nodiscard]] std::size_t intervals() const {
        return std::size_t{keep_days} * 86'400 / interval_s;
    }
};

struct Config {
    std::string socket_path = "/run/isthmus/isthmusd.sock";
    AccessConfig access;
    LogFormat log = LogFormat::automatic;
    UsageConfig usage;
    // Every write, one line of JSON each. "none": not kept; empty: beside the state file, if any.
    std::string audit_path;
    // What the API has installed, and packet numbers that were used. "none": nothing is kept.
    std::string state_path = "/var/lib/isthmus/state.db";
    std::string secrets_key_path; // for the SAKs in it; empty: a systemd credential, or none
    std::vector<unsigned> worker_cores = {1}; // one poll-mode worker each
    std::optional<unsigned> main_core;        // default: not pinned
    PollMode poll = PollMode::busy;
    std::string macsec_engine = "auto";
    uint32_t memory_mb = 256;    // for DPDK, when there are no hugepages
    uint32_t packet_buffers = 0; // of each pool; 0: as many as can be in use at once
    uint16_t max_attachments = 1024;
    bool allow_plaintext = false;

    std::vector<EdgeConfig> edges;                 // by EdgeId
    std::vector<PortConfig> ports;                 // by PortId
    std::vector<InterconnectConfig> interconnects; // by InterconnectId
    std::vector<ChannelConfig> channels;           // by ChannelId
};

// Errors say "FILE:LINE: ..." with the key, the value and what was expected. Unknown keys, wrong
// types, duplicate names, unknown references and impossible values are refused.
[[nodiscard]] Result<Config> load_config(const std::string& path);
[[nodiscard]] Result<Config> parse_config(std::string_view text, const std::string& file_name);

} // namespace isthmus::control
