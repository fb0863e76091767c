#include "dataplane/ethdev_port.hpp"

#include "dataplane/ethdev_wait.hpp"
#include "dataplane/xdp_socket.hpp"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pci.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
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

// Each driver names its statistics as it likes: "rx_oversize_errors", "rx_oversize_pkts_phy", ...
std::vector<uint64_t> oversize_statistics(uint16_t ethdev) {
    std::vector<uint64_t> ids;
    const int count = rte_eth_xstats_get_names(ethdev, nullptr, 0);
    std::vector<rte_eth_xstat_name> names(static_cast<std::size_t>(std::max(count, 0)));
    if (rte_eth_xstats_get_names(ethdev, names.data(), static_cast<unsigned>(names.size())) !=
        count)
        return ids;
    for (std::size_t id = 0; id < names.size(); ++id)
        if (std::string_view(names[id].name).find("oversize") != std::string_view::npos)
            ids.push_back(id);
    return ids;
}

class EthdevPort final : public Port {
  public:
    EthdevPort(uint16_t ethdev, Queues queues, MacAddr mac, std::string driver,
               std::vector<int> xdp_sockets, std::vector<EthdevWait> waits)
        : ethdev_(ethdev), queues_(queues), mac_(mac), driver_(std::move(driver)),
          xdp_sockets_(std::move(xdp_sockets)), waits_(std::move(waits)),
          oversized_(oversize_statistics(ethdev)) {}
    ~EthdevPort() override { EthdevPort::stop(); }

    uint16_t rx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        return rte_eth_rx_burst(ethdev_, queue, packets, count);
    }
    uint16_t tx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        return rte_eth_tx_burst(ethdev_, queue, packets, count);
    }
    int wait_fd(uint16_t queue) const noexcept override { return waits_[queue].fd(); }
    bool arm(uint16_t queue) noexcept override { return waits_[queue].arm(); }
    void disarm(uint16_t queue) noexcept override { waits_[queue].disarm(); }
    uint16_t rx_queues() const override { return queues_.rx; }
    uint16_t tx_queues() const override { return queues_.tx; }
    std::string_view driver() const override { return driver_; }
    MacAddr mac() const override { return mac_; }
    bool link_up() const override {
        rte_eth_link link{};
        return rte_eth_link_get_nowait(ethdev_, &link) == 0 && link.link_status != 0;
    }
    DeviceLosses losses() const override {
        rte_eth_stats stats{};
        if (stopped_ || rte_eth_stats_get(ethdev_, &stats) != 0)
            return final_losses_;
        uint64_t missed = stats.imissed;
        for (const int socket : xdp_sockets_)
            missed += xdp_ring_full(socket);
        uint64_t oversized = 0;
        for (const uint64_t id : oversized_) {
            uint64_t value = 0;
            if (rte_eth_xstats_get_by_id(ethdev_, &id, &value, 1) == 1)
                oversized += value;
        }
        return {missed, stats.ierrors, oversized, stats.rx_nombuf, stats.oerrors};
    }
    void stop() override {
        if (stopped_)
            return;
        final_losses_ = losses();
        stopped_ = true;
        if (rte_eth_dev_stop(ethdev_) == 0)
            rte_eth_dev_close(ethdev_);
    }

  private:
    uint16_t ethdev_;
    Queues queues_;
    MacAddr mac_;
    std::string driver_;
    std::vector<int> xdp_sockets_;    // the driver's; asked for statistics
    std::vector<EthdevWait> waits_;   // by receive queue
    std::vector<uint64_t> oversized_; // of the device's own statistics
    bool stopped_ = false;
    DeviceLosses final_losses_; // the device forgets them when it closes
};

Error failed(const EthdevRequest& request, const char* step, int code) {
    return {ErrorCode::invalid,
            fmt::format("port {}: {} failed: {}", request.name, step, rte_strerror(-code)), "port",
            request.name, ""};
}

// An AF_XDP or similar port sends through a kernel interface whose MTU DPDK does not tell.
Result<void> check_interface_mtu(const std::string& device, const EthdevRequest& request) {
    constexpr std::string_view kKey = "iface=";
    const auto at = device.find(kKey);
    if (at == std::string::npos)
        return {};
    const auto from = at + kKey.size();
    const std::string interface = device.substr(from, device.find(',', from) - from);
    uint32_t mtu = 0;
    if (!(std::ifstream("/sys/class/net/" + interface + "/mtu") >> mtu) ||
        mtu >= request.l2_payload)
        return {};
    return Error{
        ErrorCode::invalid,
        fmt::format("port {}: interface {} has MTU {}, {} octets behind the Ethernet header "
                    "must fit (IP packet, VLAN tag, MACsec)",
                    request.name, interface, mtu, request.l2_payload),
        "port", request.name, std::to_string(request.l2_payload)};
}

