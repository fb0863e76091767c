// Several workers send over one channel to a strict peer: each on an SC of its own, or all on one.
#include "macsec/protect.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <thread>

namespace isthmus::macsec::test {
namespace {

constexpr std::size_t kBurst = 32;
constexpr CipherSuite kSuite = CipherSuite::gcm_aes_xpn_256;
constexpr Sci kScis[] = {kPeerSci, {kPeerSci.value + 1}};

// One producer and one consumer.
class Queue {
  public:
    [[nodiscard]] bool push(Octets frame) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) == slots_.size())
            return false;
        slots_[tail % slots_.size()] = std::move(frame);
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }
    [[nodiscard]] bool pop(Octets& frame) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire))
            return false;
        frame = std::move(slots_[head % slots_.size()]);
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

  private:
    std::array<Octets, 256> slots_;
    alignas(kCacheLine) std::atomic<std::size_t> head_{0};
    alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
};

// A burst of `count` frames, protected in one call as a worker does.
std::vector<Octets> protected_burst(TxSide& tx, std::size_t count) {
    std::vector<HeapFrame> memories;
    std::vector<ProtectFrame> frames;
    for (std::size_t i = 0; i < count; ++i)
        memories.push_back(HeapFrame::to_protect(plain_frame(60)));
    for (HeapFrame& memory : memories)
        frames.push_back({memory.data(), memory.length(), ProtectVerdict::ok});
    ProtectBatch batch;
    batch.add(tx.binding, tx.secy, UINT32_MAX, ProtectFrames(frames));
    batch.seal(engine());
    std::vector<Octets> sealed;
    for (const ProtectFrame& frame : frames) {
        EXPECT_EQ(frame.verdict, ProtectVerdict::ok);
        sealed.emplace_back(frame.frame, frame.frame + frame.length);
    }
    return sealed;
}

uint32_t pn_of(const Octets& frame) {
    return wire::overlay<Be32>(frame.data() + 16)->host();
}

// Two threads protect `bursts` bursts each; what arrives, in the order in which it is taken from
// their queues, now from one and now from the other.
std::vector<Octets> race(std::array<TxSide*, 2> workers, std::size_t bursts) {
    std::array<Queue, 2> queues;
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < 2; ++worker)
        threads.emplace_back([&, worker] {
            for (std::size_t burst = 0; burst < bursts; ++burst)
                for (Octets& frame : protected_burst(*workers[worker], kBurst))
                    while (!queues[worker].push(frame))
                        std::this_thread::yield();
        });
    std::vector<Octets> arrived;
    std::mt19937 random(7);
    while (arrived.size() < 2 * bursts * kBurst) {
        Queue& queue = queues[random() % 2];
        Octets frame;
        for (std::size_t run = random() % 5; run != 0 && queue.pop(frame); --run)
            arrived.push_back(std::move(frame));
    }
    for (std::thread& thread : threads)
        thread.join();
    return arrived;
}

// All frames in bursts of random size; returns InPktsLate of all SCs.
uint64_t late_of(RxSide& rx, const std::vector<Octets>& frames) {
    std::mt19937 random(11);
    for (std::size_t at = 0; at < frames.size();) {
        const std::size_t count = std::min(frames.size() - at, 1 + random() % kBurstMax);
        EXPECT_EQ(rx.receive_burst(std::span(frames).subspan(at, count)).size(), count);
        at += count;
    }
    uint64_t late = 0;
    uint64_t ok = 0;
    for (std::size_t sc = 0; sc < rx.scs().size(); ++sc) {
        late += rx.sc(sc).counters.in_pkts_late.get();
        ok += rx.sc(sc).counters.in_pkts_ok.get();
    }
    EXPECT_EQ(late + ok, frames.size()) << "late is the only reason to drop one";
    return late;
}

uint64_t late_with_window(uint32_t window, const std::vector<Octets>& frames) {
    RxSide rx(kSuite);
    rx.binding.replay_window = window;
    rx.add_sc(kPeerSci);
    rx.add_sa(0);
    return late_of(rx, frames);
}

// The largest distance by which a PN arrives behind the highest one before it.
uint32_t largest_distance(const std::vector<Octets>& frames) {
    uint32_t highest = 0;
    uint32_t largest = 0;
    for (const Octets& frame : frames) {
        highest = std::max(highest, pn_of(frame));
        largest = std::max(largest, highest - pn_of(frame));
    }
    return largest;
}

// Two workers on one SC: a key context and counters each, and the same packet numbers.
struct SharedSc {
    TxSide a{kPeerSci, kSuite};
    TxSide b{kPeerSci, kSuite};
    SharedSc() {
        a.sa->pn = b.sa->pn =
            std::make_shared<PacketNumbers>(PacketNumbers::Owner::shared, 1, last_pn(kSuite));
    }
};

