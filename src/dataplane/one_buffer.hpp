#pragma once
// Packets in one buffer, as all are behind rx (join_segments.hpp).

#include <rte_mbuf.h>

#include <cstdint>

namespace isthmus::dataplane {

// Says where the frame begins and how long it is. DPDK's functions that move one end ask for the
// last buffer of the packet, which takes a second cache line of each.
inline void set_frame(rte_mbuf* packet, const uint8_t* frame, uint32_t length) noexcept {
    packet->data_off = static_cast<uint16_t>(frame - static_cast<const uint8_t*>(packet->buf_addr));
    packet->data_len = static_cast<uint16_t>(length);
    packet->pkt_len = length;
}

} // namespace isthmus::dataplane
