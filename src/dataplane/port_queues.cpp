#include "dataplane/port_queues.hpp"

#include <map>
#include <optional>

namespace isthmus::dataplane {
namespace {

// The place of a port's channel in its interconnect; nullopt for a VPC port.
std::optional<uint16_t> channel_turn(const control::Config& config, PortId port) {
    std::map<InterconnectId, uint16_t> members;
    for (const control::ChannelConfig& channel : config.channels) {
        const uint16_t turn = members[channel.interconnect]++;
        if (channel.port == port)
            return turn;
    }
    return std::nullopt;
}

} // namespace

std::vector<PortQueues> deal_out_queues(const control::Config& config,
                                        std::span<const QueueCounts> ports) {
    const auto workers = static_cast<uint16_t>(config.worker_cores.size());
    std::vector<PortQueues> plans;
    uint16_t vpc_ports = 0;
    for (std::size_t p = 0; p < ports.size(); ++p) {
        QueueDemand demand;
        demand.rx_queues = ports[p].rx;
        demand.tx_queues = ports[p].tx;
        demand.rx_workers = config.ports[p].rx_workers;
        const auto turn = channel_turn(config, PortId(p));
        demand.turn = turn ? *turn : vpc_ports++;
        demand.channel = turn.has_value();
        plans.push_back(plan_queues(demand, workers));
    }
    return plans;
}

} // namespace isthmus::dataplane
