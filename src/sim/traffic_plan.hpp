#pragma once
// A TrafficSpec made ready to send: packets as templates with nearly finished checksums, rates as
// TSC cycles. Compiled by the control thread; then the worker that sends it owns its pacing state
// and everything else is constant.

#include "isthmus/result.hpp"
#include "sim/mark.hpp"
#include "sim/traffic.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace isthmus::sim {

// Ethernet, VLAN, IPv6, UDP, mark.
inline constexpr std::size_t kMaxHead = 14 + 4 + 40 + 8 + 32;

// One size of one stream. Source port, flow, sequence and UDP checksum are zero in `head`.
struct PacketTemplate {
    std::array<uint8_t, kMaxHead> head{};
    uint16_t head_bytes = 0; // up to the end of the mark
    uint16_t frame_bytes = 0;
    uint16_t udp_offset = 0;
    uint16_t ip_bytes = 0;
    uint64_t udp_sum = 0;  // over pseudo-header, head and filler; not folded
    uint64_t cost_q20 = 0; // TSC cycles at the stream's rate; 0: not paced
};

struct StreamPlan {
    std::vector<PacketTemplate> templates;
    std::vector<uint8_t> order; // one round of templates
    uint16_t flows = 1;
    // What a stream may have saved up: a worker that was away for longer does not make a storm.
    uint64_t max_earned_q20 = 0;

    // Worker that sends.
    uint64_t earned_q20 = 0;
    uint16_t flow = 0;
    uint16_t position = 0;
    uint16_t first_position = 0; // of the present round of flows

    // Adds what `elapsed` cycles are worth.
    void earn(uint64_t elapsed) noexcept {
        if (elapsed > max_earned_q20 >> 20)
            earned_q20 = max_earned_q20;
        else
            earned_q20 = std::min(earned_q20 + (elapsed << 20), max_earned_q20);
    }
    // The next packet if it is due, with its flow; nullptr if not.
    [[nodiscard]] const PacketTemplate* take(uint16_t& packet_flow) noexcept;
};

struct TrafficPlan {
    uint32_t tag = 0;
    uint16_t vlan = 0;
    uint32_t epoch = 0; // number of the plan, part of its flow ids; 0: no TrafficSpec yet
    std::vector<Ipv4Addr> addresses4;
    std::vector<Ipv6Addr> addresses6;
    std::vector<StreamPlan> streams;
};

// Who sends, and how.
struct HostIdentity {
    MacAddr mac;
    MacAddr edge_mac;
    uint32_t sender = 0;
    uint16_t max_ip_bytes = 0; // what fits a packet buffer
    uint64_t tsc_hz = 0;
};

// Errors: `invalid`, naming the field as in streams[0].sizes[1].ip_bytes, its value and the limit.
[[nodiscard]] Result<std::unique_ptr<TrafficPlan>>
compile_traffic(const TrafficSpec& spec, const HostIdentity& host, uint32_t epoch);

} // namespace isthmus::sim
