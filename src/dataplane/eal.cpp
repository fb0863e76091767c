#include "dataplane/eal.hpp"

#include "dataplane/packet_heap.hpp"
#include "dataplane/packet_meta.hpp"
#include "isthmus/wire.hpp"
#include "macsec/aead_op.hpp"
#include "macsec/suite.hpp"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <unistd.h>

namespace isthmus::dataplane {
namespace {

// A pool's head with the caches of all lcores that DPDK knows, and its list of free buffers.
constexpr uint64_t kPoolOverheadBytes = 8 << 20;

// Allowed at the start instead of any device that may be there, so that none is probed: those of
// the configuration are attached one by one, and what is wrong with one is told of its port.
constexpr const char* kNoDevice = "ffff:ff:1f.7";

uint64_t free_hugepage_bytes() {
    uint64_t bytes = 0;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
        uint64_t pages = 0;
        std::ifstream(entry.path() / "free_hugepages") >> pages;
        // The directory is called hugepages-2048kB.
        const std::string name = entry.path().filename();
        bytes += pages * 1024 * std::strtoull(name.c_str() + sizeof("hugepages-") - 1, nullptr, 10);
    }
    return bytes;
}

Result<cpu_set_t> allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return Error{ErrorCode::internal, "can not read the process's CPU affinity"};
    return set;
}

Result<std::string> lcore_map(const EalRequest& request) {
    const auto allowed = allowed_cores();
    if (!allowed)
        return allowed.error();
    std::string list;
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &*allowed))
            list += fmt::format("{}{}", list.empty() ? "" : ",", core);
    const auto check = [&](const char* key, unsigned core) -> Result<void> {
        if (core < CPU_SETSIZE && CPU_ISSET(core, &*allowed))
            return {};
        return invalid_value(key, std::to_string(core), "one of this machine's cores: " + list);
    };
    if (request.main_core)
        if (auto good = check("main_core", *request.main_core); !good)
            return good.error();
    std::string map =
        request.main_core ? fmt::format("0@{}", *request.main_core) : fmt::format("0@({})", list);
    for (std::size_t n = 0; n < request.worker_cores.size(); ++n) {
        if (auto good = check("worker_cores", request.worker_cores[n]); !good)
            return good.error();
        map += fmt::format(",{}@{}", n + 1, request.worker_cores[n]);
    }
    return map;
}

} // namespace

Result<std::string> start_eal(const EalRequest& request) {
    const auto lcores = lcore_map(request);
    if (!lcores)
        return lcores.error();
    const uint64_t huge = free_hugepage_bytes();
    const bool use_huge = huge >= uint64_t{request.memory_mb} << 20;
    if (request.physical && !use_huge)
        return Error{ErrorCode::invalid,
                     fmt::format("memory_mb: a PCI device without an IOMMU works with hugepages "
                                 "only: {} MiB are asked for, {} MiB are free",
                                 request.memory_mb, huge >> 20),
                     "memory_mb", std::to_string(request.memory_mb), "free hugepages"};
    std::vector<std::string> args{request.program,
                                  "--lcores",
                                  *lcores,
                                  request.physical ? "--iova-mode=pa" : "--iova-mode=va",
                                  "--no-telemetry",
                                  "--log-level=*:warning",
                                  fmt::format("--file-prefix=isthmus-{}", getpid())};
    if (use_huge)
        for (const char* arg : {"--in-memory", "--single-file-segments"})
            args.emplace_back(arg);
    else
        for (const char* arg : {"--no-huge", "--no-shconf"})
            args.emplace_back(arg);
    args.emplace_back("-m");
    args.emplace_back(std::to_string(request.memory_mb));
    if (!request.pci)
        args.emplace_back("--no-pci");
    else
        for (const char* arg : {"--allow", kNoDevice})
            args.emplace_back(arg);

    std::vector<char*> argv;
    for (auto& arg : args)
        argv.push_back(arg.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
        return Error{ErrorCode::internal,
                     fmt::format("DPDK does not start: {}", rte_strerror(rte_errno))};
    // Nothing is shared with other processes, so the directory made for that stays empty.
    std::error_code ignored;
    std::filesystem::remove(rte_eal_get_runtime_dir(), ignored);
    if (use_huge)
        return fmt::format("hugepages: {} MiB of {} MiB free", request.memory_mb, huge >> 20);
    return fmt::format("no hugepages ({} MiB free): {} MiB of ordinary pages, slower", huge >> 20,
                       request.memory_mb);
}

uint32_t packet_room(uint16_t largest_mtu) {
    const uint32_t frame = wire::kEthernetHeaderLength + wire::kVlanTagLength +
                           macsec::kMacsecOverhead + largest_mtu + macsec::kAeadSlack;
    // Some NICs count their buffers in KiB and would use less of one that is not a multiple.
    const uint32_t kib = (frame + 1023) / 1024;
    return RTE_PKTMBUF_HEADROOM + std::max<uint32_t>(kib * 1024, RTE_MBUF_DEFAULT_DATAROOM);
}

uint64_t packet_buffer_bytes(uint32_t room, PacketMemory memory) {
    rte_mempool_objsz size{};
    const uint64_t bytes = rte_mempool_calc_obj_size(sizeof(rte_mbuf) + kMetaSize + room, 0, &size);
    if (rte_eal_has_hugepages() || memory == PacketMemory::own)
        return bytes;
    // Buffers do not cross pages.
    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return bytes > page ? bytes : page / (page / bytes);
}

Result<rte_mempool*> make_packet_pool(uint32_t buffers, uint32_t room, int socket,
                                      PacketMemory memory) {
    static int made = 0; // DPDK's names are unique
    if (!rte_eal_has_hugepages() && memory == PacketMemory::own) {
        // A fiftieth of the buffers' own size for what does not fit the end of a page.
        const uint64_t bytes = packet_buffer_bytes(room, memory) * buffers;
        const auto heap = make_packet_heap(bytes + bytes / 50 + kPoolOverheadBytes);
        if (!heap)
            return heap.error();
        socket = *heap;
    }
    rte_mempool* pool =
        rte_pktmbuf_pool_create(fmt::format("packets-{}", made++).c_str(), buffers, kPoolCache,
                                kMetaSize, static_cast<uint16_t>(room), socket);
    if (pool == nullptr)
        return Error{ErrorCode::invalid,
                     fmt::format("packet_buffers: {} buffers of {} octets do not fit into the "
                                 "memory DPDK has (memory_mb): {}",
                                 buffers, room, rte_strerror(rte_errno)),
                     "packet_buffers", std::to_string(buffers), "less, or a larger memory_mb"};
    return pool;
}

} // namespace isthmus::dataplane
