// What a worker does in adaptive mode when there is nothing to do. All of this runs while it is
// idle.
#include "dataplane/worker.hpp"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include <sys/prctl.h>
#include <time.h>

namespace isthmus::dataplane {
namespace {

uint64_t thread_cpu_ns() noexcept {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

} // namespace

void Worker::run_adaptive(const std::atomic<bool>& stop) noexcept {
    // By default the kernel may end a sleep 50 us late, to wake several threads at once.
    prctl(PR_SET_TIMERSLACK, 1UL);
    Idle idle(setup_.tsc_hz);
    while (!stop.load(std::memory_order_relaxed)) {
        if (poll_once() != 0) {
            idle.worked();
            nap_cpu_ns_ = 0;
        } else if (idle.tired(rte_rdtsc())) {
            rest(idle, stop);
        } else {
            rte_pause();
        }
    }
}

void Worker::rest(Idle& idle, const std::atomic<bool>& stop) noexcept {
    const Armed armed = arm();
    // What came before everything was armed wakes nobody.
    if (poll_once() != 0) {
        idle.worked();
        nap_cpu_ns_ = 0;
    } else if (!stop.load(std::memory_order_seq_cst)) {
        sleep(idle, armed);
    }
    disarm();
}

Worker::Armed Worker::arm() noexcept {
    Armed armed;
    waits_[armed.descriptors++] = {setup_.bell->fd(), POLLIN, 0};
    armed.everything = setup_.bell->arm();
    armed_.clear();
    // Publishing a state rings the bell, so ports that are down now need not be watched.
    const ForwardingState* state = setup_.state->load(std::memory_order_acquire);
    if (state == nullptr)
        return armed;
    for (const RxQueue& queue : setup_.rx) {
        if (!state->ports[queue.port.value].enabled)
            continue;
        Port& port = *setup_.ports[queue.port.value];
        armed_.push_back(queue); // reserved for all queues: does not allocate
        if (port.arm(queue.queue))
            waits_[armed.descriptors++] = {port.wait_fd(queue.queue), POLLIN, 0};
        else
            armed.everything = false;
    }
    return armed;
}

void Worker::disarm() noexcept {
    for (const RxQueue& queue : armed_)
        setup_.ports[queue.port.value]->disarm(queue.queue);
    setup_.bell->disarm();
}

void Worker::sleep(Idle& idle, const Armed& armed) noexcept {
    const uint64_t cpu_ns = armed.everything ? 0 : thread_cpu_ns();
    if (nap_cpu_ns_ != 0 && cpu_ns != 0)
        idle.account(cpu_ns - nap_cpu_ns_);
    nap_cpu_ns_ = cpu_ns;
    const uint64_t ns = idle.rest_ns(armed.everything, rte_rdtsc());
    const timespec limit{static_cast<time_t>(ns / 1'000'000'000),
                         static_cast<long>(ns % 1'000'000'000)};
    const std::size_t descriptors = idle.trusts_descriptors() ? armed.descriptors : 1;
    for (std::size_t d = 0; d < descriptors; ++d)
        waits_[d].revents = 0;
    counters_.runtime.rests.add(1);
    // A grace period does not wait for a worker that sleeps: it holds no state.
    rte_rcu_qsbr_thread_offline(setup_.quiescence, setup_.id.value);
    const int ready = ppoll(waits_.data(), descriptors, &limit, nullptr); // idle only
    rte_rcu_qsbr_thread_online(setup_.quiescence, setup_.id.value);
    counters_.runtime.wakes.add(ready > 0);
    bool woken = false;
    for (std::size_t d = 1; d < descriptors; ++d)
        woken = woken || waits_[d].revents != 0;
    idle.rested(woken);
}

} // namespace isthmus::dataplane
