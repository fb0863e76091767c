#pragma once
// Starting DPDK's environment: memory with or without hugepages, no telemetry, no shared files.

#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct rte_mempool;

namespace isthmus::dataplane {

struct EalRequest {
    std::string program = "isthmusd";
    std::vector<unsigned> worker_cores; // lcore 1, 2, ... run on these
    std::optional<unsigned> main_core;  // lcore 0; not pinned if absent
    uint32_t memory_mb = 256;           // without hugepages
    bool pci = false;                   // whether a port is a PCI device
    bool physical = false;              // and one that is told physical addresses: no IOMMU
};

// Once per process, before anything else of DPDK. Returns how memory was obtained, for the log,
// e.g. "no hugepages: 256 MiB of ordinary pages". Errors name a CPU core that does not exist.
[[nodiscard]] Result<std::string> start_eal(const EalRequest& request);

// Room on every lcore's free list of a pool; DPDK's usual choice for bursts of 32 to 64.
inline constexpr uint32_t kPoolCache = 256;

// Octets of a packet buffer in which a frame of the largest MTU stays in one piece: behind DPDK's
// headroom the link header, a VLAN tag and MACsec fit, and what the cipher may touch after them.
[[nodiscard]] uint32_t packet_room(uint16_t largest_mtu);

// Whether another process looks into the buffers, as the back end of virtio_user does: then they
// must be in EAL's memory. Without hugepages that is slower, see packet_heap.hpp.
enum class PacketMemory : uint8_t { own, shared };

// Octets that a buffer takes in all.
[[nodiscard]] uint64_t packet_buffer_bytes(uint32_t room, PacketMemory memory);
// Packet buffers with PacketMeta beside the room; `socket` -1: wherever there is memory.
[[nodiscard]] Result<rte_mempool*> make_packet_pool(uint32_t buffers, uint32_t room,
                                                    int socket = -1,
                                                    PacketMemory memory = PacketMemory::own);

} // namespace isthmus::dataplane
