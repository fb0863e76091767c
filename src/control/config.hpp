#pragma once
// The boot configuration: static resources of one or more edges, read once from a TOML file.
// Everything that changes at run time is not here but in the Model.

#include "isthmus/address.hpp"
#include "isthmus/result.hpp"
#include "isthmus/types.hpp"
#include "macsec/suite.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

enum class PollMode : uint8_t { busy, adaptive };

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
};

struct InterconnectConfig {
    std::string name; // unique within the edge
    EdgeId edge;
    std::string peer; // the other provider's edge, free text
};

struct ChannelConfig {
    std::string name; // unique within the edge
    EdgeId edge;
    InterconnectId interconnect;
    PortId port; // used by no other channel and by no attachment
    macsec::CipherSuite cipher_suite = macsec::CipherSuite::gcm_aes_256;
    bool protect = true; // false needs Config::allow_plaintext
    bool replay_protect = true;
    uint32_t replay_window = 0;
};

struct Config {
    std::string socket_path = "/run/isthmus/isthmusd.sock";
    std::vector<unsigned> worker_cores = {
        1};                            // one poll-mode worker each; several are not supported yet
    std::optional<unsigned> main_core; // default: not pinned
    PollMode poll = PollMode::busy;
    std::string macsec_engine = "auto";
    uint32_t memory_mb = 256;        // for DPDK, when there are no hugepages
    uint32_t packet_buffers = 16384; // mbufs in the pool
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
