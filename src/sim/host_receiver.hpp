#pragma once
// The receiving half of a simulated host: judges every frame that the edge delivers, and answers
// ARP and ND. Free of DPDK: it sees octets.

#include "isthmus/counter.hpp"
#include "isthmus/types.hpp"
#include "sim/mark.hpp"
#include "sim/reply_ring.hpp"
#include "sim/traffic_plan.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::sim {

// The highest sequence number seen of each flow. Bounded: when too many flows share a set one is
// forgotten, which can hide a reordering but never invents one.
class FlowTable {
  public:
    FlowTable() : sets_(kSets) {}
    // True: a higher number of this flow came before.
    [[nodiscard]] bool late(uint32_t sender, uint32_t flow, uint64_t sequence) noexcept;

  private:
    static constexpr std::size_t kSets = 2048; // a power of two
    struct Entry {
        uint64_t flow = 0;
        uint64_t highest = 0; // 0: free; sequence numbers start at 1
    };
    struct alignas(kCacheLine) Set {
        std::array<Entry, 4> ways;
    };
    static_assert(sizeof(Set) == kCacheLine);
    std::vector<Set> sets_;
};

class HostReceiver {
  public:
    HostReceiver(MacAddr mac, ReplyRing& replies) : mac_(mac), replies_(replies) {}

    // The worker that delivers to this host.
    void receive(const TrafficPlan& plan, std::span<const uint8_t> frame) noexcept;

    // Written by receive(), read by anyone.
    struct alignas(kCacheLine) Counters {
        Counter received_packets, received_bytes;
        Counter foreign_packets, corrupt_packets, reordered_packets, other_packets;
    } counters;

  private:
    enum class Verdict { marked, corrupt, other, answered };

    Verdict classify(const TrafficPlan& plan, std::span<const uint8_t> frame) noexcept;
    Verdict ipv4(std::span<const uint8_t> packet, std::size_t l2_bytes) noexcept;
    Verdict ipv6(const TrafficPlan& plan, const wire::Ethernet& ethernet,
                 std::span<const uint8_t> packet, std::size_t l2_bytes) noexcept;
    Verdict udp(std::span<const uint8_t> datagram, uint64_t pseudo_sum, bool zero_allowed) noexcept;
    Verdict arp(const TrafficPlan& plan, std::span<const uint8_t> packet) noexcept;
    Verdict solicitation(const TrafficPlan& plan, const wire::Ethernet& ethernet,
                         const wire::Ipv6& ip, std::span<const uint8_t> message) noexcept;
    void count_marked(const TrafficPlan& plan) noexcept;

    MacAddr mac_;
    ReplyRing& replies_;
    FlowTable flows_;
    const Mark* mark_ = nullptr; // of the frame in hand
    uint16_t ip_bytes_ = 0;
};

} // namespace isthmus::sim
