#include "dataplane/pool_plan.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace isthmus::dataplane {
namespace {

// Numbers that operators compare by eye; a pool that is a little larger costs nothing.
constexpr uint32_t kRoundTo = 1024;
constexpr uint64_t kMib = 1 << 20;

uint64_t mib(uint64_t bytes) {
    return (bytes + kMib - 1) / kMib;
}

uint64_t total_bytes(std::span<const PoolPlan> pools) {
    uint64_t bytes = 0;
    for (const PoolPlan& pool : pools)
        bytes += pool.bytes();
    return bytes;
}

} // namespace

uint32_t PoolUse::most() const {
    return least() + tx_descriptors + links + handoffs + control;
}

uint32_t PoolUse::least() const {
    return rx_descriptors + bursts + caches;
}

Result<std::vector<PoolPlan>> plan_pools(std::span<const PortBuffers> ports,
                                         std::span<const int> worker_sockets,
                                         std::span<const HandOff> handoffs, const PoolUnits& units,
                                         uint32_t configured) {
    std::map<int, PoolUse> uses;
    for (const PortBuffers& port : ports) {
        PoolUse& use = uses[port.socket];
        use.rx_descriptors += port.rx_queues * port.rx_descriptors;
        use.tx_descriptors += port.tx_queues * port.tx_descriptors;
        use.links += port.link_entries;
    }
    for (const int socket : worker_sockets) {
        PoolUse& use = uses[socket];
        use.control += units.control_rings;
        use.bursts += units.burst;
    }
    for (const HandOff& pair : handoffs)
        uses[worker_sockets[pair.from]].handoffs += units.handoff_ring;
    std::vector<PoolPlan> pools;
    for (auto& [socket, use] : uses) {
        // Any thread may free into any pool; the control thread makes packets, too.
        use.caches = static_cast<uint32_t>(worker_sockets.size() + 1) * units.cache;
        if (configured != 0 && configured < use.least())
            return Error{
                ErrorCode::invalid,
                fmt::format("packet_buffers: {} is too few, expected at least {}: socket {} has {} "
                            "receive descriptors, {} buffers are in threads' caches and {} in "
                            "workers' hands",
                            configured, use.least(), socket, use.rx_descriptors, use.caches,
                            use.bursts),
                "packet_buffers", std::to_string(configured), std::to_string(use.least())};
        const uint32_t most = (use.most() + kRoundTo - 1) / kRoundTo * kRoundTo;
        pools.push_back({socket, configured != 0 ? configured : most, units.buffer_bytes, use});
    }
    return pools;
}

Result<void> check_memory(std::span<const PoolPlan> pools, uint64_t rings_bytes,
                          uint64_t free_bytes, uint32_t memory_mb) {
    const uint64_t needed = total_bytes(pools) + rings_bytes;
    if (needed <= free_bytes)
        return {};
    uint64_t buffers = 0;
    for (const PoolPlan& pool : pools)
        buffers += pool.buffers;
    const uint64_t enough = memory_mb + mib(needed - free_bytes);
    return Error{
        ErrorCode::invalid,
        fmt::format("memory_mb: {} is too little, expected at least {}: {} packet buffers "
                    "(packet_buffers) of {} octets and {} MiB of rings need {} MiB, {} MiB are "
                    "free",
                    memory_mb, enough, buffers, pools.empty() ? 0 : pools[0].buffer_bytes,
                    mib(rings_bytes), mib(needed), free_bytes / kMib),
        "memory_mb", std::to_string(memory_mb), std::to_string(enough)};
}

std::string describe(const PoolPlan& pool) {
    std::string line = fmt::format("packet pool of socket {}: {} buffers of {} octets, {} MiB;",
                                   pool.socket, pool.buffers, pool.buffer_bytes, mib(pool.bytes()));
    const PoolUse& use = pool.use;
    const std::pair<uint32_t, const char*> places[] = {{use.rx_descriptors, "receive descriptors"},
                                                       {use.tx_descriptors, "transmit descriptors"},
                                                       {use.links, "in simulated links"},
                                                       {use.handoffs, "between workers"},
                                                       {use.control, "to and from control"},
                                                       {use.bursts, "in workers' hands"},
                                                       {use.caches, "in caches"}};
    const char* separator = " at most ";
    for (const auto& [count, what] : places) {
        if (count == 0)
            continue;
        line += fmt::format("{}{} {}", separator, count, what);
        separator = ", ";
    }
    if (pool.buffers < use.most())
        line += fmt::format("; {} fewer than all of that", use.most() - pool.buffers);
    return line;
}

} // namespace isthmus::dataplane
