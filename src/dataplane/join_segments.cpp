#include "dataplane/join_segments.hpp"

#include <rte_mbuf.h>

#include <cstring>

namespace isthmus::dataplane {
namespace {

// A buffer that holds all of `chain`, or null with the reason why there is none.
rte_mbuf* buffer_for(const rte_mbuf* chain, Drop& reason) noexcept {
    reason = Drop::frame_segmented;
    if (chain->pkt_len + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(chain->pool))
        return nullptr;
    reason = Drop::frame_no_buffer;
    return rte_pktmbuf_alloc(chain->pool);
}

void copy_chain(const rte_mbuf* chain, rte_mbuf* to) noexcept {
    auto* at = rte_pktmbuf_mtod(to, uint8_t*);
    for (const rte_mbuf* segment = chain; segment != nullptr; segment = segment->next) {
        std::memcpy(at, rte_pktmbuf_mtod(segment, const uint8_t*), segment->data_len);
        at += segment->data_len;
    }
    to->data_len = static_cast<uint16_t>(chain->pkt_len);
    to->pkt_len = chain->pkt_len;
}

} // namespace

uint16_t join_segments(rte_mbuf** packets, uint16_t count, EdgeCounters& edge,
                       PortCounters& port) noexcept {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = packets[i];
        if (packet->nb_segs != 1) {
            port.rx_chained.add(1);
            Drop reason{};
            rte_mbuf* whole = buffer_for(packet, reason);
            if (whole == nullptr)
                edge.drops[static_cast<std::size_t>(reason)].add(1);
            else
                copy_chain(packet, whole);
            rte_pktmbuf_free(packet);
            packet = whole;
        }
        if (packet != nullptr)
            packets[kept++] = packet;
    }
    return kept;
}

bool is_unfinished(uint64_t offload_flags) noexcept {
    // Drivers that keep to DPDK's old convention use the flags of transmission.
    constexpr uint64_t kTransmit =
        RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_L4_MASK;
    return (offload_flags & (RTE_MBUF_F_RX_LRO | kTransmit)) != 0 ||
           (offload_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

uint16_t drop_unfinished(rte_mbuf** packets, uint16_t count, EdgeCounters& edge) noexcept {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; ++i)
        if (is_unfinished(packets[i]->ol_flags)) {
            edge.drops[static_cast<std::size_t>(Drop::frame_unfinished)].add(1);
            rte_pktmbuf_free(packets[i]);
        } else {
            packets[kept++] = packets[i];
        }
    return kept;
}

} // namespace isthmus::dataplane
