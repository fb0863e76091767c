#pragma once
// The packet pools of a process, as planned. Control thread, after EAL start; they live until the
// process ends.

#include "dataplane/eal.hpp"
#include "dataplane/pool_plan.hpp"

#include <string>
#include <vector>

struct rte_mempool;

namespace isthmus::dataplane {

// What pools are planned with: rings of this build, and buffers, for `room` see packet_room().
[[nodiscard]] PoolUnits pool_units(uint32_t room, PacketMemory memory);
// Of worker's and device's sockets: all the same without hugepages, where memory is one heap.
[[nodiscard]] int memory_socket(int socket);
[[nodiscard]] int worker_socket(uint16_t worker);

class PacketPools {
  public:
    // Errors name the pool, its size and memory_mb.
    [[nodiscard]] static Result<PacketPools> create(std::span<const PoolPlan> plans,
                                                    uint32_t memory_mb, uint64_t rings_bytes,
                                                    uint32_t room, PacketMemory memory);
    [[nodiscard]] rte_mempool* of_socket(int socket) const;
    // How each was sized and where it is, for the log.
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  private:
    struct Pool {
        int socket;
        rte_mempool* pool;
    };
    std::vector<Pool> pools_;
    std::vector<std::string> lines_;
};

} // namespace isthmus::dataplane
