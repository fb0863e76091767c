#pragma once
// A port on any DPDK device: PCI NIC, AF_XDP, TAP, memif, pcap, ring, null, ...

#include "dataplane/device_kind.hpp"
#include "dataplane/port.hpp"
#include "isthmus/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct rte_mempool;

namespace isthmus::dataplane {

// DPDK 22.11's AF_XDP driver keeps this many packet buffers of each receive queue for the kernel;
// with fewer it receives nothing and only counts rx_nombuf.
inline constexpr uint32_t kAfXdpBuffers = 4096;

struct EthdevRequest {
    std::string name;           // of the port, for errors
    std::optional<MacAddr> mac; // set on the device, or used without telling it if it can not
    uint32_t l2_payload = 1500; // octets behind the Ethernet header that must fit: IP, VLAN, MACsec
    uint16_t max_queues = 1;    // in each direction: one per worker, fewer if the device has fewer
    uint16_t rx_queues = 0;     // exactly so many to receive; 0: as many as max_queues allows
    bool wake = false;          // a worker may rest: prepare whatever tells it that packets come
    rte_mempool* pool = nullptr;
};

// A device that DPDK has taken over and that is not started yet.
struct AttachedDevice {
    uint16_t ethdev = 0;
    std::vector<int> packet_sockets = {}; // the driver's, of family AF_PACKET
    DeviceKind kind = {};
    std::string interface = {};         // of the kernel, that the device stands on
    std::string path = {};              // in sysfs; goes away with the device. Empty: it has none
    std::vector<uint16_t> members = {}; // of a bond
};

// How a device will be set up.
struct EthdevPlan {
    uint16_t rx_queues = 1, tx_queues = 1;
    uint16_t rx_descriptors = 0, tx_descriptors = 0; // of each queue
    uint32_t rx_buffers = 0;                         // that each receive queue keeps
    int socket = -1;                                 // NUMA; -1: of none
};

// attach_device.cpp. `device`: a PCI address or "vdev,args", see read_device. Errors name the port
// and the device.
[[nodiscard]] Result<AttachedDevice> attach_device(const std::string& device,
                                                   const EthdevRequest& request);
// The request's pool is not needed yet.
[[nodiscard]] Result<EthdevPlan> plan_device(const AttachedDevice& device,
                                             const EthdevRequest& request);
// Sets it up and starts it.
[[nodiscard]] Result<std::unique_ptr<Port>> open_device(const AttachedDevice& device,
                                                        const EthdevRequest& request);

} // namespace isthmus::dataplane
