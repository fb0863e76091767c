#pragma once
// What an attachment is billed by: packets and octets that passed the measurement point, since the
// attachment was made, and records of them. Plain values.

#include <cstdint>
#include <string_view>

namespace isthmus::control {

// What is counted, and where. Named in every export: a change of it is another name.
inline constexpr std::string_view kMeasurementPoint = "customer-ip-delivered";
inline constexpr std::string_view kMeasurementText =
    "egress: IP packets of the attachment that the channel's port took for sending, after meter, "
    "routing and MACsec protection; ingress: those that the VPC port took, after MACsec "
    "validation, meter and routing. Bytes are those of the IP packet, header included, without "
    "Ethernet, VLAN tag, SecTAG, ICV and FCS; of a packet that the edge fragments, of its "
    "fragments. What the edge sends of its own (ARP, ND, ICMP) is not counted.";

// From the making of an attachment to its removal. One that is made again, under the same name,
// has another number.
using UsageLifeId = int64_t;

struct UsageTotals {
    uint64_t egress_packets = 0, egress_bytes = 0;
    uint64_t ingress_packets = 0, ingress_bytes = 0;

    bool operator==(const UsageTotals&) const = default;
    // Of counters that only grow, whatever their size.
    friend UsageTotals operator-(const UsageTotals& a, const UsageTotals& b) {
        return {a.egress_packets - b.egress_packets, a.egress_bytes - b.egress_bytes,
                a.ingress_packets - b.ingress_packets, a.ingress_bytes - b.ingress_bytes};
    }
    friend UsageTotals operator+(const UsageTotals& a, const UsageTotals& b) {
        return {a.egress_packets + b.egress_packets, a.egress_bytes + b.egress_bytes,
                a.ingress_packets + b.ingress_packets, a.ingress_bytes + b.ingress_bytes};
    }
};

// Why a record is not of a whole interval, or not by the clock. Bits of a row of the state file.
enum UsageFlag : uint32_t {
    kUsageAdded = 1,     // the attachment was made in it
    kUsageRemoved = 2,   // it was removed
    kUsageStopped = 4,   // the daemon was stopped in order, and started after the interval
    kUsageKilled = 8,    // it ended otherwise: see the unknown time of the next record
    kUsageClockSet = 16, // the wall clock was set
    kUsageLate = 32,     // it could not be closed in time, and is longer than its interval
};
struct UsageFlagName {
    UsageFlag flag;
    std::string_view name;
};
inline constexpr UsageFlagName kUsageFlags[] = {
    {kUsageAdded, "added"},   {kUsageRemoved, "removed"},    {kUsageStopped, "stopped"},
    {kUsageKilled, "killed"}, {kUsageClockSet, "clock_set"}, {kUsageLate, "late"},
};

// Of one interval, or of its part that the attachment and the daemon were there. Times are
// milliseconds since 1970.
struct UsageRecord {
    int64_t interval_ms = 0, interval_end_ms = 0; // by the clock
    int64_t from_ms = 0, to_ms = 0;               // what was metered; `to` of an open one: so far
    UsageTotals before, after;                    // since the attachment was made, at both ends
    uint32_t starts = 0;                          // of the daemon, in it
    // When packets may have passed that nobody could count: first begin, last end, sum.
    int64_t unknown_from_ms = 0, unknown_to_ms = 0, unknown_ms = 0;
    uint32_t flags = 0;

    // All of the interval is in it, exactly. An open record is not.
    [[nodiscard]] bool complete() const {
        return from_ms == interval_ms && to_ms == interval_end_ms && starts == 0 &&
               unknown_ms == 0 && flags == 0;
    }
};

} // namespace isthmus::control
