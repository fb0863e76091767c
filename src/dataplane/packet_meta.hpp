#pragma once
// What travels with a packet between a worker and the control thread, in the mbuf's private area.

#include "control/host_stack.hpp"
#include "dataplane/direction.hpp"

#include <rte_mbuf.h>

namespace isthmus::dataplane {

struct PacketMeta {
    control::PuntReason reason;
    Notice notice;
    uint16_t mtu;
    control::LinkId in;
    control::LinkId out;
    IpAddr next_hop;
    PortId port; // of a packet from the control thread: where to send it
};
// Of a packet that another worker sends: where, and what it is counted as then.
struct TxMeta {
    PortId port;
    uint16_t attachment; // AttachmentId::kNone: it comes from the control thread
    uint16_t ip_length;
    uint16_t frame_length;
};
inline constexpr uint16_t kMetaSize = 64;
static_assert(sizeof(TxMeta) <= kMetaSize);
static_assert(sizeof(PacketMeta) <= kMetaSize && kMetaSize % RTE_MBUF_PRIV_ALIGN == 0);

[[nodiscard]] inline TxMeta* tx_meta_of(rte_mbuf* packet) {
    return static_cast<TxMeta*>(rte_mbuf_to_priv(packet));
}
[[nodiscard]] inline PacketMeta* meta_of(rte_mbuf* packet) {
    return static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

} // namespace isthmus::dataplane
