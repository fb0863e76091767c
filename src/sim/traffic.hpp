#pragma once
// What a simulated VPC host (a port with the device "generator") is told to send, and what it saw.
// Plain values, shared by the API and the generator.

#include "isthmus/address.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace isthmus::sim {

// Octets of the IP packet and how often it comes in a round of its stream's sizes.
struct SizeWeight {
    uint16_t ip_bytes = 0; // 64 (IPv6: 80)..9100, and what fits a packet buffer
    uint16_t weight = 1;
};

// UDP packets from `source` to `destination`, with `flows` different source ports (1..4096), sizes
// in a fixed interleaved order by weight, paced at rate_bps (octets of IP packets).
struct Stream {
    IpAddr source;
    IpAddr destination;    // same family as source
    uint64_t rate_bps = 0; // 1 kbps..400 Gbps; 0: as fast as the worker polls
    uint16_t flows = 64;
    std::vector<SizeWeight> sizes; // 1..16, the sum of their weights at most 1000
};

// Replaces what the port sends. An empty list of streams stops it; reports go on counting.
struct TrafficSpec {
    // Sent in every packet and checked by the receiver: a packet whose tag is not the receiving
    // port's own tag has crossed between customers.
    uint32_t tag = 0;
    uint16_t vlan = 0; // 0: untagged
    // The host's own addresses: it answers ARP, ND for them. At most 64.
    std::vector<IpAddr> addresses;
    std::vector<Stream> streams; // at most 64
};

struct TrafficReport {
    TrafficSpec spec;
    uint64_t sent_packets = 0, sent_bytes = 0;         // octets of IP packets
    uint64_t received_packets = 0, received_bytes = 0; // with a valid mark and our own tag
    uint64_t foreign_packets = 0;   // valid mark, another tag: isolation is broken
    uint64_t corrupt_packets = 0;   // not as it was sent: checksum or mark is wrong
    uint64_t reordered_packets = 0; // within a flow: a number below one already seen
    uint64_t other_packets = 0;     // no mark: ICMP errors, ...
    uint64_t arp_replies = 0, nd_replies = 0;
};

} // namespace isthmus::sim
