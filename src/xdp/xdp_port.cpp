#include "xdp/xdp_port.hpp"

#include "isthmus/wire.hpp"
#include "xdp/interface.hpp"
#include "xdp/steering.hpp"
#include "xdp/xdp_socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>

namespace isthmus::xdp {
namespace {

// The kernel's addresses and queues are looked at in every n-th tick of the control thread.
constexpr unsigned kAddressTicks = 10;

using Sockets = std::vector<std::unique_ptr<XdpSocket>>;

// Everything that an open port holds; the kernel gives the interface back when it goes.
struct Parts {
    Interface interface;
    Descriptor membership;
    Steering steering;
    Sockets sockets;
};

class XdpPort final : public dataplane::Port {
  public:
    XdpPort(Parts parts, const Request& request, const Plan& plan, MacAddr mac)
        : interface_(std::move(parts.interface)), membership_(std::move(parts.membership)),
          steering_(std::move(parts.steering)), sockets_(std::move(parts.sockets)), plan_(plan),
          mac_(mac), interface_mac_(interface_.mac()), l2_payload_(request.l2_payload) {
        if (interface_.strips_vlan_tags())
            tell("interface {0} takes VLAN tags out of frames before they are seen here; "
                 "ethtool -K {0} rxvlan off",
                 interface_.name());
        mode_ = fmt::format("{}, {}, {} queue{}{}", steering_->how(),
                            sockets_[0]->zero_copy() ? "zero copy" : "copy", plan_.rx_queues,
                            plan_.rx_queues == 1 ? "" : "s",
                            sockets_[0]->multi_buffer() ? ", several buffers a frame" : "");
    }
    ~XdpPort() override { XdpPort::stop(); }

    uint16_t rx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        return sockets_[queue]->receive(packets, count);
    }
    // What is not sent at once would be sent, too late, when the interface comes back.
    uint16_t tx_burst(uint16_t queue, rte_mbuf** packets, uint16_t count) noexcept override {
        return up_.load(std::memory_order_relaxed) ? sockets_[queue]->send(packets, count)
                                                   : uint16_t{0};
    }
    int wait_fd(uint16_t queue) const noexcept override { return sockets_[queue]->fd(); }
    uint16_t rx_queues() const override { return plan_.rx_queues; }
    uint16_t tx_queues() const override { return plan_.tx_queues; }
    std::string_view driver() const override { return "xdp"; }
    MacAddr mac() const override { return mac_; }
    bool link_up() const override { return !stopped_ && interface_.state() == InterfaceState::up; }
    std::string mode() const override { return mode_; }

    dataplane::DeviceLosses losses() const override {
        if (stopped_)
            return final_losses_;
        dataplane::DeviceLosses losses;
        losses.rx_missed = steering_->without_socket();
        for (const auto& socket : sockets_) {
            const SocketLosses of = socket->losses();
            losses.rx_missed += of.missed;
            losses.rx_oversized += socket->oversized();
            losses.rx_errors += of.invalid + socket->oversized();
            losses.tx_errors += of.tx_invalid + socket->unsendable();
        }
        return losses;
    }
    std::vector<dataplane::NamedCount> counts() const override {
        return stopped_ ? final_counts_ : steering_->counts();
    }

    bool wants_links() const override { return !stopped_; }
    void follow_links(std::span<const dataplane::PortLink> links) override {
        check(steering_->follow(links));
        follow_host();
    }
    std::string take_event() override {
        watch();
        return std::exchange(event_, {});
    }
    void stop() override {
        if (stopped_)
            return;
        final_losses_ = losses();
        final_counts_ = counts();
        stopped_ = true;
        steering_.reset();
        membership_.reset();
    }

  private:
    template <class... Values> void tell(fmt::format_string<Values...> text, Values&&... values) {
        if (!event_.empty())
            event_ += "; ";
        event_ += fmt::format(text, std::forward<Values>(values)...);
    }
    template <class Value> bool check(const Result<Value>& result) {
        if (!result)
            tell("{}", result.error().message);
        return static_cast<bool>(result);
    }
    void follow_host() {
        if (steering_->shares_mac())
            check(steering_->set_host_addresses(interface_.addresses()));
    }
    // The edge keeps the address that neighbours and the far SecY know it by.
    void follow_mac() {
        const MacAddr now = interface_.mac();
        if (now == interface_mac_)
            return;
        interface_mac_ = now;
        steering_->follow_interface(now);
        tell("interface {} has MAC {} now; the port keeps {}, and goes on receiving for it",
             interface_.name(), to_string(now), to_string(mac_));
        if (auto membership = interface_.receive_for(mac_); check(membership))
            membership_ = std::move(*membership);
    }
    // Who polls which queue is settled when workers start. Queues that have a socket can not be
    // taken away: the kernel refuses that.
    void watch_queues() {
        const uint16_t queues = interface_.rx_queues();
        if (queues > plan_.rx_queues && queues != told_queues_)
            tell(
                "interface {0} has {1} receive queues now, the port has sockets for {2}: frames of "
                "the edge that come by the others are lost; start isthmusd again to use them, or "
                "set their number back (ethtool -L {0})",
                interface_.name(), queues, plan_.rx_queues);
        told_queues_ = queues;
    }

