#pragma once
// One poll-mode worker: receives bursts, runs the pipelines, sends. Everything it writes is its
// own, except the shared meter buckets. It never allocates, locks, logs or waits; only a worker in
// adaptive mode that has had nothing to do for a while rests (worker_rest.cpp).

#include "control/config.hpp"
#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/doorbell.hpp"
#include "dataplane/exchange.hpp"
#include "dataplane/forwarding_state.hpp"
#include "dataplane/fragmenter.hpp"
#include "dataplane/idle.hpp"
#include "dataplane/packet_meta.hpp"
#include "dataplane/port.hpp"
#include "dataplane/queue_plan.hpp"
#include "dataplane/stages.hpp"

#include <atomic>
#include <cstdint>
#include <poll.h>
#include <vector>

struct rte_ring;
struct rte_rcu_qsbr;

namespace isthmus::dataplane {

// A receive queue that this worker polls.
struct RxQueue {
    PortId port;
    uint16_t queue = 0;
};

struct WorkerSetup {
    WorkerId id;
    std::vector<RxQueue> rx;
    std::vector<Port*> ports;                              // by PortId
    std::shared_ptr<const std::vector<PortQueues>> queues; // by PortId
    Exchange* exchange = nullptr;
    Doorbell* bell = nullptr; // rung by whoever brings work; absent in busy mode
    const macsec::Aead* aead = nullptr;
    MeterBuckets* buckets = nullptr;
    const std::atomic<const ForwardingState*>* state = nullptr;
    rte_rcu_qsbr* quiescence = nullptr; // the worker is registered under its id
    rte_ring* punts = nullptr;          // to the control thread
    rte_ring* injected = nullptr;       // from it
    uint16_t max_attachments = 0;
    uint16_t edges = 0, channels = 0;
    uint64_t tsc_hz = 0;
};

class Worker {
  public:
    explicit Worker(WorkerSetup setup);

    // One round over all queues; returns the number of packets received or taken from the control
    // thread.
    uint32_t poll_once() noexcept;
    // Rounds until `stop` is set.
    void run(control::PollMode mode, const std::atomic<bool>& stop) noexcept;

    [[nodiscard]] const WorkerCounters& counters() const { return counters_; } // any thread

  private:
    // Packets of the burst on their way out of one port.
    struct TxBatch {
        uint16_t count = 0;
        PerPacket<rte_mbuf*> packet;
        PerPacket<uint8_t> index; // in the burst, which says what is counted once they are sent
    };
    // Packets for one other worker.
    struct Handoff {
        uint16_t count = 0;
        PerPacket<rte_mbuf*> packet;
    };

    // What rest() waits for, and whether that is everything that can bring work.
    struct Armed {
        std::size_t descriptors = 0; // in waits_
        bool everything = false;
    };
    void run_adaptive(const std::atomic<bool>& stop) noexcept;
    void rest(Idle& idle, const std::atomic<bool>& stop) noexcept;
    Armed arm() noexcept;
    void disarm() noexcept;
    void sleep(Idle& idle, const Armed& armed) noexcept;

    uint16_t receive(const ForwardingState& state, const RxQueue& queue, uint64_t now_tsc) noexcept;
    uint16_t spread(const ForwardingState& state, PortId id, uint16_t count) noexcept;
    void forward(const ForwardingState& state, PortId id, uint16_t count,
                 uint64_t now_tsc) noexcept;
    uint16_t forward_handed(const ForwardingState& state, uint16_t from, uint64_t now_tsc) noexcept;
    uint16_t send_handed(const ForwardingState& state, uint16_t from) noexcept;
    uint16_t send_injected(const ForwardingState& state, uint64_t now_tsc) noexcept;
    template <Direction D> void finish(StageContext& context) noexcept;
    template <Direction D> void send_fragments(StageContext& context) noexcept;
    template <Direction D> void settle(const StageContext& context, uint8_t i) noexcept;
    template <Direction D>
    void fill_meta(const StageContext& context, uint8_t i, control::PuntReason reason,
                   Notice notice) noexcept;
    [[nodiscard]] bool hand_over(rte_mbuf* packet) noexcept;
    [[nodiscard]] bool notice_allowed(uint64_t now_tsc) noexcept;
    void send_live(const ForwardingState& state) noexcept;
    void transmit(const ForwardingState& state, uint16_t port, TxBatch& batch,
                  uint16_t queue) noexcept;
    void pass_on(const ForwardingState& state, uint16_t port, TxBatch& batch, uint16_t to) noexcept;
    void count_stage(StageRuntime& stage, uint16_t packets, uint64_t start_tsc) noexcept;
    [[nodiscard]] uint64_t count_sent(const PortState& port, const TxBatch& batch,
                                      uint16_t sent) noexcept;
    void drop_unsent(const ForwardingState& state, uint16_t port, const TxBatch& batch,
                     uint16_t sent) noexcept;
    void discard(rte_mbuf* packet) noexcept;

    [[nodiscard]] const PortQueues& queues_of(uint16_t port) const noexcept {
        return (*setup_.queues)[port];
    }

    WorkerSetup setup_;
    WorkerCounters counters_;
    Burst burst_;
    Fragmenter fragmenter_;
    std::vector<TxBatch> tx_;        // by PortId
    std::vector<Handoff> handoffs_;  // by worker
    std::vector<uint16_t> touched_;  // ports with packets in tx_
    std::vector<pollfd> waits_;      // the bell, then receive queues
    std::vector<RxQueue> armed_;     // queues to disarm
    uint64_t nap_cpu_ns_ = 0;        // this thread's CPU time before the last nap; 0: none lately
    PerPacket<rte_mbuf*> discarded_; // freed in bulk
    uint16_t discarded_count_ = 0;
    uint32_t bursts_ = 0;
    bool sampled_ = false;
    uint64_t notice_earned_tsc_ = 0; // see notice_allowed
};

} // namespace isthmus::dataplane