TEST(TwoWorkers, AnScEachKeepsWindowZero) {
    TxSide a(kScis[0], kSuite);
    TxSide b(kScis[1], kSuite);
    RxSide rx(kSuite);
    for (Sci sci : kScis) {
        rx.add_sc(sci);
        rx.add_sa(0);
    }
    // With XPN every SC has an SSCI of its own; this test needs only distinct IVs.
    for (TxSide* tx : {&a, &b}) {
        const XpnParameters xpn{kTestXpn.salt, tx == &a ? 1u : 2u};
        tx->sa->iv = make_iv_base(tx->sc.sci, xpn);
        rx.sa(tx == &a ? 0 : 1).iv = tx->sa->iv;
    }
    EXPECT_EQ(late_of(rx, race({&a, &b}, 100)), 0u);
    EXPECT_EQ(rx.sa(0).replay.next_pn(), 100 * kBurst + 1);
    EXPECT_EQ(rx.sa(1).replay.next_pn(), 100 * kBurst + 1);
}

TEST(TwoWorkers, OneScNeedsAWindow) {
    SharedSc shared;
    const auto arrived = race({&shared.a, &shared.b}, 100);
    std::vector<bool> seen(arrived.size() + 1);
    for (const Octets& frame : arrived) {
        ASSERT_LE(pn_of(frame), arrived.size());
        ASSERT_FALSE(seen[pn_of(frame)]) << "a PN twice";
        seen[pn_of(frame)] = true;
    }
    const uint32_t distance = largest_distance(arrived);
    const uint64_t lost = late_with_window(0, arrived);
    std::cout << "[ WORKERS  ] free running: a PN arrives up to " << distance
              << " behind the highest; window 0 loses " << lost << " of " << arrived.size() << "\n";
    // A frame that is `distance` behind needs a window of one more, for that counts from nextPN.
    EXPECT_EQ(late_with_window(distance + 1, arrived), 0u);
    if (distance != 0) {
        EXPECT_GT(lost, 0u);
        EXPECT_GT(late_with_window(distance, arrived), 0u);
    }
}

// The least that can go wrong: a reserves, b reserves, b sends, a sends.
TEST(TwoWorkers, OneScAndWindowZeroLosesFrames) {
    SharedSc shared;
    const auto of_a = protected_burst(shared.a, kBurst);
    auto arrived = protected_burst(shared.b, kBurst);
    arrived.insert(arrived.end(), of_a.begin(), of_a.end());
    EXPECT_EQ(largest_distance(arrived), 2 * kBurst - 1);
    EXPECT_EQ(late_with_window(0, arrived), kBurst);
    EXPECT_EQ(late_with_window(2 * kBurst - 1, arrived), 1u);
    EXPECT_EQ(late_with_window(2 * kBurst, arrived), 0u);
}

// What a window of workers x burst guarantees: it loses nothing as long as every other worker
// reserves at most one run between the reservation of a run and the sending of its last frame.
// Then the numbers reserved in between are at most (workers - 1) x burst, and a frame is at most
// workers x burst - 1 behind. A worker that is held up for longer exceeds any window.
TEST(TwoWorkers, OneScInStepNeedsWorkersTimesBurst) {
    SharedSc shared;
    std::mt19937 random(3);
    std::vector<Octets> arrived;
    for (int round = 0; round < 200; ++round) {
        std::array<TxSide*, 2> order = {&shared.a, &shared.b};
        if (random() % 2 == 0)
            std::swap(order[0], order[1]);
        std::array<std::vector<Octets>, 2> runs;
        for (std::size_t i = 0; i < 2; ++i)
            runs[i] = protected_burst(*order[i], 1 + random() % kBurst);
        for (std::array<std::size_t, 2> at{}; at[0] + at[1] < runs[0].size() + runs[1].size();) {
            const std::size_t from = at[0] == runs[0].size()   ? 1
                                     : at[1] == runs[1].size() ? 0
                                                               : random() % 2;
            arrived.push_back(runs[from][at[from]++]);
        }
    }
    EXPECT_LT(largest_distance(arrived), 2 * kBurst);
    EXPECT_GT(late_with_window(0, arrived), 0u);
    EXPECT_EQ(late_with_window(2 * kBurst, arrived), 0u);
}

// Worker a is held up with its run: no window that is tied to the size of a burst helps.
TEST(TwoWorkers, AWorkerHeldUpExceedsAnyWindow) {
    SharedSc shared;
    const auto of_a = protected_burst(shared.a, kBurst);
    std::vector<Octets> arrived;
    for (int burst = 0; burst < 50; ++burst)
        for (Octets& frame : protected_burst(shared.b, kBurst))
            arrived.push_back(std::move(frame));
    arrived.insert(arrived.end(), of_a.begin(), of_a.end());
    EXPECT_EQ(late_with_window(2 * kBurst, arrived), kBurst);
    EXPECT_EQ(late_with_window(51 * kBurst, arrived), 0u);
}

} // namespace
} // namespace isthmus::macsec::test
