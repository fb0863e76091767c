#pragma once
// What an AF_XDP port is asked for. Control thread.

#include "isthmus/address.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct rte_mempool;

namespace isthmus::xdp {

inline constexpr std::string_view kDevicePrefix = "xdp:";

// Where the program runs: in the driver, or in the kernel's generic path, which every interface
// has and which is slower. automatic: the first one that works.
enum class Mode : uint8_t { automatic, native, skb };

// "xdp:IFNAME[,mode=native|skb][,copy=yes][,frames=all]"
struct DeviceOptions {
    std::string interface;
    Mode mode = Mode::automatic;
    bool copy = false;       // no zero copy, although the driver may have it
    bool all_frames = false; // nothing is left to the kernel
};
// Errors name the option, the value and what was expected.
[[nodiscard]] Result<DeviceOptions> parse_device(std::string_view device);

// What belongs to the edge on the port of a channel with MACsec, whatever its features are.
struct ChannelFrames {
    uint16_t macsec_type = 0;
    std::vector<uint16_t> clear_types;
    std::vector<MacAddr> clear_groups;
};

struct Request {
    std::string name; // of the port, for errors
    DeviceOptions device;
    std::optional<MacAddr> mac;           // of the edge on this port; default: the interface's
    uint32_t l2_payload = 1500;           // octets behind the Ethernet header that must fit
    uint16_t max_tx_queues = 1;           // one per worker, fewer if the interface has fewer
    uint16_t rx_queues = 0;               // as configured; 0: as many as there are
    std::optional<ChannelFrames> channel; // none: no channel with MACsec
    rte_mempool* pool = nullptr;          // packets are received into
};

} // namespace isthmus::xdp
