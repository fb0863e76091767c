#include "dataplane/one_buffer.hpp"
#include "dataplane/worker.hpp"
#include "isthmus/wire.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// ICMP errors a worker asks for: at most one per interval, after a burst of them. The control
// thread limits more finely; this only keeps a flood of bad packets out of its ring.
constexpr uint64_t kNoticesPerSecond = 10'000;
constexpr uint64_t kNoticeBurst = 64;

constexpr uint16_t kInjectedBurst = 32;

// Sent through the uncontrolled port of the channel's SecY.
bool passes_in_clear(const ForwardingState& state, const PortState& port,
                     const uint8_t* frame) noexcept {
    return state.channels[port.channel.value].clear.contains(*wire::overlay<wire::Ethernet>(frame));
}

} // namespace

// Every packet of the burst ends here: sent, punted, or counted under its reason and freed; or it
// is cut, and its fragments do.
template <Direction D> void Worker::finish(StageContext& context) noexcept {
    send_live(context.state);
    if (burst_.live_count != burst_.size)
        for (uint16_t i = 0; i < burst_.size; ++i)
            if (burst_.verdict[i] != kInPipeline && burst_.verdict[i] != kSetAside)
                settle<D>(context, static_cast<uint8_t>(i));
    if (discarded_count_ != 0)
        rte_pktmbuf_free_bulk(discarded_.data(), discarded_count_);
    discarded_count_ = 0;
    if (burst_.to_fragment != 0)
        send_fragments<D>(context);
}

template <Direction D> void Worker::send_fragments(StageContext& context) noexcept {
    fragmenter_.take(burst_);
    while (fragmenter_.fill(burst_, counters_.edges[context.port.edge.value])) {
        run_fragments<D>(context, burst_);
        finish<D>(context);
    }
}

template void Worker::finish<Direction::ingress>(StageContext& context) noexcept;
template void Worker::finish<Direction::egress>(StageContext& context) noexcept;

template <Direction D> void Worker::settle(const StageContext& context, uint8_t i) noexcept {
    EdgeCounters& edge = counters_.edges[context.port.edge.value];
    rte_mbuf* packet = burst_.packet[i];
    if ((burst_.verdict[i] & 0x80) != 0) {
        const auto reason = static_cast<PuntReason>(burst_.verdict[i] & 0x7f);
        fill_meta<D>(context, i, reason, Notice::none);
        if (hand_over(packet)) {
            edge.punted[static_cast<std::size_t>(reason)].add(1);
        } else {
            edge.drops[static_cast<std::size_t>(Drop::punt_full)].add(1);
            discard(packet);
        }
        return;
    }
    const std::size_t reason = burst_.verdict[i] - 1u;
    edge.drops[reason].add(1);
    const Notice notice = kDropReasons[reason].notice;
    if (notice != Notice::none && notice_allowed(context.now_tsc)) {
        fill_meta<D>(context, i, PuntReason::notice, notice);
        if (hand_over(packet)) {
            edge.punted[static_cast<std::size_t>(PuntReason::notice)].add(1);
            return;
        }
    }
    discard(packet);
}

// The buffer does not know yet what the stages made of the frame.
template <Direction D>
void Worker::fill_meta(const StageContext& context, uint8_t i, PuntReason reason,
                       Notice notice) noexcept {
    set_frame(burst_.packet[i], burst_.frame[i], burst_.frame_length[i]);
    PacketMeta* meta = new (meta_of(burst_.packet[i])) PacketMeta{};
    meta->reason = reason;
    meta->notice = notice;
    meta->in.attachment = AttachmentId(burst_.attachment[i]);
    if constexpr (D == Direction::ingress)
        meta->in.channel = context.port.channel;
    if (notice == Notice::packet_too_big)
        meta->mtu = burst_.out_mtu[i];
    if (reason == PuntReason::unresolved) {
        const Hop hop = unresolved_hop<D>(context, burst_, i);
        meta->out = hop.link;
        meta->next_hop = hop.address;
    }
}