Result<Queues> choose_queues(const rte_eth_dev_info& info, const EthdevRequest& request) {
    if (request.rx_queues > info.max_rx_queues)
        return Error{ErrorCode::invalid,
                     fmt::format("port {}: rx_workers: {} receive queues are asked for, the device "
                                 "has {}",
                                 request.name, request.rx_queues, info.max_rx_queues),
                     "rx_workers", std::to_string(request.rx_queues),
                     std::to_string(info.max_rx_queues)};
    // memif allows 255, but its peer may have one, which is only known once it connects; packets
    // for the others would be lost.
    const bool peer_decides = std::string_view(info.driver_name) == "net_memif";
    const uint16_t most = peer_decides ? uint16_t{1} : request.max_queues;
    if (request.rx_queues != 0)
        return Queues{request.rx_queues, std::min({std::max(request.rx_queues, most),
                                                   request.max_queues, info.max_tx_queues})};
    return Queues{std::min(most, info.max_rx_queues), std::min(most, info.max_tx_queues)};
}

Result<EthdevPlan> plan(uint16_t ethdev, const rte_eth_dev_info& info,
                        const EthdevRequest& request) {
    const auto queues = choose_queues(info, request);
    if (!queues)
        return queues.error();
    EthdevPlan plan;
    plan.rx_queues = queues->rx;
    plan.tx_queues = queues->tx;
    // AF_XDP asks for 2048, which bridges longer pauses of the worker.
    plan.rx_descriptors = std::max(kDescriptors, info.default_rxportconf.ring_size);
    plan.tx_descriptors = std::max(kDescriptors, info.default_txportconf.ring_size);
    rte_eth_dev_adjust_nb_rx_tx_desc(ethdev, &plan.rx_descriptors, &plan.tx_descriptors);
    const bool af_xdp = std::string_view(info.driver_name) == "net_af_xdp";
    plan.rx_buffers = af_xdp ? kAfXdpBuffers : plan.rx_descriptors;
    plan.socket = rte_eth_dev_socket_id(ethdev);
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

// A device as it has been set up and started.
struct Started {
    EthdevPlan plan;
    std::vector<int> xdp_sockets; // none, or one for each receive queue
    bool interrupts = false;
};

Result<void> check_payload(const rte_eth_dev_info& info, const EthdevRequest& request) {
    const uint32_t most = most_payload(info);
    if (request.l2_payload <= most)
        return {};
    return Error{ErrorCode::invalid,
                 fmt::format("port {}: {} octets behind the Ethernet header must fit (IP packet, "
                             "VLAN tag, MACsec), device {} carries at most {}",
                             request.name, request.l2_payload, info.driver_name, most),
                 "mtu", std::to_string(request.l2_payload), std::to_string(most)};
}

Result<Started> start(uint16_t ethdev, const rte_eth_dev_info& info, const EthdevRequest& request,
                      bool interrupts) {
    if (auto good = check_payload(info, request); !good)
        return good.error();
    const auto planned = plan(ethdev, info, request);
    if (!planned)
        return planned.error();
    const auto [rx_queues, tx_queues, rx_descriptors, tx_descriptors, rx_buffers, socket] =
        *planned;
    rte_eth_conf conf{};
    conf.rxmode.mtu = request.l2_payload;
    conf.rxmode.offloads = scatter_for(info, request);
    conf.intr_conf.rxq = interrupts;
    // Flows are spread by the device if it can; else every queue is a feed of its own.
    const uint64_t spread_by = info.flow_type_rss_offloads & kSpreadBy;
    if (rx_queues > 1 && spread_by != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = spread_by;
    }
    if (int code = rte_eth_dev_configure(ethdev, rx_queues, tx_queues, &conf); code != 0)
        return failed(request, "configuring the device", code);
    const auto on = static_cast<unsigned>(socket < 0 ? 0 : socket);
    Started started{*planned, {}, interrupts};
    for (uint16_t queue = 0; queue < rx_queues; ++queue) {
        const std::vector<int> before = sockets_of(AF_XDP);
        if (int code =
                rte_eth_rx_queue_setup(ethdev, queue, rx_descriptors, on, nullptr, request.pool);
            code != 0)
            return failed(request, "setting up a receive queue", code);
        for (const int fd : new_sockets(before, sockets_of(AF_XDP)))
            started.xdp_sockets.push_back(fd);
    }
    for (uint16_t queue = 0; queue < tx_queues; ++queue)
        if (int code = rte_eth_tx_queue_setup(ethdev, queue, tx_descriptors, on, nullptr);
            code != 0)
            return failed(request, "setting up a transmit queue", code);
    if (int code = rte_eth_dev_start(ethdev); code != 0)
        return failed(request, "starting the device", code);
    return started;
}

// Receive interrupts have to be asked for before it is known whether the device has them: some that
// do not, refuse to start with them.
Result<Started> start(uint16_t ethdev, const rte_eth_dev_info& info, const EthdevRequest& request) {
    auto started = start(ethdev, info, request, request.wake);
    if (!started && request.wake)
        if (auto again = start(ethdev, info, request, false); again)
            return again;
    return started;
}

// `packet_sockets`: of the device's driver. With several it is not known which queue each is of.
std::vector<EthdevWait> waits(uint16_t ethdev, const EthdevRequest& request, const Started& started,
                              const std::vector<int>& packet_sockets) {
    std::vector<EthdevWait> waits;
    for (uint16_t queue = 0; queue < started.plan.rx_queues; ++queue) {
        int socket = -1;
        if (started.xdp_sockets.size() == started.plan.rx_queues)
            socket = started.xdp_sockets[queue];
        else if (packet_sockets.size() == 1 && started.plan.rx_queues == 1)
            socket = packet_sockets[0];
        waits.emplace_back(ethdev, queue, request.wake ? socket : -1, started.interrupts);
    }
    return waits;
}

// Devices that can not take a MAC keep theirs: the port then answers to the configured one in
// software.
Result<MacAddr> settle_mac(uint16_t ethdev, const EthdevRequest& request) {
    rte_ether_addr addr{};
    if (request.mac) {
        std::copy(request.mac->octets.begin(), request.mac->octets.end(), addr.addr_bytes);
        const int code = rte_eth_dev_default_mac_addr_set(ethdev, &addr);
        if (code != 0 && code != -ENOTSUP)
            return failed(request, "setting the MAC address", code);
        if (code != 0)
            rte_eth_promiscuous_enable(ethdev);
        return *request.mac;
    }
    if (int code = rte_eth_macaddr_get(ethdev, &addr); code != 0)
        return failed(request, "reading the MAC address", code);
    MacAddr mac;
    std::copy_n(addr.addr_bytes, mac.octets.size(), mac.octets.begin());
    return mac;
}

} // namespace

