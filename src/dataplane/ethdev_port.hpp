#pragma once
// A port on any DPDK device: PCI NIC, AF_XDP, TAP, memif, pcap, ring, null, ...

#include "dataplane/port.hpp"
#include "isthmus/result.hpp"

#include <memory>
#include <optional>
#include <string>

struct rte_mempool;

namespace isthmus::dataplane {

struct EthdevRequest {
    std::string name;           // of the port, for errors
    std::optional<MacAddr> mac; // set on the device, or used without telling it if it can not
    uint32_t l2_payload = 1500; // octets behind the Ethernet header that must fit: IP, VLAN, MACsec
    uint16_t max_queues = 1;    // in each direction: one per worker, fewer if the device has fewer
    uint16_t rx_queues = 0;     // exactly so many to receive; 0: as many as max_queues allows
    bool wake = false;          // a worker may rest: prepare whatever tells it that packets come
    rte_mempool* pool = nullptr;
};

// Attaches `device` (a PCI address or "vdev,args") and starts it. Errors name the port and the
// device.
[[nodiscard]] Result<std::unique_ptr<Port>> open_device(const std::string& device,
                                                        const EthdevRequest& request);
// The same for an ethdev that exists already.
[[nodiscard]] Result<std::unique_ptr<Port>> open_ethdev(uint16_t ethdev,
                                                        const EthdevRequest& request);

[[nodiscard]] bool is_pci_address(const std::string& device);

} // namespace isthmus::dataplane
