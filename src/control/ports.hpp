#pragma once
// Opens the ports that a configuration names, in two steps: what devices there are says how much
// memory for packets they need, and only then can they be started. Control thread, before workers
// start. Errors begin with FILE:LINE of the port and name it.

#include "control/config.hpp"
#include "dataplane/ethdev_port.hpp"
#include "dataplane/packet_pools.hpp"
#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "sim/wire_port.hpp"
#include "xdp/xdp_request.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace isthmus::control {

// A port that is there, but not started. A generator and an AF_XDP port have no device of DPDK.
struct AttachedPort {
    std::optional<dataplane::AttachedDevice> device;
    dataplane::EthdevRequest request;
    dataplane::EthdevPlan plan;
    uint32_t link_entries = 0;                     // of a wire's rings that lead here
    std::shared_ptr<sim::WireBells> own, far = {}; // of a wire whose workers may rest
    std::optional<xdp::Request> xdp = {};          // of an AF_XDP port of ours
    MacAddr mac;                                   // of a generator
    int socket = 0;                                // that it receives into the memory of
};

// Of the configuration's ports and members of bonds: whether any is a PCI device, and one without
// an IOMMU.
struct PciUse {
    bool any = false, physical = false;
};
[[nodiscard]] PciUse pci_use(const Config& config);

// By PortId.
[[nodiscard]] Result<std::vector<AttachedPort>> attach_ports(const Config& config,
                                                             const std::string& file_name);
// The pools that they and the workers need. Errors name packet_buffers or memory_mb.
[[nodiscard]] Result<dataplane::PacketPools> make_pools(const Config& config,
                                                        const std::string& file_name,
                                                        const std::vector<AttachedPort>& ports);
[[nodiscard]] Result<std::vector<std::unique_ptr<dataplane::Port>>>
open_ports(const Config& config, const std::string& file_name,
           const std::vector<AttachedPort>& attached, const dataplane::PacketPools& pools);

} // namespace isthmus::control
