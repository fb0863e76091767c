#pragma once
// A burst of packets on its way through the pipeline: one array per field, and a list of the
// packets that are still in it. Stages walk the list; they mark packets with a verdict and compact
// the list once. One worker; never shared.

#include "control/host_stack.hpp"
#include "isthmus/address.hpp"
#include "isthmus/drop.hpp"
#include "isthmus/types.hpp"

#include <array>
#include <cstdint>

struct rte_mbuf;

namespace isthmus::dataplane {

// 0 while in the pipeline; 1 + Drop; 0x7f: to be fragmented; 0x80 | PuntReason.
using Verdict = uint8_t;
inline constexpr Verdict kInPipeline = 0;
inline constexpr Verdict kSetAside = 0x7f;
static_assert(kDropCount < kSetAside);
[[nodiscard]] constexpr Verdict verdict_of(Drop drop) {
    return static_cast<Verdict>(static_cast<uint8_t>(drop) + 1);
}
[[nodiscard]] constexpr Verdict verdict_of(control::PuntReason reason) {
    return static_cast<Verdict>(0x80 | static_cast<uint8_t>(reason));
}

template <class T> using PerPacket = std::array<T, kBurstMax>;

struct alignas(kCacheLine) Burst {
    uint16_t size = 0;           // packets received
    uint16_t live_count = 0;     // packets still in the pipeline
    uint16_t marked = 0;         // of these, those that got a verdict since the list was compacted
    bool one_attachment = false; // all packets that parse has let pass are of one
    // Bits, by packet.
    uint64_t ipv6 = 0;
    uint64_t link_local_source = 0; // IPv6: must not be forwarded, only taken
    uint64_t yellow = 0;            // to be sent with the DSCP of the excess rate
    uint64_t to_fragment = 0;       // set aside by find_way
    PerPacket<uint8_t> live;        // their indices, ascending
    PerPacket<Verdict> verdict;

    PerPacket<rte_mbuf*> packet;
    // Where the frame is, by parse, validate, rewrite and protect. The buffer itself says so only
    // when it leaves the pipeline.
    PerPacket<uint8_t*> frame; // DA
    PerPacket<uint32_t> frame_length;
    PerPacket<uint16_t> l3_offset; // from frame
    PerPacket<uint16_t> attachment;
    PerPacket<uint16_t> ip_length; // octets of the IP packet: what meters and counters count
    PerPacket<uint8_t> ttl;
    PerPacket<Ipv4Addr> destination4;
    PerPacket<uint32_t> flow_hash; // egress only
    PerPacket<uint32_t> target;    // FIB value
    PerPacket<uint8_t> member;     // egress: channel within the interconnect
    PerPacket<uint16_t> out_mtu;   // of those that are larger
    PerPacket<uint16_t> out_port;  // by rewrite

    void start(uint16_t packets) {
        size = packets;
        live_count = packets;
        marked = 0;
        ipv6 = link_local_source = to_fragment = 0;
        for (uint16_t i = 0; i < packets; ++i) {
            live[i] = static_cast<uint8_t>(i);
            verdict[i] = kInPipeline;
        }
    }
    [[nodiscard]] bool is_ipv6(uint8_t i) const { return (ipv6 >> i & 1) != 0; }
    void drop(uint8_t i, Drop reason) { decide(i, verdict_of(reason)); }
    void punt(uint8_t i, control::PuntReason reason) { decide(i, verdict_of(reason)); }

    void decide(uint8_t i, Verdict what) {
        verdict[i] = what;
        ++marked;
    }

    // The worker cuts it when the burst has left the pipeline.
    void set_aside(uint8_t i) {
        decide(i, kSetAside);
        to_fragment |= uint64_t{1} << i;
    }

    // Removes packets with a verdict from the list; a stage calls it once, at its end.
    void compact() {
        if (marked == 0) [[likely]]
            return;
        marked = 0;
        uint16_t kept = 0;
        for (uint16_t k = 0; k < live_count; ++k) {
            const uint8_t i = live[k];
            live[kept] = i;
            kept = static_cast<uint16_t>(kept + (verdict[i] == kInPipeline));
        }
        live_count = kept;
    }
};

} // namespace isthmus::dataplane
