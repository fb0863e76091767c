#pragma once
// A simulated VPC host as a port: what the edge receives from it is generated traffic, what the
// edge sends to it is checked and counted. For interconnects in one process, without any NIC.

#include "dataplane/doorbell.hpp"
#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "sim/host_receiver.hpp"
#include "sim/traffic.hpp"
#include "sim/traffic_plan.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

struct rte_mempool;

namespace isthmus::sim {

// The time that packets are paced by.
struct PaceClock {
    uint64_t (*now_tsc)() noexcept = nullptr;
    uint64_t hz = 0;

    [[nodiscard]] static PaceClock tsc();
};

// One queue. rx_burst and tx_burst are each called by one worker at a time, which may be two
// different ones; everything else belongs to the control thread.
class GeneratorPort final : public dataplane::Port {
  public:
    // `seed` names the host: its MAC address and the sender in its packets come from it, so give
    // each host of a process another one. Packets come from `pool`, which outlives the port.
    GeneratorPort(rte_mempool* pool, MacAddr edge_mac, uint32_t seed,
                  PaceClock clock = PaceClock::tsc());
    ~GeneratorPort() override;

    [[nodiscard]] uint16_t rx_burst(uint16_t queue, rte_mbuf** packets,
                                    uint16_t count) noexcept override;
    // Takes every packet.
    [[nodiscard]] uint16_t tx_burst(uint16_t queue, rte_mbuf** packets,
                                    uint16_t count) noexcept override;

    // Traffic and replies ring; while streams are paced by the clock, nobody does.
    [[nodiscard]] int wait_fd(uint16_t /*queue*/) const noexcept override { return bell_.fd(); }
    [[nodiscard]] bool arm(uint16_t queue) noexcept override;
    void disarm(uint16_t /*queue*/) noexcept override { bell_.disarm(); }

    [[nodiscard]] uint16_t rx_queues() const override { return 1; }
    [[nodiscard]] uint16_t tx_queues() const override { return 1; }
    [[nodiscard]] std::string_view driver() const override { return "generator"; }
    [[nodiscard]] MacAddr mac() const override { return host_.edge_mac; }
    [[nodiscard]] bool link_up() const override { return true; }
    [[nodiscard]] dataplane::DeviceLosses losses() const override { return {}; }
    // Sends nothing and answers nobody from the next burst on.
    void stop() override;

    // From the worker's next burst on. Errors: `invalid`, and the old traffic goes on.
    [[nodiscard]] Result<void> set_traffic(const TrafficSpec& spec);
    [[nodiscard]] TrafficReport report() const;
    [[nodiscard]] MacAddr host_mac() const { return host_.mac; }

  private:
    // A plan in use, as its worker says it. The worker publishes the pointer before it uses it and
    // looks once more whether it is still the current one; the control thread replaces the current
    // one before it looks here. So it never frees a plan that a worker holds.
    struct alignas(kCacheLine) InUse {
        std::atomic<TrafficPlan*> plan{nullptr};
        TrafficPlan* acquire(const std::atomic<TrafficPlan*>& current) noexcept;
    };

    void install(std::unique_ptr<TrafficPlan> plan);
    TrafficPlan& newest_plan() noexcept; // of the worker that receives
    uint16_t send_replies(rte_mbuf** packets, uint16_t count) noexcept;
    uint16_t generate(TrafficPlan& plan, rte_mbuf** packets, uint16_t count) noexcept;

    rte_mempool* pool_;
    HostIdentity host_;
    PaceClock clock_;

    // Control thread.
    TrafficSpec spec_;
    uint32_t epoch_ = 0;
    std::vector<std::unique_ptr<TrafficPlan>> plans_; // the current one and those not yet let go

    alignas(kCacheLine) std::atomic<TrafficPlan*> current_{nullptr};
    dataplane::Doorbell bell_; // of the worker that receives from this port

    // Worker that receives from this port.
    InUse sending_;
    uint64_t last_tsc_ = 0;
    uint64_t sequence_ = 0;
    std::size_t next_stream_ = 0;
    Counter sent_packets_, sent_bytes_, arp_replies_, nd_replies_;

    // Worker that sends to this port.
    InUse receiving_;
    ReplyRing replies_;
    HostReceiver receiver_;
};

} // namespace isthmus::sim
