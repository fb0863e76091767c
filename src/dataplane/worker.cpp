#include "dataplane/worker.hpp"

#include "dataplane/join_segments.hpp"
#include "dataplane/spread.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include <algorithm>

namespace isthmus::dataplane {
namespace {

// One burst in so many has its stages timed.
constexpr uint32_t kSampleEvery = 16;

} // namespace

Worker::Worker(WorkerSetup setup) : setup_(std::move(setup)) {
    counters_.egress = DirectionAccounts(setup_.max_attachments);
    counters_.ingress = DirectionAccounts(setup_.max_attachments);
    counters_.ports = std::vector<PortCounters>(setup_.ports.size());
    counters_.edges = std::vector<EdgeCounters>(setup_.edges);
    counters_.secys = std::vector<macsec::SecyCounters>(setup_.channels);
    tx_.resize(setup_.ports.size());              // start-up only
    handoffs_.resize(setup_.exchange->workers()); // start-up only
    touched_.reserve(setup_.ports.size());        // start-up only
    waits_.resize(setup_.rx.size() + 1);          // start-up only
    armed_.reserve(setup_.rx.size());             // start-up only
}

uint32_t Worker::poll_once() noexcept {
    uint32_t handled = 0;
    const uint16_t own = setup_.id.value;
    if (const ForwardingState* state = setup_.state->load(std::memory_order_acquire)) {
        const uint64_t begin_tsc = rte_rdtsc();
        uint64_t now_tsc = begin_tsc;
        for (const RxQueue& queue : setup_.rx) {
            handled += receive(*state, queue, now_tsc);
            now_tsc = rte_rdtsc();
        }
        for (const uint16_t from : setup_.exchange->sources(HandOffPurpose::forward, own))
            handled += forward_handed(*state, from, rte_rdtsc());
        for (const uint16_t from : setup_.exchange->sources(HandOffPurpose::send, own))
            handled += send_handed(*state, from);
        handled += send_injected(*state, now_tsc);
        if (handled != 0)
            counters_.runtime.round_times.add(rte_rdtsc() - begin_tsc);
    }
    rte_rcu_qsbr_quiescent(setup_.quiescence, setup_.id.value);
    counters_.runtime.polls.add(1);
    counters_.runtime.idle_polls.add(handled == 0);
    return handled;
}

void Worker::run(control::PollMode mode, const std::atomic<bool>& stop) noexcept {
    if (mode == control::PollMode::adaptive) {
        run_adaptive(stop);
        return;
    }
    while (!stop.load(std::memory_order_relaxed))
        if (poll_once() == 0)
            rte_pause();
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
    uint64_t offloads = 0;
    for (uint16_t i = 0; i < count; ++i) {
        bytes += burst_.packet[i]->pkt_len;
        segments += burst_.packet[i]->nb_segs;
        offloads |= burst_.packet[i]->ol_flags;
    }
    counters_.ports[queue.port.value].rx_packets.add(count);
    counters_.ports[queue.port.value].rx_bytes.add(bytes);
    counters_.edges[port.edge.value].rx.add(count);
    const uint16_t received = count;
    if (is_unfinished(offloads)) [[unlikely]] { // of all together: at least where one is
        segments -= count;
        count = drop_unfinished(burst_.packet.data(), count, counters_.edges[port.edge.value]);
        segments += count;
    }
    if (segments != count)
        count = join_segments(burst_.packet.data(), count, counters_.edges[port.edge.value],
                              counters_.ports[queue.port.value]);

    const bool alone = setup_.exchange->workers() == 1;
    const bool whole = alone || !queues_of(queue.port.value).hands_over;
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
    StageContext context{state,           port,    *setup_.aead,    counters_,
                         *setup_.buckets, now_tsc, setup_.id.value, sampled_};
    if (port.channel.valid()) {
        run_ingress(context, burst_);
        finish<Direction::ingress>(context);
    } else {
        run_egress(context, burst_);
        finish<Direction::egress>(context);
    }
}

} // namespace isthmus::dataplane