bool Worker::hand_over(rte_mbuf* packet) noexcept {
    return rte_ring_sp_enqueue(setup_.punts, packet) == 0;
}

// The same arithmetic as a meter bucket, in units of one notice.
bool Worker::notice_allowed(uint64_t now_tsc) noexcept {
    const uint64_t interval = setup_.tsc_hz / kNoticesPerSecond;
    const uint64_t earned = std::max(notice_earned_tsc_, now_tsc) + interval;
    if (earned - now_tsc > kNoticeBurst * interval)
        return false;
    notice_earned_tsc_ = earned;
    return true;
}

// Frames made by the control thread: complete but for MACsec.
uint16_t Worker::send_injected(const ForwardingState& state, uint64_t now_tsc) noexcept {
    const unsigned count = rte_ring_sc_dequeue_burst(
        setup_.injected, reinterpret_cast<void**>(burst_.packet.data()), kInjectedBurst, nullptr);
    if (count == 0)
        return 0;
    // Ports differ from packet to packet; each goes through protect as a burst of one.
    std::array<rte_mbuf*, kInjectedBurst> packets;
    std::copy_n(burst_.packet.begin(), count, packets.begin());
    for (unsigned n = 0; n < count; ++n) {
        const PortId id = meta_of(packets[n])->port;
        const PortState& port = state.ports[id.value];
        counters_.edges[port.edge.value].originated.add(1);
        burst_.start(1);
        burst_.packet[0] = packets[n];
        burst_.frame[0] = rte_pktmbuf_mtod(packets[n], uint8_t*);
        burst_.frame_length[0] = packets[n]->pkt_len;
        burst_.out_port[0] = id.value;
        burst_.attachment[0] = AttachmentId::kNone;
        StageContext context{state,           port,    *setup_.aead,   counters_,
                             *setup_.buckets, now_tsc, setup_.id.value};
        if (!port.enabled) {
            burst_.drop(0, Drop::port_down);
            burst_.compact();
        } else if (port.channel.valid() && !passes_in_clear(state, port, burst_.frame[0])) {
            protect_frames(context, burst_);
        }
        send_live(state);
        if (burst_.verdict[0] != kInPipeline)
            settle<Direction::egress>(context, 0);
    }
    if (discarded_count_ != 0)
        rte_pktmbuf_free_bulk(discarded_.data(), discarded_count_);
    discarded_count_ = 0;
    return static_cast<uint16_t>(count);
}

// Sends what is left of the burst, a batch for each port.
void Worker::send_live(const ForwardingState& state) noexcept {
    const uint16_t count = burst_.live_count;
    for (uint16_t k = 0; k < count;) { // run by run of packets for one port
        const uint16_t port = burst_.out_port[burst_.live[k]];
        TxBatch& batch = tx_[port];
        uint16_t n = batch.count;
        if (n == 0)
            touched_.push_back(port); // reserved for all ports: does not allocate
        for (; k < count && burst_.out_port[burst_.live[k]] == port; ++k, ++n) {
            batch.packet[n] = burst_.packet[burst_.live[k]];
            batch.index[n] = burst_.live[k];
        }
        batch.count = n;
    }
    for (const uint16_t port : touched_) {
        const TxQueue& out = queues_of(port).tx[setup_.id.value];
        if (out.owner == setup_.id.value)
            transmit(state, port, tx_[port], out.queue);
        else
            pass_on(state, port, tx_[port], out.owner);
        tx_[port].count = 0;
    }
    touched_.clear();
}

