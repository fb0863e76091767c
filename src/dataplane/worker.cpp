#include "dataplane/worker.hpp"

#include "dataplane/join_segments.hpp"
#include "dataplane/spread.hpp"
#include "isthmus/wire.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <time.h>

namespace isthmus::dataplane {
namespace {

using control::PuntReason;

// ICMP errors a worker asks for: at most one per interval, after a burst of them. The control
// thread limits more finely; this only keeps a flood of bad packets out of its ring.
constexpr uint64_t kNoticesPerSecond = 10'000;
constexpr uint64_t kNoticeBurst = 64;

// Idle rounds before an adaptive worker starts to sleep, and how long it sleeps.
constexpr uint32_t kIdleRounds = 512;
constexpr long kFirstSleepNs = 5'000;
constexpr long kMaxSleepNs = 100'000;

constexpr uint16_t kInjectedBurst = 32;

// One burst in so many has its stages timed.
constexpr uint32_t kSampleEvery = 16;

// Sent through the uncontrolled port of the channel's SecY.
bool passes_in_clear(const ForwardingState& state, const PortState& port,
                     const uint8_t* frame) noexcept {
    return state.channels[port.channel.value].clear.contains(*wire::overlay<wire::Ethernet>(frame));
}

} // namespace

Worker::Worker(WorkerSetup setup) : setup_(std::move(setup)) {
    counters_.egress = std::vector<DirectionCounters>(setup_.max_attachments);
    counters_.ingress = std::vector<DirectionCounters>(setup_.max_attachments);
    counters_.ports = std::vector<PortCounters>(setup_.ports.size());
    counters_.edges = std::vector<EdgeCounters>(setup_.edges);
    counters_.secys = std::vector<macsec::SecyCounters>(setup_.channels);
    credits_.egress.resize(setup_.max_attachments);  // start-up only
    credits_.ingress.resize(setup_.max_attachments); // start-up only
    tx_.resize(setup_.ports.size());                 // start-up only
    handoffs_.resize(setup_.exchange->workers());    // start-up only
    touched_.reserve(setup_.ports.size());           // start-up only
}

uint32_t Worker::poll_once() noexcept {
    uint32_t handled = 0;
    if (const ForwardingState* state = setup_.state->load(std::memory_order_acquire)) {
        for (const RxQueue& queue : setup_.rx)
            handled += receive(*state, queue, rte_rdtsc());
        for (uint16_t from = 0; from < setup_.exchange->workers(); ++from) {
            if (from == setup_.id.value)
                continue;
            handled += forward_handed(*state, from, rte_rdtsc());
            handled += send_handed(*state, from);
        }
        handled += send_injected(*state, rte_rdtsc());
    }
    rte_rcu_qsbr_quiescent(setup_.quiescence, setup_.id.value);
    counters_.runtime.polls.add(1);
    counters_.runtime.idle_polls.add(handled == 0);
    return handled;
}

void Worker::run(control::PollMode mode, const std::atomic<bool>& stop) noexcept {
    uint32_t idle = 0;
    long sleep_ns = kFirstSleepNs;
    while (!stop.load(std::memory_order_relaxed)) {
        if (poll_once() != 0) {
            idle = 0;
            sleep_ns = kFirstSleepNs;
            continue;
        }
        if (mode == control::PollMode::busy || ++idle < kIdleRounds) {
            rte_pause();
            continue;
        }
        const timespec pause{0, sleep_ns};
        nanosleep(&pause, nullptr); // idle only
        sleep_ns = std::min(sleep_ns * 2, kMaxSleepNs);
    }
}

uint16_t Worker::receive(const ForwardingState& state, const RxQueue& queue,
                         uint64_t now_tsc) noexcept {
    const PortState& port = state.ports[queue.port.value];
    if (!port.enabled)
        return 0;
    uint16_t count =
        setup_.ports[queue.port.value]->rx_burst(queue.queue, burst_.packet.data(), kBurstMax);
    if (count == 0)
        return 0;
    sampled_ = ++bursts_ % kSampleEvery == 0;
    count_stage(counters_.runtime.rx, count, now_tsc);
    uint64_t bytes = 0;
    uint32_t segments = 0;
    for (uint16_t i = 0; i < count; ++i) {
        bytes += burst_.packet[i]->pkt_len;
        segments += burst_.packet[i]->nb_segs;
    }
    counters_.ports[queue.port.value].rx_packets.add(count);
    counters_.ports[queue.port.value].rx_bytes.add(bytes);
    counters_.edges[port.edge.value].rx.add(count);
    const uint16_t received = count;
    if (segments != count)
        count = join_segments(burst_.packet.data(), count, counters_.edges[port.edge.value],
                              counters_.ports[queue.port.value]);

    const bool alone = setup_.exchange->workers() == 1;
    const bool whole = alone || (!port.channel.valid() && !queues_of(queue.port.value).spread);
    forward(state, queue.port, whole ? count : spread(state, queue.port, count), now_tsc);
    return received;
}

// Hands packets of the burst over to the workers that forward them; returns how many stay.
uint16_t Worker::spread(const ForwardingState& state, PortId id, uint16_t count) noexcept {
    const PortState& port = state.ports[id.value];
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = burst_.packet[i];
        const uint16_t to =
            worker_for(state, port, rte_pktmbuf_mtod(packet, const uint8_t*),
                       rte_pktmbuf_data_len(packet), setup_.exchange->workers(), setup_.id.value);
        if (to == setup_.id.value) {
            burst_.packet[kept++] = packet;
            continue;
        }
        packet->port = id.value;
        handoffs_[to].packet[handoffs_[to].count++] = packet;
    }
    for (uint16_t to = 0; to < setup_.exchange->workers(); ++to) {
        Handoff& handoff = handoffs_[to];
        if (handoff.count == 0)
            continue;
        const uint16_t given = setup_.exchange->give(Exchange::Purpose::forward, setup_.id.value,
                                                     to, handoff.packet.data(), handoff.count);
        if (given < handoff.count) {
            const auto lost = static_cast<uint16_t>(handoff.count - given);
            counters_.edges[port.edge.value]
                .drops[static_cast<std::size_t>(Drop::handoff_full)]
                .add(lost);
            rte_pktmbuf_free_bulk(handoff.packet.data() + given, lost);
        }
        handoff.count = 0;
    }
    return kept;
}