bool is_pci_address(const std::string& device) {
    rte_pci_addr address{};
    return rte_pci_addr_parse(device.c_str(), &address) == 0;
}

Result<EthdevPlan> plan_device(const AttachedDevice& device, const EthdevRequest& request) {
    rte_eth_dev_info info{};
    if (int code = rte_eth_dev_info_get(device.ethdev, &info); code != 0)
        return failed(request, "asking for capabilities", code);
    return plan(device.ethdev, info, request);
}

Result<std::unique_ptr<Port>> open_device(const AttachedDevice& device,
                                          const EthdevRequest& request) {
    const uint16_t ethdev = device.ethdev;
    rte_eth_dev_info info{};
    if (int code = rte_eth_dev_info_get(ethdev, &info); code != 0)
        return failed(request, "asking for capabilities", code);
    auto started = start(ethdev, info, request);
    if (!started)
        return started.error();
    // Solicitations for our IPv6 addresses come to group addresses; software devices pass them
    // anyway.
    rte_eth_allmulticast_enable(ethdev);
    const auto mac = settle_mac(ethdev, request);
    if (!mac)
        return mac.error();
    auto queue_waits = waits(ethdev, request, *started, device.packet_sockets);
    return std::unique_ptr<Port>(std::make_unique<EthdevPort>(
        ethdev, Queues{started->plan.rx_queues, started->plan.tx_queues}, *mac, info.driver_name,
        std::move(started->xdp_sockets), std::move(queue_waits)));
}

Result<AttachedDevice> attach_device(const std::string& device, const EthdevRequest& request) {
    if (auto good = check_interface_mtu(device, request); !good)
        return good.error();
    const bool pci = is_pci_address(device);
    const auto comma = device.find(',');
    const std::string name = device.substr(0, comma);
    const std::string args = comma == std::string::npos ? "" : device.substr(comma + 1);
    const auto refused = [&](const std::string& why) {
        return Error{
            ErrorCode::invalid,
            fmt::format("port {}: device '{}' does not start: {}", request.name, device, why),
            "device", device, "a PCI address or a DPDK vdev that exists on this machine"};
    };
    uint16_t ethdev = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &ethdev) == 0)
        return refused("another port uses this device name");
    const std::vector<int> before = sockets_of(AF_PACKET);
    if (int code = rte_eal_hotplug_add(pci ? "pci" : "vdev", name.c_str(), args.c_str()); code != 0)
        return refused(rte_strerror(-code));
    if (rte_eth_dev_get_port_by_name(name.c_str(), &ethdev) != 0)
        return refused("its driver made no Ethernet port of it");
    return AttachedDevice{ethdev, new_sockets(before, sockets_of(AF_PACKET))};
}

} // namespace isthmus::dataplane
