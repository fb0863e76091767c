#pragma once
// How many packet buffers each NUMA socket needs: as many as can be in use at once. Pure functions
// of the control thread, before ports are opened.

#include "dataplane/queue_plan.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace isthmus::dataplane {

// One port. It receives into the pool of its socket.
struct PortBuffers {
    int socket = 0;
    uint32_t rx_queues = 0, rx_descriptors = 0; // descriptors of each queue
    uint32_t tx_queues = 0, tx_descriptors = 0;
    uint32_t link_entries = 0; // of the rings of a simulated link that lead here
};

// What is the same in every place.
struct PoolUnits {
    uint32_t handoff_ring = 0;  // entries for each pair of workers that can meet
    uint32_t control_rings = 0; // entries of a worker's rings to and from the control thread
    uint32_t burst = 0;         // packets that a worker has in hand
    uint32_t cache = 0;         // of each thread
    uint64_t buffer_bytes = 0;
};

// Buffers by the place that can hold them.
struct PoolUse {
    uint32_t rx_descriptors = 0, tx_descriptors = 0, links = 0, handoffs = 0, control = 0;
    uint32_t bursts = 0, caches = 0;

    // All places full.
    [[nodiscard]] uint32_t most() const;
    // With fewer a port may receive nothing: what devices, threads and bursts hold is never free.
    [[nodiscard]] uint32_t least() const;
};

struct PoolPlan {
    int socket = 0;
    uint32_t buffers = 0;
    uint64_t buffer_bytes = 0;
    PoolUse use;

    [[nodiscard]] uint64_t bytes() const { return buffers * buffer_bytes; }
};

// One pool for each socket that has a port or a worker, by socket. `configured`: so many buffers in
// each pool, which are refused if they are fewer than least(); 0: as many as most().
// Errors name packet_buffers, the value and the limit.
[[nodiscard]] Result<std::vector<PoolPlan>> plan_pools(std::span<const PortBuffers> ports,
                                                       std::span<const int> worker_sockets,
                                                       std::span<const HandOff> handoffs,
                                                       const PoolUnits& units, uint32_t configured);

// Without hugepages all memory is one heap of memory_mb. Errors name what is needed and what there
// is. `rings_bytes`: what is still to be allocated beside the pools.
[[nodiscard]] Result<void> check_memory(std::span<const PoolPlan> pools, uint64_t rings_bytes,
                                        uint64_t free_bytes, uint32_t memory_mb);

// One line: buffers, octets of each, and what they are for.
[[nodiscard]] std::string describe(const PoolPlan& pool);

} // namespace isthmus::dataplane
