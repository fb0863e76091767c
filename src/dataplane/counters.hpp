#pragma once
// A worker's counters. Written by that worker only, read by the control thread at any time.

#include "control/host_stack.hpp"
#include "dataplane/burst_time.hpp"
#include "dataplane/large_pages.hpp"
#include "dataplane/meter.hpp"
#include "isthmus/counter.hpp"
#include "isthmus/drop.hpp"
#include "isthmus/types.hpp"
#include "macsec/secy.hpp"

#include <array>
#include <cstddef>
#include <vector>

namespace isthmus::dataplane {

// What a worker keeps of one direction of one attachment: counters of IP packets and their octets,
// and the meter's credit, which the control thread does not read. A packet within the committed
// rate touches the first of two lines.
struct alignas(kCacheLine) DirectionAccount {
    Counter rx_packets, rx_bytes;
    Counter tx_packets, tx_bytes;
    MeterCredit credit;
    Counter meter_drop_packets, meter_drop_bytes;
    Counter mss_clamped; // SYNs whose MSS was lowered
};
static_assert(offsetof(DirectionAccount, credit) + offsetof(MeterCredit, excess) == kCacheLine);
static_assert(sizeof(DirectionAccount) == 2 * kCacheLine);
using DirectionAccounts = std::vector<DirectionAccount, LargePages<DirectionAccount>>;

// Adds sent packets up, and touches the counters once for each run of packets of one attachment.
class TxCount {
  public:
    explicit TxCount(DirectionAccounts& accounts) : accounts_(accounts) {}
    TxCount(const TxCount&) = delete;
    TxCount& operator=(const TxCount&) = delete;
    ~TxCount() { flush(); }
    void add(uint16_t slot, uint16_t bytes) noexcept {
        if (slot != slot_) {
            flush();
            slot_ = slot;
        }
        ++packets_;
        bytes_ += bytes;
    }

  private:
    void flush() noexcept {
        if (packets_ == 0)
            return;
        accounts_[slot_].tx_packets.add(packets_);
        accounts_[slot_].tx_bytes.add(bytes_);
        packets_ = bytes_ = 0;
    }
    DirectionAccounts& accounts_;
    uint64_t packets_ = 0, bytes_ = 0;
    uint16_t slot_ = 0;
};

struct alignas(kCacheLine) PortCounters {
    Counter rx_packets, rx_bytes, tx_packets, tx_bytes;
    Counter rx_chained; // frames that came in several buffers
};

// rx + originated + fragments = tx + sum(drops) + sum(punted) + fragmented, but for packets in a
// worker's hands: a packet that is cut ends as fragmented, and its fragments begin.
struct alignas(kCacheLine) EdgeCounters {
    Counter rx, tx, originated;
    Counter fragmented, fragments;
    std::array<Counter, kDropCount> drops;
    std::array<Counter, control::kPuntReasonCount> punted;
};

// What a stage has done, and what a sample of its bursts has cost.
struct StageRuntime {
    Counter bursts, packets;
    Counter sampled_packets, sampled_cycles; // TSC cycles
};
inline constexpr std::size_t kEgressStages = 6;
inline constexpr std::size_t kIngressStages = 6;

struct alignas(kCacheLine) WorkerRuntime {
    Counter polls, idle_polls; // rounds over all queues; those that found nothing
    Counter rests, wakes;      // of an idle worker in adaptive mode; rests that work has ended
    StageRuntime rx, tx;
    std::array<StageRuntime, kEgressStages> egress;
    std::array<StageRuntime, kIngressStages> ingress;
    BurstTimes round_times; // of rounds that found something
};

struct WorkerCounters {
    WorkerRuntime runtime;
    DirectionAccounts egress;                // by AttachmentId
    DirectionAccounts ingress;               // by AttachmentId
    std::vector<PortCounters> ports;         // by PortId
    std::vector<EdgeCounters> edges;         // by EdgeId
    std::vector<macsec::SecyCounters> secys; // by ChannelId
};

} // namespace isthmus::dataplane
