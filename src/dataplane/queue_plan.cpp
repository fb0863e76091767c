#include "dataplane/queue_plan.hpp"

#include <algorithm>

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
    for (uint16_t worker = 0; worker < workers; ++worker)
        plan.spread =
            plan.spread || std::ranges::find(plan.rx_worker, worker) == plan.rx_worker.end();
    plan.tx = plan_tx(demand, workers);
    return plan;
}

} // namespace isthmus::dataplane