    void watch() {
        const InterfaceState state = stopped_ ? InterfaceState::gone : interface_.state();
        up_.store(state == InterfaceState::up, std::memory_order_relaxed);
        if (state == InterfaceState::gone) {
            if (!gone_ && !stopped_)
                tell("interface {} is gone; the port stays down until isthmusd is started again",
                     interface_.name());
            gone_ = true;
            return;
        }
        const uint32_t mtu = interface_.mtu();
        if (mtu < l2_payload_ && mtu != told_mtu_)
            tell("interface {} has MTU {} now, {} octets must fit", interface_.name(), mtu,
                 l2_payload_);
        told_mtu_ = mtu;
        follow_mac();
        if (++ticks_ % kAddressTicks != 0)
            return;
        follow_host();
        watch_queues();
    }

    Interface interface_;
    Descriptor membership_;
    std::optional<Steering> steering_; // until it is stopped
    Sockets sockets_;                  // by queue
    Plan plan_;
    MacAddr mac_, interface_mac_;
    uint32_t l2_payload_;
    std::string mode_, event_;
    std::atomic<bool> up_{true};
    bool gone_ = false, stopped_ = false;
    uint32_t told_mtu_ = 0;
    uint16_t told_queues_ = 0;
    unsigned ticks_ = 0;
    dataplane::DeviceLosses final_losses_;
    std::vector<dataplane::NamedCount> final_counts_;
};

Error at_port(const Request& request, Error error) {
    error.message = fmt::format("port {}: {}", request.name, error.message);
    if (error.field.empty()) {
        error.field = "port";
        error.value = request.name;
    }
    return error;
}

Result<void> check_interface(const Interface& interface, const Request& request) {
    const std::string& name = interface.name();
    if (interface.state() == InterfaceState::down)
        return Error{ErrorCode::invalid,
                     fmt::format("interface {} is down (ip link set {} up)", name, name), "device",
                     name, ""};
    if (interface.mtu() < request.l2_payload)
        return Error{ErrorCode::invalid,
                     fmt::format("interface {} has MTU {}, {} octets behind the Ethernet header "
                                 "must fit (IP packet, VLAN tag, MACsec)",
                                 name, interface.mtu(), request.l2_payload),
                     "port", request.name, std::to_string(request.l2_payload)};
    const uint16_t queues = interface.rx_queues();
    if (request.rx_queues != 0 && request.rx_queues != queues)
        return Error{ErrorCode::invalid,
                     fmt::format("rx_workers: {} receive queues are asked for, interface {} has "
                                 "{}, and frames may come by each (ethtool -L)",
                                 request.rx_queues, name, queues),
                     "rx_workers", std::to_string(request.rx_queues), std::to_string(queues)};
    return {};
}

Result<Plan> plan(const Request& request) {
    if (const std::string missing = missing_capabilities(); !missing.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("AF_XDP needs capabilities that this process lacks: {}", missing),
                     "device", request.device.interface, missing};
    const auto interface = Interface::open(request.device.interface);
    if (!interface)
        return interface.error();
    if (auto good = check_interface(*interface, request); !good)
        return good.error();
    const uint16_t rx = interface->rx_queues();
    // A socket of its own for each worker, as far as there are queues both ways.
    return Plan{rx, std::min({rx, interface->tx_queues(), request.max_tx_queues}),
                interface->numa_node()};
}

Result<std::unique_ptr<dataplane::Port>> open(const Request& request) {
    const auto planned = plan(request);
    if (!planned)
        return planned.error();
    auto interface = Interface::open(request.device.interface);
    if (!interface)
        return interface.error();
    const MacAddr mac = request.mac.value_or(interface->mac());
    auto steering = Steering::attach(*interface, request, mac, planned->rx_queues);
    if (!steering)
        return steering.error();
    Sockets sockets;
    for (uint16_t queue = 0; queue < planned->rx_queues; ++queue) {
        auto socket =
            XdpSocket::open({interface->index(), queue, request.device.copy || !steering->native(),
                             request.l2_payload + wire::kEthernetHeaderLength, request.pool});
        if (!socket)
            return socket.error();
        if (auto good = steering->add_socket(queue, (*socket)->fd()); !good)
            return good.error();
        sockets.push_back(std::move(*socket));
    }
    auto membership = interface->receive_for(mac);
    if (!membership)
        return membership.error();
    return std::unique_ptr<dataplane::Port>(
        std::make_unique<XdpPort>(Parts{std::move(*interface), std::move(*membership),
                                        std::move(*steering), std::move(sockets)},
                                  request, *planned, mac));
}

} // namespace

Result<Plan> plan_port(const Request& request) {
    auto planned = plan(request);
    if (!planned)
        return at_port(request, planned.error());
    return planned;
}

Result<std::unique_ptr<dataplane::Port>> open_port(const Request& request) {
    auto opened = open(request);
    if (!opened)
        return at_port(request, opened.error());
    return opened;
}

} // namespace isthmus::xdp
