#pragma once
// Setting a DPDK device up as an EthdevRequest wants it, within what the device says it can do.
// Control thread; ethdev_port.cpp only.

#include "dataplane/ethdev_port.hpp"

#include <vector>

struct rte_eth_dev_info;

namespace isthmus::dataplane {

// A device as it has been set up and started.
struct StartedDevice {
    EthdevPlan plan;
    std::vector<int> xdp_sockets; // none, or one for each receive queue
    bool interrupts = false;
    int keep_sending = -1; // a transmit queue to be served while there is nothing to send
};

[[nodiscard]] Error failed_step(const EthdevRequest& request, const char* step, int code);
// What the device says it can do; of a bond, what its members can.
[[nodiscard]] Result<rte_eth_dev_info> capabilities(const AttachedDevice& device,
                                                    const EthdevRequest& request);
[[nodiscard]] Result<StartedDevice> start_device(const AttachedDevice& device,
                                                 const rte_eth_dev_info& info,
                                                 const EthdevRequest& request);

} // namespace isthmus::dataplane
