#include "dataplane/dataplane.hpp"

#include "dataplane/packet_meta.hpp"
#include "dataplane/port_queues.hpp"
#include "dataplane/worker.hpp"
#include "isthmus/clock.hpp"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <fmt/format.h>

#include <deque>
#include <set>
#include <time.h>

namespace isthmus::dataplane {
namespace {

constexpr uint64_t kSpinNs = 20'000;

struct RingDeleter {
    void operator()(rte_ring* ring) const {
        void* packet = nullptr;
        while (rte_ring_sc_dequeue(ring, &packet) == 0)
            rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
        rte_ring_free(ring);
    }
};
using Ring = std::unique_ptr<rte_ring, RingDeleter>;
struct QsbrDeleter {
    void operator()(rte_rcu_qsbr* qsbr) const { rte_free(qsbr); }
};

Result<Ring> make_ring(const std::string& name) {
    // One worker on one side, the control thread on the other.
    rte_ring* ring =
        rte_ring_create(name.c_str(), Dataplane::kControlRingSize, static_cast<int>(SOCKET_ID_ANY),
                        RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == nullptr)
        return Error{ErrorCode::internal,
                     fmt::format("no memory for ring {} of {} entries (memory_mb)", name,
                                 Dataplane::kControlRingSize)};
    return Ring(ring);
}

} // namespace

struct Dataplane::State {
    struct WorkerSlot {
        Ring punts;
        Ring injected;
        std::unique_ptr<Worker> worker;
        unsigned lcore = 0;
    };
    // In adaptive mode workers sleep; whatever brings them work wakes them.
    void ring(std::size_t worker) {
        if (worker < bells.size())
            bells[worker]->ring();
    }
    void ring_all() {
        for (const auto& bell : bells)
            bell->ring();
    }

    struct Retired {
        uint64_t token;
        std::unique_ptr<const ForwardingState> state;
        Parts parts;
    };
    // FIB nodes retired up to `epoch` are in use until `token` has been seen.
    struct FibGrace {
        uint64_t token;
        uint64_t epoch;
    };