// What another worker has received; consecutive packets of one port are a burst.
uint16_t Worker::forward_handed(const ForwardingState& state, uint16_t from,
                                uint64_t now_tsc) noexcept {
    PerPacket<rte_mbuf*> packets;
    const uint16_t count = setup_.exchange->take(Exchange::Purpose::forward, from, setup_.id.value,
                                                 packets.data(), kBurstMax);
    sampled_ = count != 0 && ++bursts_ % kSampleEvery == 0;
    for (uint16_t begin = 0; begin < count;) {
        const PortId id(packets[begin]->port);
        uint16_t run = 0;
        while (begin < count && packets[begin]->port == id.value)
            burst_.packet[run++] = packets[begin++];
        forward(state, id, run, now_tsc);
    }
    return count;
}

void Worker::forward(const ForwardingState& state, PortId id, uint16_t count,
                     uint64_t now_tsc) noexcept {
    if (count == 0)
        return;
    const PortState& port = state.ports[id.value];
    burst_.start(count);
    StageContext context{state,    port,    *setup_.aead,    counters_, *setup_.buckets,
                         credits_, now_tsc, setup_.id.value, sampled_};
    if (port.channel.valid()) {
        run_ingress(context, burst_);
        finish<Direction::ingress>(context);
    } else {
        run_egress(context, burst_);
        finish<Direction::egress>(context);
    }
}