void Worker::transmit(const ForwardingState& state, uint16_t port, TxBatch& batch,
                      uint16_t queue) noexcept {
    const uint64_t start_tsc = sampled_ ? rte_rdtsc() : 0;
    uint16_t sent = setup_.ports[port]->tx_burst(queue, batch.packet.data(), batch.count);
    if (sent < batch.count) // the device may have finished older packets meanwhile
        sent = static_cast<uint16_t>(
            sent + setup_.ports[port]->tx_burst(queue, batch.packet.data() + sent,
                                                static_cast<uint16_t>(batch.count - sent)));
    const uint64_t lengths = count_sent(state.ports[port], batch, sent);
    counters_.edges[state.ports[port].edge.value].tx.add(sent);
    counters_.ports[port].tx_packets.add(sent);
    counters_.ports[port].tx_bytes.add(lengths);
    drop_unsent(state, port, batch, sent);
    count_stage(counters_.runtime.tx, batch.count, start_tsc);
}

// `start_tsc` counts only in a sampled burst.
void Worker::count_stage(StageRuntime& stage, uint16_t packets, uint64_t start_tsc) noexcept {
    stage.bursts.add(1);
    stage.packets.add(packets);
    if (!sampled_)
        return;
    stage.sampled_packets.add(packets);
    stage.sampled_cycles.add(rte_rdtsc() - start_tsc);
}

// Returns the octets of the frames. They are not touched: the port may have freed them.
uint64_t Worker::count_sent(const PortState& port, const TxBatch& batch, uint16_t sent) noexcept {
    TxCount counted(port.channel.valid() ? counters_.egress : counters_.ingress);
    uint64_t lengths = 0;
    for (uint16_t n = 0; n < sent; ++n) {
        const uint8_t i = batch.index[n];
        lengths += burst_.frame_length[i];
        if (burst_.attachment[i] != AttachmentId::kNone) [[likely]]
            counted.add(burst_.attachment[i], burst_.ip_length[i]);
    }
    return lengths;
}

void Worker::drop_unsent(const ForwardingState& state, uint16_t port, const TxBatch& batch,
                         uint16_t sent) noexcept {
    if (sent == batch.count)
        return;
    const auto left = static_cast<uint16_t>(batch.count - sent);
    EdgeCounters& edge = counters_.edges[state.ports[port].edge.value];
    edge.drops[static_cast<std::size_t>(Drop::tx_full)].add(left);
    PerPacket<rte_mbuf*> packets;
    std::copy_n(batch.packet.begin() + sent, left, packets.begin());
    rte_pktmbuf_free_bulk(packets.data(), left);
}

// The port has no transmit queue of this worker: the one that has one sends, and counts.
void Worker::pass_on(const ForwardingState& state, uint16_t port, TxBatch& batch,
                     uint16_t to) noexcept {
    for (uint16_t n = 0; n < batch.count; ++n) {
        const uint8_t i = batch.index[n];
        *tx_meta_of(batch.packet[n]) = {PortId(port), burst_.attachment[i], burst_.ip_length[i],
                                        static_cast<uint16_t>(burst_.frame_length[i])};
    }
    const uint16_t given = setup_.exchange->give(Exchange::Purpose::send, setup_.id.value, to,
                                                 batch.packet.data(), batch.count);
    drop_unsent(state, port, batch, given);
}

uint16_t Worker::send_handed(const ForwardingState& state, uint16_t from) noexcept {
    const uint16_t count = setup_.exchange->take(Exchange::Purpose::send, from, setup_.id.value,
                                                 burst_.packet.data(), kBurstMax);
    burst_.start(count);
    for (uint16_t i = 0; i < count; ++i) {
        const TxMeta meta = *tx_meta_of(burst_.packet[i]);
        burst_.out_port[i] = meta.port.value;
        burst_.attachment[i] = meta.attachment;
        burst_.ip_length[i] = meta.ip_length;
        burst_.frame_length[i] = meta.frame_length;
    }
    send_live(state);
    return count;
}

void Worker::discard(rte_mbuf* packet) noexcept {
    discarded_[discarded_count_++] = packet;
}

} // namespace isthmus::dataplane
