#include "control/ports.hpp"

#include "control/sizes.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/pci_device.hpp"
#include "dataplane/port_queues.hpp"
#include "sim/generator_port.hpp"
#include "sim/wire.hpp"
#include "xdp/xdp_port.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace isthmus::control {
namespace {

constexpr std::string_view kWire = "wire:";

dataplane::PacketMemory packet_memory(const Config& config) {
    const bool shared =
        std::any_of(config.ports.begin(), config.ports.end(), [](const PortConfig& port) {
            const auto device = dataplane::read_device(port.device);
            return device && dataplane::shares_memory(*device);
        });
    return shared ? dataplane::PacketMemory::shared : dataplane::PacketMemory::own;
}

// AF_XDP registers packet buffers with the kernel, which takes none that is larger than a page.
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

// Before any device is touched.
Result<void> check_buffers(const Config& config, const std::string& file_name) {
    const auto ports =
        std::count_if(config.ports.begin(), config.ports.end(),
                      [](const PortConfig& port) { return port.device.starts_with("net_af_xdp"); });
    const auto least = static_cast<uint32_t>(ports + 1) * dataplane::kAfXdpBuffers;
    if (ports == 0 || config.packet_buffers == 0 || config.packet_buffers >= least)
        return {};
    return Error{ErrorCode::invalid,
                 fmt::format("{}: packet_buffers: {} is too few for {} AF_XDP ports, which keep {} "
                             "each, expected at least {}",
                             file_name, config.packet_buffers, ports, dataplane::kAfXdpBuffers,
                             least),
                 "packet_buffers", std::to_string(config.packet_buffers), std::to_string(least)};
}

// Software devices have no address of their own: a locally administered one, the same at every
// start.
MacAddr made_up_mac(std::size_t port) {
    return {{0x02, 0x49, 0x53, 0x54, static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)}};
}

class Attacher {
  public:
    explicit Attacher(const Config& config) : config_(config) {}

    Result<AttachedPort> attach(std::size_t index) {
        const PortConfig& port = config_.ports[index];
        if (port.device == "generator")
            return attach_generator(port, index);
        if (port.device.starts_with(xdp::kDevicePrefix))
            return attach_xdp(port, PortId(index));
        AttachedPort attached;
        dataplane::EthdevRequest& request = attached.request;
        request.name = port.name;
        request.mac = port.mac;
        request.l2_payload = port_sizes(config_, PortId(index)).l2_payload();
        request.max_queues = static_cast<uint16_t>(config_.worker_cores.size());
        request.rx_queues = static_cast<uint16_t>(port.rx_workers.size());
        request.wake = config_.poll == PollMode::adaptive;
        if (port.device.starts_with(kWire))
            return attach_wire(std::move(attached), port, index);
        const auto device = dataplane::attach_device(port.device, request);
        if (!device)
            return device.error();
        attached.device = *device;
        const auto plan = dataplane::plan_device(*device, request);
        if (!plan)
            return plan.error();
        attached.plan = *plan;
        return attached;
    }

  private:
    struct WireEnd {
        uint16_t ethdev = 0;
        std::shared_ptr<sim::WireBells> own, far;
    };

    Result<AttachedPort> attach_generator(const PortConfig& port, std::size_t index) const {
        if (port.rx_workers.size() > 1)
            return invalid_value("rx_workers", std::to_string(port.rx_workers.size()) + " queues",
                                 "1 for a generator");
        AttachedPort attached;
        attached.mac = port.mac.value_or(made_up_mac(index));
        return attached;
    }

    Result<AttachedPort> attach_xdp(const PortConfig& port, PortId id) const {
        const auto device = xdp::parse_device(port.device);
        if (!device)
            return device.error();
        xdp::Request request;
        request.name = port.name;
        request.device = *device;
        request.mac = port.mac;
        request.l2_payload = port_sizes(config_, id).l2_payload();
        request.max_tx_queues = static_cast<uint16_t>(config_.worker_cores.size());
        request.rx_queues = static_cast<uint16_t>(port.rx_workers.size());
        for (const ChannelConfig& channel : config_.channels)
            if (channel.port == id && channel.uses_macsec())
                request.channel = {channel.ether_type, channel.clear_ether_types,
                                   channel.clear_destinations};
        const auto plan = xdp::plan_port(request);
        if (!plan)
            return plan.error();
        AttachedPort attached;
        attached.plan.rx_queues = plan->rx_queues;
        attached.plan.tx_queues = plan->tx_queues;
        attached.plan.socket = plan->socket;
        attached.xdp = std::move(request);
        return attached;
    }

    Result<AttachedPort> attach_wire(AttachedPort attached, const PortConfig& port,
                                     std::size_t index) {
        dataplane::EthdevRequest& request = attached.request;
        // A simulated link has a queue for every worker, and all of them carry packets.
        if (request.rx_queues != 0 && request.rx_queues != request.max_queues)
            return invalid_value("rx_workers", std::to_string(request.rx_queues) + " queues",
                                 std::to_string(request.max_queues) + " for a simulated link");
        const auto end = wire_end(port.device.substr(kWire.size()));
        if (!end)
            return end.error();
        request.mac = port.mac.value_or(made_up_mac(index));
        attached.device = dataplane::AttachedDevice{end->ethdev};
        attached.plan.rx_queues = attached.plan.tx_queues = request.max_queues;
        attached.link_entries = sim::kWireRingSize * request.max_queues;
        if (request.wake) {
            attached.own = end->own;
            attached.far = end->far;
        }
        return attached;
    }

