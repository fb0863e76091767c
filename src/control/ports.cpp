#include "control/ports.hpp"

#include "control/sizes.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/ethdev_port.hpp"
#include "sim/generator_port.hpp"
#include "sim/wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace isthmus::control {
namespace {

constexpr std::string_view kWire = "wire:";

// DPDK 22.11's AF_XDP driver keeps this many packet buffers per port for the kernel; with fewer it
// receives nothing and only counts rx_nombuf.
constexpr uint32_t kAfXdpBuffers = 4096;

// ... and registers them with the kernel, which takes none that is larger than a page.
constexpr uint32_t kAfXdpRoom = 3584;

Result<void> check_buffer_size(const Config& config, const std::string& file_name) {
    const uint16_t mtu = largest_mtu(config);
    if (dataplane::packet_room(mtu) <= kAfXdpRoom)
        return {};
    for (const PortConfig& port : config.ports)
        if (port.device.starts_with("net_af_xdp"))
            return Error{ErrorCode::invalid,
                         fmt::format("{}:{}: port {}: AF_XDP works with packet buffers of at most "
                                     "{} octets, the largest mtu of the configuration, {}, needs "
                                     "{}",
                                     file_name, port.line, port.name, kAfXdpRoom, mtu,
                                     dataplane::packet_room(mtu)),
                         "mtu", std::to_string(mtu), std::to_string(kAfXdpRoom)};
    return {};
}

Result<void> check_buffers(const Config& config, const std::string& file_name) {
    const auto ports =
        std::count_if(config.ports.begin(), config.ports.end(),
                      [](const PortConfig& port) { return port.device.starts_with("net_af_xdp"); });
    const auto least = static_cast<uint32_t>(ports + 1) * kAfXdpBuffers;
    if (ports == 0 || config.packet_buffers >= least)
        return {};
    return Error{ErrorCode::invalid,
                 fmt::format("{}: packet_buffers: {} is too few for {} AF_XDP ports, which keep {} "
                             "each, expected at least {}",
                             file_name, config.packet_buffers, ports, kAfXdpBuffers, least),
                 "packet_buffers", std::to_string(config.packet_buffers), std::to_string(least)};
}

// Software devices have no address of their own: a locally administered one, the same at every
// start.
MacAddr made_up_mac(std::size_t port) {
    return {{0x02, 0x49, 0x53, 0x54, static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)}};
}

class Opener {
  public:
    Opener(const Config& config, rte_mempool* pool) : config_(config), pool_(pool) {}

    Result<std::unique_ptr<dataplane::Port>> open(std::size_t index) {
        const PortConfig& port = config_.ports[index];
        if (port.device == "generator") {
            if (port.rx_workers.size() > 1)
                return invalid_value("rx_workers",
                                     std::to_string(port.rx_workers.size()) + " queues",
                                     "1 for a generator");
            const MacAddr mac = port.mac.value_or(made_up_mac(index));
            return std::unique_ptr<dataplane::Port>(
                std::make_unique<sim::GeneratorPort>(pool_, mac, static_cast<uint32_t>(index + 1)));
        }
        dataplane::EthdevRequest request;
        request.name = port.name;
        request.mac = port.mac;
        request.l2_payload = port_sizes(config_, PortId(index)).l2_payload();
        request.max_queues = static_cast<uint16_t>(config_.worker_cores.size());
        request.rx_queues = static_cast<uint16_t>(port.rx_workers.size());
        request.pool = pool_;
        if (!port.device.starts_with(kWire))
            return dataplane::open_device(port.device, request);
        // A simulated link has a queue for every worker, and all of them carry packets.
        if (request.rx_queues != 0 && request.rx_queues != request.max_queues)
            return invalid_value("rx_workers", std::to_string(request.rx_queues) + " queues",
                                 std::to_string(request.max_queues) + " for a simulated link");
        const auto end = wire_end(port.device.substr(kWire.size()));
        if (!end)
            return end.error();
        request.mac = port.mac.value_or(made_up_mac(index));
        return dataplane::open_ethdev(*end, request);
    }

  private:
    // The first port of a wire makes it, the second one takes the other end.
    Result<uint16_t> wire_end(const std::string& name) {
        if (const auto other = free_ends_.find(name); other != free_ends_.end())
            return other->second;
        const auto ends = sim::make_wire(name, static_cast<uint16_t>(config_.worker_cores.size()));
        if (!ends)
            return ends.error();
        free_ends_[name] = ends->second;
        return ends->first;
    }

    const Config& config_;
    rte_mempool* pool_;
    std::map<std::string, uint16_t> free_ends_;
};

} // namespace

Result<std::vector<std::unique_ptr<dataplane::Port>>>
open_ports(const Config& config, const std::string& file_name, rte_mempool* pool) {
    if (auto good = check_buffer_size(config, file_name); !good)
        return good.error();
    if (auto good = check_buffers(config, file_name); !good)
        return good.error();
    std::vector<std::unique_ptr<dataplane::Port>> ports;
    Opener opener(config, pool);
    for (std::size_t index = 0; index < config.ports.size(); ++index) {
        auto port = opener.open(index);
        if (!port) {
            Error error = port.error();
            error.message =
                fmt::format("{}:{}: {}", file_name, config.ports[index].line, error.message);
            return error;
        }
        ports.push_back(std::move(*port));
    }
    return ports;
}

} // namespace isthmus::control
