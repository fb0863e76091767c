#include "dataplane/queue_plan.hpp"

#include <algorithm>
#include <set>

namespace isthmus::dataplane {
namespace {

// With a queue for each worker the numbers agree. Fewer are dealt out from `turn` on, and workers
// that get none share.
std::vector<TxQueue> plan_tx(const QueueDemand& demand, uint16_t workers) {
    std::vector<TxQueue> plan;
    const bool enough = demand.tx_queues >= workers;
    const auto owner_of = [&](uint16_t queue) {
        return static_cast<uint16_t>((queue + demand.turn) % workers);
    };
    for (uint16_t worker = 0; worker < workers; ++worker) {
        uint16_t queue = worker;
        if (!enough) {
            queue = static_cast<uint16_t>(worker % demand.tx_queues);
            for (uint16_t own = 0; own < demand.tx_queues; ++own)
                if (owner_of(own) == worker)
                    queue = own;
        }
        plan.push_back({enough ? worker : owner_of(queue), queue});
    }
    return plan;
}

} // namespace

PortQueues plan_queues(const QueueDemand& demand, uint16_t workers) {
    PortQueues plan;
    plan.rx_worker = demand.rx_workers;
    for (uint16_t queue = 0; plan.rx_worker.size() < demand.rx_queues; ++queue)
        plan.rx_worker.push_back(static_cast<uint16_t>((queue + demand.turn) % workers));
    plan.hands_over = demand.channel;
    for (uint16_t worker = 0; worker < workers; ++worker)
        plan.hands_over =
            plan.hands_over || std::ranges::find(plan.rx_worker, worker) == plan.rx_worker.end();
    plan.tx = plan_tx(demand, workers);
    return plan;
}

std::vector<HandOff> plan_handoffs(std::span<const PortQueues> ports, uint16_t workers) {
    std::set<HandOff> pairs;
    const auto add = [&](HandOffPurpose purpose, uint16_t from, uint16_t to) {
        if (from != to)
            pairs.insert({purpose, from, to});
    };
    for (const PortQueues& port : ports)
        for (uint16_t worker = 0; worker < workers; ++worker) {
            // A packet of any port may leave by this one.
            add(HandOffPurpose::send, worker, port.tx[worker].owner);
            if (port.hands_over)
                for (const uint16_t from : port.rx_worker)
                    add(HandOffPurpose::forward, from, worker);
        }
    return {pairs.begin(), pairs.end()};
}

} // namespace isthmus::dataplane