// Every packet of the burst ends here: sent, punted, or counted under its reason and freed; or it
// is cut, and its fragments do.
template <Direction D> void Worker::finish(StageContext& context) noexcept {
    forward_live<D>(context);
    flush(context.state);
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

template <Direction D> void Worker::forward_live(const StageContext&) noexcept {
    for (uint16_t k = 0; k < burst_.live_count; ++k) {
        const uint8_t i = burst_.live[k];
        enqueue(burst_.out_port[i], burst_.packet[i],
                {AttachmentId(burst_.attachment[i]), burst_.ip_length[i], D});
    }
}

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

template <Direction D>
void Worker::fill_meta(const StageContext& context, uint8_t i, PuntReason reason,
                       Notice notice) noexcept {
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
        StageContext context{state,           port,     *setup_.aead, counters_,
                             *setup_.buckets, credits_, now_tsc,      setup_.id.value};
        if (!port.enabled) {
            burst_.drop(0, Drop::port_down);
            burst_.compact();
        } else if (port.channel.valid() && !passes_in_clear(state, port, burst_.frame[0])) {
            protect_frames(context, burst_);
        }
        if (burst_.live_count != 0) {
            enqueue(id.value, packets[n], {});
            flush(state);
        }
        if (burst_.verdict[0] != kInPipeline)
            settle<Direction::egress>(context, 0);
    }
    if (discarded_count_ != 0)
        rte_pktmbuf_free_bulk(discarded_.data(), discarded_count_);
    discarded_count_ = 0;
    return static_cast<uint16_t>(count);
}

void Worker::enqueue(uint16_t port, rte_mbuf* packet, const TxAccount& account) noexcept {
    TxBatch& batch = tx_[port];
    if (batch.count == 0)
        touched_.push_back(port); // reserved for all ports: does not allocate
    batch.packet[batch.count] = packet;
    batch.account[batch.count] = account;
    ++batch.count;
}

void Worker::flush(const ForwardingState& state) noexcept {
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
    uint64_t lengths = 0;
    PerPacket<uint16_t> frame_length; // the port may free a packet as soon as it has it
    for (uint16_t n = 0; n < batch.count; ++n)
        frame_length[n] = static_cast<uint16_t>(batch.packet[n]->pkt_len);
    uint16_t sent = setup_.ports[port]->tx_burst(queue, batch.packet.data(), batch.count);
    if (sent < batch.count) // the device may have finished older packets meanwhile
        sent = static_cast<uint16_t>(
            sent + setup_.ports[port]->tx_burst(queue, batch.packet.data() + sent,
                                                static_cast<uint16_t>(batch.count - sent)));
    for (uint16_t n = 0; n < sent; ++n) {
        lengths += frame_length[n];
        count_sent(batch.account[n]);
    }
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

void Worker::count_sent(const TxAccount& account) noexcept {
    if (!account.attachment.valid())
        return;
    auto& accounts = account.direction == Direction::egress ? counters_.egress : counters_.ingress;
    accounts[account.attachment.value].tx_packets.add(1);
    accounts[account.attachment.value].tx_bytes.add(account.ip_length);
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
    for (uint16_t n = 0; n < batch.count; ++n)
        *tx_meta_of(batch.packet[n]) = {PortId(port), batch.account[n]};
    const uint16_t given = setup_.exchange->give(Exchange::Purpose::send, setup_.id.value, to,
                                                 batch.packet.data(), batch.count);
    drop_unsent(state, port, batch, given);
}

uint16_t Worker::send_handed(const ForwardingState& state, uint16_t from) noexcept {
    PerPacket<rte_mbuf*> packets;
    const uint16_t count = setup_.exchange->take(Exchange::Purpose::send, from, setup_.id.value,
                                                 packets.data(), kBurstMax);
    for (uint16_t n = 0; n < count; ++n) {
        const TxMeta meta = *tx_meta_of(packets[n]);
        enqueue(meta.port.value, packets[n], meta.account);
    }
    flush(state);
    return count;
}

void Worker::discard(rte_mbuf* packet) noexcept {
    discarded_[discarded_count_++] = packet;
}

} // namespace isthmus::dataplane