    std::vector<std::unique_ptr<Port>> ports;
    std::unique_ptr<macsec::Aead> aead;
    std::vector<rte_mempool*> pools; // by PortId
    bool own_threads = true;
    bool running = false;
    control::PollMode poll = control::PollMode::busy;
    MeterBuckets buckets;
    std::unique_ptr<rte_rcu_qsbr, QsbrDeleter> quiescence;
    alignas(kCacheLine) std::atomic<const ForwardingState*> published{nullptr};
    alignas(kCacheLine) std::atomic<bool> stop{false};
    std::shared_ptr<const std::vector<PortQueues>> queues; // by PortId
    std::vector<std::unique_ptr<Doorbell>> bells;          // by worker; none in busy mode
    std::unique_ptr<Exchange> exchange;
    std::vector<WorkerSlot> workers;
    std::unique_ptr<const ForwardingState> current;
    std::deque<Retired> retired;
    Parts kept;
    std::optional<FibGrace> fib_grace;
};

namespace {

std::vector<QueueCounts> queue_counts(const std::vector<std::unique_ptr<Port>>& ports) {
    std::vector<QueueCounts> counts;
    for (const auto& port : ports)
        counts.push_back({port->rx_queues(), port->tx_queues()});
    return counts;
}

int run_worker(void* argument) {
    auto* call = static_cast<std::function<void()>*>(argument);
    (*call)();
    delete call;
    return 0;
}

} // namespace

Dataplane::Dataplane(std::unique_ptr<State> state) : state_(std::move(state)) {}

Dataplane::~Dataplane() {
    stop();
}

Result<std::unique_ptr<Dataplane>> Dataplane::create(DataplaneSetup setup) {
    const control::Config& config = *setup.config;
    auto state = std::make_unique<State>();
    state->ports = std::move(setup.ports);
    state->aead = std::move(setup.aead);
    state->pools = std::move(setup.pools);
    state->own_threads = setup.own_threads;
    state->poll = config.poll;
    state->buckets = MeterBuckets(config.max_attachments);

    const auto count = static_cast<uint32_t>(config.worker_cores.size());
    state->quiescence.reset(static_cast<rte_rcu_qsbr*>(
        rte_zmalloc("quiescence", rte_rcu_qsbr_get_memsize(count), RTE_CACHE_LINE_SIZE)));
    if (!state->quiescence)
        return Error{ErrorCode::internal, "no memory for worker quiescence (memory_mb)"};
    rte_rcu_qsbr_init(state->quiescence.get(), count);

    WorkerSetup common;
    for (const auto& port : state->ports)
        common.ports.push_back(port.get());
    const auto queues = std::make_shared<const std::vector<PortQueues>>(
        deal_out_queues(config, queue_counts(state->ports)));
    state->queues = queues;
    common.queues = queues;
    std::vector<Doorbell*> bells;
    if (config.poll == control::PollMode::adaptive)
        for (uint32_t w = 0; w < count; ++w)
            bells.push_back(state->bells.emplace_back(std::make_unique<Doorbell>()).get());
    auto exchange = Exchange::create(plan_handoffs(*queues, static_cast<uint16_t>(count)),
                                     static_cast<uint16_t>(count), bells);
    if (!exchange)
        return exchange.error();
    state->exchange = std::move(*exchange);
    common.exchange = state->exchange.get();
    common.aead = state->aead.get();
    common.buckets = &state->buckets;
    common.state = &state->published;
    common.quiescence = state->quiescence.get();
    common.max_attachments = config.max_attachments;
    common.edges = static_cast<uint16_t>(config.edges.size());
    common.channels = static_cast<uint16_t>(config.channels.size());
    common.tsc_hz = rte_get_tsc_hz();
    for (uint16_t w = 0; w < count; ++w) {
        auto punts = make_ring(fmt::format("punts-{}", w));
        if (!punts)
            return punts.error();
        auto injected = make_ring(fmt::format("injected-{}", w));
        if (!injected)
            return injected.error();
        WorkerSetup own = common;
        own.id = WorkerId(w);
        own.bell = bells.empty() ? nullptr : bells[w];
        own.punts = punts->get();
        own.injected = injected->get();
        for (std::size_t p = 0; p < state->ports.size(); ++p)
            for (std::size_t queue = 0; queue < (*queues)[p].rx_worker.size(); ++queue)
                if ((*queues)[p].rx_worker[queue] == w)
                    own.rx.push_back({PortId(p), static_cast<uint16_t>(queue)});
        rte_rcu_qsbr_thread_register(state->quiescence.get(), w);
        rte_rcu_qsbr_thread_online(state->quiescence.get(), w);
        state->workers.push_back({std::move(*punts), std::move(*injected),
                                  std::make_unique<Worker>(std::move(own)), w + 1u});
    }
    return std::unique_ptr<Dataplane>(new Dataplane(std::move(state)));
}

void Dataplane::start() {
    state_->running = true;
    if (!state_->own_threads)
        return;
    for (auto& slot : state_->workers) {
        auto* call = new std::function<void()>(
            [this, &slot] { slot.worker->run(state_->poll, state_->stop); });
        rte_eal_remote_launch(run_worker, call, slot.lcore);
    }
}

void Dataplane::stop() {
    if (!state_ || !state_->running)
        return;
    state_->running = false;
    state_->stop.store(true);
    state_->ring_all();
    if (state_->own_threads)
        for (const auto& slot : state_->workers)
            rte_eal_wait_lcore(slot.lcore);
    for (const auto& port : state_->ports)
        port->stop();
}

uint16_t Dataplane::worker_count() const {
    return static_cast<uint16_t>(state_->workers.size());
}

uint32_t Dataplane::poll_workers() {
    uint32_t handled = 0;
    for (const auto& slot : state_->workers)
        handled += slot.worker->poll_once();
    return handled;
}

uint32_t Dataplane::poll_worker(WorkerId worker) {
    return state_->workers[worker.value].worker->poll_once();
}

uint64_t Dataplane::publish(std::unique_ptr<const ForwardingState> next, Parts replaced) {
    state_->published.store(next.get(), std::memory_order_release);
    state_->ring_all(); // for a port that is up now, which none of them watches
    const uint64_t token = grace_period();
    if (state_->current)
        state_->retired.push_back({token, std::move(state_->current), std::move(replaced)});
    state_->current = std::move(next);
    return token;
}

void Dataplane::keep(Parts parts) {
    state_->kept.insert(state_->kept.end(), parts.begin(), parts.end());
}

uint64_t Dataplane::grace_period() {
    return rte_rcu_qsbr_start(state_->quiescence.get());
}

bool Dataplane::seen(uint64_t token) {
    return !state_->running || rte_rcu_qsbr_check(state_->quiescence.get(), token, false) == 1;
}

bool Dataplane::wait_seen(uint64_t token, uint64_t timeout_ns) {
    const uint64_t begin = monotonic_ns();
    const uint64_t deadline = begin + timeout_ns, spin_until = begin + kSpinNs;
    while (!seen(token)) {
        if (!state_->own_threads) {
            poll_workers();
            continue;
        }
        const uint64_t now = monotonic_ns();
        if (now > deadline)
            return false;
        // A busy worker's round is shorter than the shortest sleep.
        if (now < spin_until) {
            rte_pause();
            continue;
        }
        const timespec pause{0, 5'000};
        nanosleep(&pause, nullptr);
    }
    return true;
}

void Dataplane::reclaim() {
    while (!state_->retired.empty() && seen(state_->retired.front().token))
        state_->retired.pop_front();
    // One grace period at a time: what is retired meanwhile waits for the next one.
    FibArena& arena = process_fib_arena();
    if (state_->fib_grace && seen(state_->fib_grace->token)) {
        arena.reclaim(state_->fib_grace->epoch);
        state_->fib_grace.reset();
    }
    if (!state_->fib_grace && arena.retired_pieces() != 0)
        state_->fib_grace = {grace_period(), arena.retire_epoch()};
}

unsigned Dataplane::receive_punts(const std::function<void(const control::Punt&)>& handler,
                                  unsigned limit) {
    unsigned total = 0;
    for (const auto& slot : state_->workers) {
        void* item = nullptr;
        while (total < limit && rte_ring_sc_dequeue(slot.punts.get(), &item) == 0) {
            auto* packet = static_cast<rte_mbuf*>(item);
            const PacketMeta& meta = *meta_of(packet);
            handler({meta.reason,
                     meta.notice,
                     meta.mtu,
                     meta.in,
                     meta.out,
                     meta.next_hop,
                     {rte_pktmbuf_mtod(packet, const uint8_t*), rte_pktmbuf_data_len(packet)}});
            rte_pktmbuf_free(packet);
            ++total;
        }
    }
    return total;
}

bool Dataplane::inject(PortId port, std::span<const uint8_t> frame) {
    rte_mbuf* packet = rte_pktmbuf_alloc(state_->pools[port.value]);
    if (packet == nullptr)
        return false;
    // The worker that sends is one that polls the port, so that a reply follows what it answers.
    const uint16_t worker = (*state_->queues)[port.value].rx_worker.front();
    const auto& slot = state_->workers[worker];
    char* data = frame.size() <= UINT16_MAX
                     ? rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size()))
                     : nullptr;
    if (data == nullptr) {
        rte_pktmbuf_free(packet);
        return false;
    }
    std::copy(frame.begin(), frame.end(), data);
    new (meta_of(packet)) PacketMeta{};
    meta_of(packet)->port = port;
    if (rte_ring_sp_enqueue(slot.injected.get(), packet) != 0) {
        rte_pktmbuf_free(packet);
        return false;
    }
    state_->ring(worker);
    return true;
}

Port& Dataplane::port(PortId id) {
    return *state_->ports[id.value];
}

const macsec::Aead& Dataplane::aead() const {
    return *state_->aead;
}

const WorkerCounters& Dataplane::counters(WorkerId worker) const {
    return state_->workers[worker.value].worker->counters();
}

uint32_t Dataplane::free_buffers() const {
    uint32_t free = 0;
    for (const rte_mempool* pool : std::set(state_->pools.begin(), state_->pools.end()))
        free += rte_mempool_avail_count(pool);
    return free;
}

uint32_t Dataplane::buffers() const {
    uint32_t all = 0;
    for (const rte_mempool* pool : std::set(state_->pools.begin(), state_->pools.end()))
        all += pool->size;
    return all;
}

uint64_t Dataplane::tsc_hz() const {
    return rte_get_tsc_hz();
}

} // namespace isthmus::dataplane
