#include "dataplane/fragmenter.hpp"

#include "control/config.hpp"
#include "dataplane/ipv4_fragments.hpp"
#include "dataplane/one_buffer.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

#include <bit>
#include <cstring>

namespace isthmus::dataplane {
namespace {

// The fragments of the largest packet that a port takes in, with the least MTU that the API
// allows, fit one burst.
constexpr unsigned kLeastMtu = 576;
constexpr unsigned kLeastData = (kLeastMtu - kMaxIpv4Header) / 8 * 8;
static_assert((control::kMaxPortMtu + wire::kVlanTagLength) / kLeastData + 1 <= kBurstMax);

} // namespace

bool Fragmenter::fill(Burst& burst, EdgeCounters& edge) noexcept {
    uint16_t used = 0;
    uint64_t yellow = 0;
    for (; left_ != 0; left_ &= left_ - 1) {
        const auto i = static_cast<uint8_t>(std::countr_zero(left_));
        const Ipv4Fragments plan = plan_fragments(whole_.frame[i] + whole_.l3_offset[i],
                                                  whole_.ip_length[i], whole_.out_mtu[i]);
        if (used + plan.count > kBurstMax && used != 0)
            break;
        Drop reason = Drop::mtu_exceeded;
        if (plan.count > kBurstMax || !cut(plan, i, burst, used, reason)) {
            edge.drops[static_cast<std::size_t>(reason)].add(1);
            rte_pktmbuf_free(whole_.packet[i]);
            continue;
        }
        if ((whole_.yellow >> i & 1) != 0)
            for (unsigned n = 0; n < plan.count; ++n)
                yellow |= uint64_t{1} << (used + n);
        used = static_cast<uint16_t>(used + plan.count);
        edge.fragmented.add(1);
        edge.fragments.add(plan.count);
    }
    burst.start(used);
    burst.yellow = yellow;
    return used != 0;
}

// The packet becomes its own first fragment, so only the rest is copied.
bool Fragmenter::cut(const Ipv4Fragments& plan, uint8_t i, Burst& burst, uint16_t at,
                     Drop& reason) noexcept {
    rte_mbuf* whole = whole_.packet[i];
    uint8_t* frame = whole_.frame[i];
    const uint16_t l3 = whole_.l3_offset[i];
    reason = Drop::no_room;
    if (rte_pktmbuf_data_room_size(whole->pool) < RTE_PKTMBUF_HEADROOM + l3 + whole_.out_mtu[i])
        return false;
    PerPacket<rte_mbuf*> others;
    reason = Drop::fragment_no_buffer;
    if (rte_pktmbuf_alloc_bulk(whole->pool, others.data(), plan.count - 1u) != 0)
        return false;
    for (uint16_t n = 1; n < plan.count; ++n) {
        rte_mbuf* packet = others[n - 1u];
        auto* to = rte_pktmbuf_mtod(packet, uint8_t*);
        std::memcpy(to, frame, l3);
        const uint16_t length = write_fragment(plan, frame + l3, n, to + l3);
        packet->data_len = static_cast<uint16_t>(l3 + length);
        packet->pkt_len = packet->data_len;
        place(i, burst, static_cast<uint16_t>(at + n), packet, length);
    }
    const uint16_t first = keep_first_fragment(plan, frame + l3);
    set_frame(whole, frame, uint32_t{l3} + first);
    place(i, burst, at, whole, first);
    return true;
}

// What the stages behind way read: all as the whole packet has it, but the lengths.
void Fragmenter::place(uint8_t from, Burst& burst, uint16_t at, rte_mbuf* packet,
                       uint16_t ip_length) const noexcept {
    burst.packet[at] = packet;
    burst.frame[at] = rte_pktmbuf_mtod(packet, uint8_t*);
    burst.frame_length[at] = packet->pkt_len;
    burst.ip_length[at] = ip_length;
    burst.l3_offset[at] = whole_.l3_offset[from];
    burst.attachment[at] = whole_.attachment[from];
    burst.ttl[at] = whole_.ttl[from];
    burst.destination4[at] = whole_.destination4[from];
    burst.flow_hash[at] = whole_.flow_hash[from];
    burst.target[at] = whole_.target[from];
    burst.member[at] = whole_.member[from];
    burst.out_mtu[at] = whole_.out_mtu[from];
    burst.out_port[at] = whole_.out_port[from];
}

} // namespace isthmus::dataplane
