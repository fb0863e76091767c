#include "dataplane/packet_heap.hpp"

#include "dataplane/large_pages.hpp"

#include <rte_errno.h>
#include <rte_malloc.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace isthmus::dataplane {

Result<int> make_packet_heap(uint64_t bytes) {
    static int made = 0; // DPDK's names are unique
    const std::size_t length = whole_large_pages(bytes);
    std::byte* const memory = map_large_pages(length);
    if (memory == nullptr)
        return Error{ErrorCode::internal,
                     fmt::format("no memory for {} octets of packet buffers: {}", bytes,
                                 std::strerror(errno))};
    std::vector<rte_iova_t> pages;
    for (std::size_t at = 0; at < length; at += kLargePage)
        pages.push_back(reinterpret_cast<uintptr_t>(memory + at)); // EAL runs with --iova-mode=va
    const std::string name = fmt::format("packets-{}", made++);
    if (rte_malloc_heap_create(name.c_str()) != 0 ||
        rte_malloc_heap_memory_add(name.c_str(), memory, length, pages.data(),
                                   static_cast<unsigned>(pages.size()), kLargePage) != 0)
        return Error{ErrorCode::internal,
                     fmt::format("packet buffers: DPDK does not take {} octets of memory: {}",
                                 bytes, rte_strerror(rte_errno))};
    return rte_malloc_heap_get_socket(name.c_str());
}

} // namespace isthmus::dataplane
