#pragma once
// The kinds of DPDK devices, and what is known of them that they do not tell themselves: which
// arguments ask for what this forwarder can not do right, and limits that drivers misstate. Found
// by trying (docs/ports.md). Pure functions; the control thread.

#include "isthmus/address.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::dataplane {

struct DeviceKind {
    std::string_view name; // as a device of it begins: net_memif
    // Octets behind the Ethernet header that pass, where the driver states too few (and takes no
    // larger ones when it is configured), 0: the driver is right.
    uint32_t payload = 0;
    bool one_queue = false;  // how many of its queues work is the peer's to say, later
    bool needs_peer = false; // attaching waits for the peer
    bool connects = false;   // only when it is started: again after its peer was not there
    bool sends_idle = false; // its protocol sends only while packets are sent
};

using Arguments = std::vector<std::pair<std::string, std::string>>; // key=value, in order

struct DeviceText {
    std::string name; // "net_memif0", or a PCI address in full
    bool pci = false;
    Arguments arguments;
    DeviceKind kind;
    std::vector<DeviceText> members; // of net_bonding

    [[nodiscard]] std::string_view argument(std::string_view key) const; // empty: absent
    [[nodiscard]] std::string arguments_text() const;                    // for DPDK
    // Adds the address of the port for a device that takes one only when it is made.
    void make_with(const MacAddr& mac);
};

// `text`: a PCI address or a vdev of DPDK, with ",key=value" behind it. net_bonding names its
// members as member=(DEVICE). Refused is what would change or lose packets, with the reason.
[[nodiscard]] Result<DeviceText> read_device(const std::string& text);

// Whether the other side of the device looks into packet buffers.
[[nodiscard]] bool shares_memory(const DeviceText& device);

// Frames of `l2_payload` octets behind the Ethernet header do not fit what the arguments set up.
[[nodiscard]] Result<void> check_arguments(const DeviceText& device, uint32_t l2_payload);

} // namespace isthmus::dataplane
