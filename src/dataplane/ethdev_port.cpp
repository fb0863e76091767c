#include "dataplane/ethdev_port.hpp"

#include "dataplane/ethdev_start.hpp"
#include "dataplane/ethdev_wait.hpp"
#include "dataplane/quiet_dpdk.hpp"
#include "dataplane/xdp_socket.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <unistd.h>

namespace isthmus::dataplane {
namespace {

// How often a receive queue is polled before a device that has to be kept sending is looked after.
// LACP wants it every 100 ms; a resting worker polls at least every millisecond.
constexpr uint32_t kKeepSendingEvery = 32;
// Calls of tend() between two attempts to connect.
constexpr unsigned kConnectEvery = 5;

std::vector<DeviceStatistic> read_statistics(uint16_t ethdev) {
    const int count = std::max(rte_eth_xstats_get_names(ethdev, nullptr, 0), 0);
    std::vector<rte_eth_xstat_name> names(static_cast<std::size_t>(count));
    std::vector<rte_eth_xstat> values(names.size());
    const auto size = static_cast<unsigned>(count);
    if (rte_eth_xstats_get_names(ethdev, names.data(), size) != count ||
        rte_eth_xstats_get(ethdev, values.data(), size) != count)
        return {};
    std::vector<DeviceStatistic> statistics;
    for (const rte_eth_xstat& value : values)
        statistics.push_back({names[value.id].name, value.value});
    return statistics;
}

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

// A count that a driver begins again, as memif does for each peer.
class Total {
  public:
    uint64_t take(uint64_t now) {
        if (now < last_)
            before_ += last_;
        last_ = now;
        return before_ + now;
    }

  private:
    uint64_t last_ = 0, before_ = 0;
};

class EthdevPort final : public Port {
  public:
    EthdevPort(const AttachedDevice& device, StartedDevice started, MacAddr mac, std::string driver,
               std::vector<EthdevWait> waits)
        : ethdev_(device.ethdev), keep_sending_(started.keep_sending), device_(device),
          started_(std::move(started)), mac_(mac), driver_(std::move(driver)),
          waits_(std::move(waits)), oversized_(oversize_statistics(ethdev_)) {
        rte_eth_dev_callback_register(ethdev_, RTE_ETH_EVENT_INTR_RMV, removed, this);
    }
    ~EthdevPort() override { EthdevPort::stop(); }

    uint16_t rx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        if (gone_.load(std::memory_order_relaxed)) [[unlikely]]
            return 0;
        if (keep_sending_ >= 0 && ++polls_ % kKeepSendingEvery == 0)
            rte_eth_tx_burst(ethdev_, static_cast<uint16_t>(keep_sending_), nullptr, 0);
        return rte_eth_rx_burst(ethdev_, queue, packets, count);
    }
    uint16_t tx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        if (gone_.load(std::memory_order_relaxed)) [[unlikely]]
            return 0;
        return rte_eth_tx_burst(ethdev_, queue, packets, count);
    }
    int wait_fd(uint16_t queue) const noexcept override { return waits_[queue].fd(); }
    bool arm(uint16_t queue) noexcept override { return waits_[queue].arm(); }
    void disarm(uint16_t queue) noexcept override { waits_[queue].disarm(); }
    uint16_t rx_queues() const override { return started_.plan.rx_queues; }
    uint16_t tx_queues() const override { return started_.plan.tx_queues; }
    std::string_view driver() const override { return driver_; }
    MacAddr mac() const override { return mac_; }
    bool link_up() const override {
        rte_eth_link link{};
        return present() && rte_eth_link_get_nowait(ethdev_, &link) == 0 && link.link_status != 0;
    }
    bool present() const override { return !gone_.load(std::memory_order_relaxed); }
    uint32_t l2_payload() const override {
        uint32_t mtu = 0;
        if (!device_.interface.empty())
            std::ifstream("/sys/class/net/" + device_.interface + "/mtu") >> mtu;
        return mtu;
    }
    DeviceLosses losses() const override {
        rte_eth_stats stats{};
        if (stopped_ || rte_eth_stats_get(ethdev_, &stats) != 0)
            return losses_;
        uint64_t missed = stats.imissed;
        for (const int socket : started_.xdp_sockets)
            missed += xdp_ring_full(socket);
        uint64_t oversized = 0;
        for (const uint64_t id : oversized_) {
            uint64_t value = 0;
            if (rte_eth_xstats_get_by_id(ethdev_, &id, &value, 1) == 1)
                oversized += value;
        }
        losses_ = {totals_[0].take(missed), totals_[1].take(stats.ierrors),
                   totals_[2].take(oversized), totals_[3].take(stats.rx_nombuf),
                   totals_[4].take(stats.oerrors)};
        return losses_;
    }
    std::vector<DeviceStatistic> statistics() const override {
        return stopped_ || !present() ? std::vector<DeviceStatistic>() : read_statistics(ethdev_);
    }
    void tend() override {
        if (!device_.path.empty() && access(device_.path.c_str(), F_OK) != 0)
            gone_.store(true, std::memory_order_relaxed);
        if (device_.kind.connects && !link_up() && ++tended_ % kConnectEvery == 0)
            connect_again();
    }
    void stop() override {
        if (stopped_)
            return;
        losses_ = losses();
        stopped_ = true;
        rte_eth_dev_callback_unregister(ethdev_, RTE_ETH_EVENT_INTR_RMV, removed, this);
        if (rte_eth_dev_stop(ethdev_) == 0)
            rte_eth_dev_close(ethdev_);
    }

