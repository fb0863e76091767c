#include "dataplane/ethdev_start.hpp"

#include "dataplane/xdp_socket.hpp"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <fmt/format.h>

#include <algorithm>
#include <sys/socket.h>

namespace isthmus::dataplane {
namespace {

constexpr uint16_t kDescriptors = 1024;

// What tells flows apart for a device with several receive queues.
constexpr uint64_t kSpreadBy = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

struct Queues {
    uint16_t rx = 1;
    uint16_t tx = 1;
};

Result<Queues> choose_queues(const DeviceKind& kind, const rte_eth_dev_info& info,
                             const EthdevRequest& request) {
    if (request.rx_queues > info.max_rx_queues)
        return Error{ErrorCode::invalid,
                     fmt::format("port {}: rx_workers: {} receive queues are asked for, the device "
                                 "has {}",
                                 request.name, request.rx_queues, info.max_rx_queues),
                     "rx_workers", std::to_string(request.rx_queues),
                     std::to_string(info.max_rx_queues)};
    // memif allows 255, but its peer may have one, which is only known once it connects; packets
    // for the others would be lost.
    const uint16_t most = kind.one_queue ? uint16_t{1} : request.max_queues;
    if (request.rx_queues != 0)
        return Queues{request.rx_queues, std::min({std::max(request.rx_queues, most),
                                                   request.max_queues, info.max_tx_queues})};
    return Queues{std::min(most, info.max_rx_queues), std::min(most, info.max_tx_queues)};
}

Result<EthdevPlan> plan(const AttachedDevice& device, const rte_eth_dev_info& info,
                        const EthdevRequest& request) {
    const auto queues = choose_queues(device.kind, info, request);
    if (!queues)
        return queues.error();
    EthdevPlan plan;
    plan.rx_queues = queues->rx;
    plan.tx_queues = queues->tx;
    // AF_XDP asks for 2048, which bridges longer pauses of the worker.
    plan.rx_descriptors = std::max(kDescriptors, info.default_rxportconf.ring_size);
    plan.tx_descriptors = std::max(kDescriptors, info.default_txportconf.ring_size);
    rte_eth_dev_adjust_nb_rx_tx_desc(device.ethdev, &plan.rx_descriptors, &plan.tx_descriptors);
    const bool af_xdp = std::string_view(info.driver_name) == "net_af_xdp";
    plan.rx_buffers = af_xdp ? kAfXdpBuffers : plan.rx_descriptors;
    plan.socket = rte_eth_dev_socket_id(device.ethdev);
    return plan;
}

// The largest MTU that rte_eth_dev_configure takes. What a device adds to it follows from its two
// limits; one that tells no MTU adds link header and checksum.
uint32_t most_payload(const rte_eth_dev_info& info) {
    const bool tells = info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu;
    const uint32_t overhead =
        tells ? info.max_rx_pktlen - info.max_mtu : RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
    const uint32_t by_frame = info.max_rx_pktlen > overhead ? info.max_rx_pktlen - overhead : 0;
    return info.max_mtu == 0 ? by_frame : std::min<uint32_t>(info.max_mtu, by_frame);
}

// Frames that are longer than a buffer come in several only if the device is asked for it.
uint64_t scatter_for(const rte_eth_dev_info& info, const EthdevRequest& request) {
    const uint32_t frame = request.l2_payload + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
    const uint32_t room = rte_pktmbuf_data_room_size(request.pool) - RTE_PKTMBUF_HEADROOM;
    return frame > room ? info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER : 0;
}

Result<void> check_payload(const DeviceKind& kind, const rte_eth_dev_info& info,
                           const EthdevRequest& request) {
    const uint32_t most = std::max(kind.payload, most_payload(info));
    if (request.l2_payload <= most)
        return {};
    return Error{ErrorCode::invalid,
                 fmt::format("port {}: {} octets behind the Ethernet header must fit (IP packet, "
                             "VLAN tag, MACsec), device {} carries at most {}",
                             request.name, request.l2_payload, info.driver_name, most),
                 "mtu", std::to_string(request.l2_payload), std::to_string(most)};
}

rte_eth_conf configuration(const EthdevPlan& plan, const rte_eth_dev_info& info,
                           const EthdevRequest& request, bool interrupts) {
    rte_eth_conf conf{};
    conf.rxmode.mtu = std::min(request.l2_payload, most_payload(info));
    // Nothing else: no checksums left to be done, no segments put together, no tags taken off.
    conf.rxmode.offloads = scatter_for(info, request);
    conf.intr_conf.rxq = interrupts;
    conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
    // Flows are spread by the device if it can; else every queue is a feed of its own.
    const uint64_t spread_by = info.flow_type_rss_offloads & kSpreadBy;
    if (plan.rx_queues > 1 && spread_by != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = spread_by;
    }
    return conf;
}

Result<StartedDevice> set_up(const AttachedDevice& device, const rte_eth_dev_info& info,
                             const EthdevRequest& request, bool interrupts) {
    const auto planned = plan(device, info, request);
    if (!planned)
        return planned.error();
    const uint16_t ethdev = device.ethdev;
    const rte_eth_conf conf = configuration(*planned, info, request, interrupts);
    // One more to transmit by for a device that has to be kept sending, if it has as many.
    const auto extra = static_cast<uint16_t>(
        device.kind.sends_idle && info.max_tx_queues > planned->tx_queues ? 1 : 0);
    if (device.kind.sends_idle && extra == 0 && request.max_queues > 1)
        return Error{ErrorCode::invalid,
                     fmt::format("port {}: {} has to be kept sending by who polls it, and with {} "
                                 "workers that takes a transmit queue more than it has, {}",
                                 request.name, info.driver_name, request.max_queues,
                                 info.max_tx_queues),
                     "worker_cores", std::to_string(request.max_queues), "1"};
    const auto tx_queues = static_cast<uint16_t>(planned->tx_queues + extra);
    if (int code = rte_eth_dev_configure(ethdev, planned->rx_queues, tx_queues, &conf); code != 0)
        return failed_step(request, "configuring the device", code);
    const auto on = static_cast<unsigned>(std::max(planned->socket, 0));
    StartedDevice started{*planned, {}, interrupts};
    started.keep_sending = device.kind.sends_idle ? tx_queues - 1 : -1;
    for (uint16_t queue = 0; queue < planned->rx_queues; ++queue) {
        const std::vector<int> before = sockets_of(AF_XDP);
        if (int code = rte_eth_rx_queue_setup(ethdev, queue, planned->rx_descriptors, on, nullptr,
                                              request.pool);
            code != 0)
            return failed_step(request, "setting up a receive queue", code);
        for (const int fd : new_sockets(before, sockets_of(AF_XDP)))
            started.xdp_sockets.push_back(fd);
    }
    for (uint16_t queue = 0; queue < tx_queues; ++queue)
        if (int code = rte_eth_tx_queue_setup(ethdev, queue, planned->tx_descriptors, on, nullptr);
            code != 0)
            return failed_step(request, "setting up a transmit queue", code);
    // One that connects is started again until its peer is there.
    if (const int code = rte_eth_dev_start(ethdev); code != 0 && !device.kind.connects)
        return failed_step(request, "starting the device", code);
    return started;
}

} // namespace

Error failed_step(const EthdevRequest& request, const char* step, int code) {
    return {ErrorCode::invalid,
            fmt::format("port {}: {} failed: {}", request.name, step, rte_strerror(-code)), "port",
            request.name, ""};
}

Result<rte_eth_dev_info> capabilities(const AttachedDevice& device, const EthdevRequest& request) {
    rte_eth_dev_info info{};
    if (int code = rte_eth_dev_info_get(device.ethdev, &info); code != 0)
        return failed_step(request, "asking for capabilities", code);
    // A bond has its members' limits once it is configured, which is too late.
    for (const uint16_t member : device.members) {
        rte_eth_dev_info of_member{};
        if (int code = rte_eth_dev_info_get(member, &of_member); code != 0)
            return failed_step(request, "asking for capabilities of a member", code);
        info.max_rx_queues = std::min(info.max_rx_queues, of_member.max_rx_queues);
        info.max_tx_queues = std::min(info.max_tx_queues, of_member.max_tx_queues);
    }
    return info;
}

Result<EthdevPlan> plan_device(const AttachedDevice& device, const EthdevRequest& request) {
    const auto info = capabilities(device, request);
    if (!info)
        return info.error();
    return plan(device, *info, request);
}

Result<StartedDevice> start_device(const AttachedDevice& device, const rte_eth_dev_info& info,
                                   const EthdevRequest& request) {
    if (auto good = check_payload(device.kind, info, request); !good)
        return good.error();
    // Receive interrupts have to be asked for before it is known whether the device has them: some
    // that do not, refuse to start with them.
    auto started = set_up(device, info, request, request.wake);
    if (!started && request.wake)
        if (auto again = set_up(device, info, request, false); again)
            return again;
    return started;
}

} // namespace isthmus::dataplane
