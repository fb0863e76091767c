#include "dataplane/packet_pools.hpp"

#include "dataplane/dataplane.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/exchange.hpp"
#include "dataplane/packet_meta.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <fmt/format.h>

namespace isthmus::dataplane {
namespace {

// Queues and rings of devices, caches, quiescence.
constexpr uint64_t kDriversBytes = 4 << 20;

} // namespace

PoolUnits pool_units(uint32_t room, PacketMemory memory) {
    PoolUnits units;
    units.handoff_ring = Exchange::kRingSize;
    units.control_rings = 2 * Dataplane::kControlRingSize;
    units.burst = 2 * kBurstMax;      // a burst, and what it makes others send
    units.cache = kPoolCache * 3 / 2; // DPDK gives the surplus back when it is half as large again
    units.buffer_bytes = packet_buffer_bytes(room, memory);
    return units;
}

int memory_socket(int socket) {
    return rte_eal_has_hugepages() && socket >= 0 ? socket : 0;
}

int worker_socket(uint16_t worker) {
    return memory_socket(static_cast<int>(rte_lcore_to_socket_id(worker + 1u)));
}

Result<PacketPools> PacketPools::create(std::span<const PoolPlan> plans, uint32_t memory_mb,
                                        uint64_t rings_bytes, uint32_t room, PacketMemory memory) {
    rte_malloc_socket_stats heap{};
    uint64_t beside = rings_bytes + kDriversBytes;
    for (const PoolPlan& plan : plans)
        beside +=
            sizeof(void*) * rte_align64pow2(plan.buffers + 1); // a pool's list of free buffers
    if (!rte_eal_has_hugepages() && rte_malloc_get_socket_stats(0, &heap) == 0)
        if (auto good = check_memory(plans, beside, heap.heap_freesz_bytes, memory_mb); !good)
            return good.error();
    PacketPools made;
    for (const PoolPlan& plan : plans) {
        std::string line = describe(plan);
        auto pool = make_packet_pool(plan.buffers, room, plan.socket, memory);
        if (!pool) { // the socket has no memory of its own
            pool = make_packet_pool(plan.buffers, room, -1, memory);
            line += "; in the memory of another socket";
        }
        if (!pool)
            return pool.error();
        if (!rte_eal_has_hugepages() && rte_socket_count() > 1)
            line += "; one for all sockets, as memory is without hugepages";
        made.pools_.push_back({plan.socket, *pool});
        made.lines_.push_back(std::move(line));
    }
    return made;
}

rte_mempool* PacketPools::of_socket(int socket) const {
    for (const Pool& pool : pools_)
        if (pool.socket == socket)
            return pool.pool;
    return pools_.front().pool;
}

} // namespace isthmus::dataplane
