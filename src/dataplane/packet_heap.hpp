#pragma once
// Memory for packet buffers on a machine without hugepages.
//
// DPDK takes care that no buffer crosses a page, and so puts a single one into each page of 4 KiB.
// Then all of them begin in the same few sets of a CPU's first cache, which holds eight or twelve
// lines of a set: a burst of 64 packets misses it at every step. Here buffers stand one behind the
// other, in memory whose pages DPDK takes for huge ones; the kernel makes them so if it can.

#include "isthmus/result.hpp"

#include <cstdint>

namespace isthmus::dataplane {

// A new heap of DPDK with room for `bytes`, as the "socket" to allocate from; it lives until the
// process ends. Control thread, after EAL start. Not for pools of devices that share EAL's memory
// with another process (virtio_user).
[[nodiscard]] Result<int> make_packet_heap(uint64_t bytes);

} // namespace isthmus::dataplane