  private:
    // In DPDK's interrupt thread.
    static int removed(uint16_t /*ethdev*/, rte_eth_event_type /*event*/, void* port, void*) {
        static_cast<EthdevPort*>(port)->gone_.store(true, std::memory_order_relaxed);
        return 0;
    }
    // A link that is down has no rings that a worker could be inside of.
    void connect_again() {
        const QuietDpdk quiet; // that nobody answers is no error
        if (rte_eth_dev_stop(ethdev_) == 0)
            (void)rte_eth_dev_start(ethdev_);
    }

    // What workers read.
    const uint16_t ethdev_;
    std::atomic<bool> gone_ = false;
    const int keep_sending_;
    uint32_t polls_ = 0; // of the queue of a device that is kept sending: it has one
    // The control thread's.
    AttachedDevice device_;
    StartedDevice started_;
    MacAddr mac_;
    std::string driver_;
    std::vector<EthdevWait> waits_;   // by receive queue
    std::vector<uint64_t> oversized_; // of the device's own statistics
    unsigned tended_ = 0;
    bool stopped_ = false;
    mutable std::array<Total, 5> totals_;
    mutable DeviceLosses losses_; // as read last: the device forgets them when it closes
};

// `packet_sockets`: of the device's driver. With several it is not known which queue each is of.
std::vector<EthdevWait> waits(uint16_t ethdev, const EthdevRequest& request,
                              const StartedDevice& started,
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
// software, and the device has to deliver what is sent to it.
Result<MacAddr> settle_mac(uint16_t ethdev, const EthdevRequest& request) {
    rte_ether_addr addr{};
    if (request.mac) {
        std::copy(request.mac->octets.begin(), request.mac->octets.end(), addr.addr_bytes);
        const int code = rte_eth_dev_default_mac_addr_set(ethdev, &addr);
        if (code != 0 && code != -ENOTSUP)
            return failed_step(request, "setting the MAC address", code);
        if (code != 0)
            if (int other = rte_eth_promiscuous_enable(ethdev); other != 0)
                return failed_step(request, "receiving what is sent to another MAC address", other);
        return *request.mac;
    }
    if (int code = rte_eth_macaddr_get(ethdev, &addr); code != 0)
        return failed_step(request, "reading the MAC address", code);
    MacAddr mac;
    std::copy_n(addr.addr_bytes, mac.octets.size(), mac.octets.begin());
    return mac;
}

} // namespace

Result<std::unique_ptr<Port>> open_device(const AttachedDevice& device,
                                          const EthdevRequest& request) {
    const uint16_t ethdev = device.ethdev;
    const auto info = capabilities(device, request);
    if (!info)
        return info.error();
    auto started = start_device(device, *info, request);
    if (!started)
        return started.error();
    // Solicitations for our IPv6 addresses come to group addresses; software devices pass them
    // anyway, but for a bond of them: that drops groups and broadcasts that it was not told to
    // take.
    if (rte_eth_allmulticast_enable(ethdev) != 0 && !device.members.empty())
        if (const int code = rte_eth_promiscuous_enable(ethdev); code != 0)
            return failed_step(request, "receiving broadcasts by its members", code);
    const auto mac = settle_mac(ethdev, request);
    if (!mac)
        return mac.error();
    auto queue_waits = waits(ethdev, request, *started, device.packet_sockets);
    return std::unique_ptr<Port>(std::make_unique<EthdevPort>(
        device, std::move(*started), *mac, info->driver_name, std::move(queue_waits)));
}

} // namespace isthmus::dataplane