    // The first port of a wire makes it, the second one takes the other end.
    Result<WireEnd> wire_end(const std::string& name) {
        if (const auto other = free_ends_.find(name); other != free_ends_.end())
            return other->second;
        const auto queues = static_cast<uint16_t>(config_.worker_cores.size());
        const auto ends = sim::make_wire(name, queues);
        if (!ends)
            return ends.error();
        const auto left = sim::make_wire_bells(queues), right = sim::make_wire_bells(queues);
        free_ends_[name] = {ends->second, right, left};
        return WireEnd{ends->first, left, right};
    }

    const Config& config_;
    std::map<std::string, WireEnd> free_ends_;
};

Error at_port(const Config& config, const std::string& file_name, std::size_t index, Error error) {
    error.message = fmt::format("{}:{}: {}", file_name, config.ports[index].line, error.message);
    return error;
}

std::vector<dataplane::PortQueues> queue_plans(const Config& config,
                                               const std::vector<AttachedPort>& ports) {
    std::vector<dataplane::QueueCounts> counts;
    for (const AttachedPort& port : ports)
        counts.push_back({port.plan.rx_queues, port.plan.tx_queues});
    return dataplane::deal_out_queues(config, counts);
}

Result<std::unique_ptr<dataplane::Port>> open(const AttachedPort& attached, std::size_t index,
                                              rte_mempool* pool) {
    if (attached.xdp) {
        xdp::Request request = *attached.xdp;
        request.pool = pool;
        return xdp::open_port(request);
    }
    if (!attached.device)
        return std::unique_ptr<dataplane::Port>(std::make_unique<sim::GeneratorPort>(
            pool, attached.mac, static_cast<uint32_t>(index + 1)));
    dataplane::EthdevRequest request = attached.request;
    request.pool = pool;
    auto opened = dataplane::open_device(*attached.device, request);
    if (!opened || !attached.own)
        return opened;
    return std::unique_ptr<dataplane::Port>(
        std::make_unique<sim::WirePort>(std::move(*opened), attached.own, attached.far));
}

void add_use(PciUse& use, const dataplane::DeviceText& device) {
    if (device.pci) {
        const auto there = dataplane::find_pci_device(device.name);
        use.any = true;
        use.physical = use.physical || (there && there->physical);
    }
    for (const dataplane::DeviceText& member : device.members)
        add_use(use, member);
}

} // namespace

PciUse pci_use(const Config& config) {
    PciUse use;
    for (const PortConfig& port : config.ports)
        if (const auto device = dataplane::read_device(port.device); device)
            add_use(use, *device);
    return use;
}

Result<std::vector<AttachedPort>> attach_ports(const Config& config, const std::string& file_name) {
    if (auto good = check_buffer_size(config, file_name); !good)
        return good.error();
    if (auto good = check_buffers(config, file_name); !good)
        return good.error();
    std::vector<AttachedPort> ports;
    Attacher attacher(config);
    for (std::size_t index = 0; index < config.ports.size(); ++index) {
        auto port = attacher.attach(index);
        if (!port)
            return at_port(config, file_name, index, port.error());
        ports.push_back(std::move(*port));
    }
    // A port of no socket is where the worker is that polls it.
    const auto plans = queue_plans(config, ports);
    for (std::size_t index = 0; index < ports.size(); ++index) {
        const int socket = ports[index].plan.socket;
        ports[index].socket = socket >= 0 ? dataplane::memory_socket(socket)
                                          : dataplane::worker_socket(plans[index].rx_worker[0]);
    }
    return ports;
}

Result<dataplane::PacketPools> make_pools(const Config& config, const std::string& file_name,
                                          const std::vector<AttachedPort>& ports) {
    std::vector<dataplane::PortBuffers> buffers;
    for (const AttachedPort& port : ports)
        buffers.push_back({port.socket, port.plan.rx_queues, port.plan.rx_buffers,
                           port.plan.tx_queues, port.plan.tx_descriptors, port.link_entries});
    const auto workers = static_cast<uint16_t>(config.worker_cores.size());
    std::vector<int> sockets;
    for (uint16_t worker = 0; worker < workers; ++worker)
        sockets.push_back(dataplane::worker_socket(worker));
    const auto handoffs = dataplane::plan_handoffs(queue_plans(config, ports), workers);
    const dataplane::PacketMemory memory = packet_memory(config);
    const uint32_t room = dataplane::packet_room(largest_mtu(config));
    const dataplane::PoolUnits units = dataplane::pool_units(room, memory);
    const auto in_file = [&](Error error) {
        error.message = fmt::format("{}: {}", file_name, error.message);
        return error;
    };
    const auto plans =
        dataplane::plan_pools(buffers, sockets, handoffs, units, config.packet_buffers);
    if (!plans)
        return in_file(plans.error());
    const uint64_t rings = sizeof(void*) * (handoffs.size() * units.handoff_ring +
                                            std::size_t{workers} * units.control_rings);
    auto pools = dataplane::PacketPools::create(*plans, config.memory_mb, rings, room, memory);
    if (!pools)
        return in_file(pools.error());
    return pools;
}

Result<std::vector<std::unique_ptr<dataplane::Port>>>
open_ports(const Config& config, const std::string& file_name,
           const std::vector<AttachedPort>& attached, const dataplane::PacketPools& pools) {
    std::vector<std::unique_ptr<dataplane::Port>> ports;
    for (std::size_t index = 0; index < attached.size(); ++index) {
        auto port = open(attached[index], index, pools.of_socket(attached[index].socket));
        if (!port)
            return at_port(config, file_name, index, port.error());
        ports.push_back(std::move(*port));
    }
    return ports;
}

} // namespace isthmus::control
