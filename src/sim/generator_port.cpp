#include "sim/generator_port.hpp"

#include "macsec/aead_op.hpp"
#include "macsec/suite.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace isthmus::sim {
namespace {

// Behind the packet the edge appends the ICV of MACsec; its SecTAG goes into headroom.
constexpr int kTailRoom = macsec::kIcvLength + macsec::kAeadSlack;
constexpr int kL2Bytes = wire::kEthernetHeaderLength + wire::kVlanTagLength;

uint64_t read_tsc() noexcept {
    return rte_rdtsc();
}

uint16_t max_ip_bytes(rte_mempool* pool) {
    const int room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
    return static_cast<uint16_t>(std::clamp(room - kL2Bytes - kTailRoom, 0, int{kMaxIpBytes}));
}

// Locally administered (second bit of the first octet), unicast.
MacAddr mac_from(uint32_t seed) {
    return {{0x06, 0x67, static_cast<uint8_t>(seed >> 24), static_cast<uint8_t>(seed >> 16),
             static_cast<uint8_t>(seed >> 8), static_cast<uint8_t>(seed)}};
}

void set_length(rte_mbuf& packet, uint16_t bytes) {
    packet.data_len = bytes;
    packet.pkt_len = bytes;
}

void write_packet(rte_mbuf& packet, const PacketTemplate& made, uint16_t flow, uint32_t id,
                  uint64_t sequence) {
    auto* frame = rte_pktmbuf_mtod(&packet, uint8_t*);
    std::memcpy(frame, made.head.data(), made.head.size());
    std::memcpy(frame + made.head_bytes, kFiller.data(),
                std::size_t{made.frame_bytes} - made.head_bytes);
    auto* udp = wire::overlay<Udp>(frame + made.udp_offset);
    auto* mark = wire::overlay<Mark>(frame + made.udp_offset + sizeof(Udp));
    udp->source = static_cast<uint16_t>(kFirstSourcePort + flow);
    mark->flow = id;
    mark->sequence = sequence;
    // The template's sum holds zeros in their place.
    const uint64_t sequence_raw = mark->sequence.raw();
    const uint16_t checksum =
        wire::checksum_finish(made.udp_sum + udp->source.raw() + mark->flow.raw() +
                              (sequence_raw & 0xffffffff) + (sequence_raw >> 32));
    udp->checksum.set_raw(checksum == 0 ? 0xffff : checksum); // 0 would mean "none" (RFC 768)
    set_length(packet, made.frame_bytes);
}

} // namespace

PaceClock PaceClock::tsc() {
    return {read_tsc, rte_get_tsc_hz()};
}

GeneratorPort::GeneratorPort(rte_mempool* pool, MacAddr edge_mac, uint32_t seed, PaceClock clock)
    : pool_(pool), host_{mac_from(seed), edge_mac, seed, max_ip_bytes(pool), clock.hz},
      clock_(clock), receiver_(host_.mac, replies_) {
    install(std::make_unique<TrafficPlan>());
}

GeneratorPort::~GeneratorPort() = default;

TrafficPlan* GeneratorPort::InUse::acquire(const std::atomic<TrafficPlan*>& current) noexcept {
    TrafficPlan* held = plan.load(std::memory_order_relaxed);
    TrafficPlan* newest = current.load(std::memory_order_acquire);
    // A plan that is published stays allocated, so an equal pointer is the same plan.
    while (newest != held) {
        plan.store(newest, std::memory_order_seq_cst);
        held = newest;
        newest = current.load(std::memory_order_seq_cst);
    }
    return held;
}

void GeneratorPort::install(std::unique_ptr<TrafficPlan> plan) {
    current_.store(plan.get(), std::memory_order_seq_cst);
    bell_.ring();
    plans_.push_back(std::move(plan));
    const TrafficPlan* kept[] = {plans_.back().get(), sending_.plan.load(std::memory_order_seq_cst),
                                 receiving_.plan.load(std::memory_order_seq_cst)};
    std::erase_if(plans_, [&](const std::unique_ptr<TrafficPlan>& old) {
        return std::find(std::begin(kept), std::end(kept), old.get()) == std::end(kept);
    });
}

Result<void> GeneratorPort::set_traffic(const TrafficSpec& spec) {
    auto plan = compile_traffic(spec, host_, epoch_ + 1);
    if (!plan)
        return plan.error();
    ++epoch_;
    spec_ = spec;
    install(std::move(*plan));
    return {};
}

void GeneratorPort::stop() {
    spec_.streams.clear();
    spec_.addresses.clear();
    // With the tag that it had: packets still under way are not foreign.
    auto plan = std::make_unique<TrafficPlan>();
    plan->tag = spec_.tag;
    plan->vlan = spec_.vlan;
    plan->epoch = epoch_;
    install(std::move(plan));
}

uint16_t GeneratorPort::rx_burst(uint16_t /*queue*/, rte_mbuf** packets, uint16_t count) noexcept {
    TrafficPlan& plan = newest_plan();
    const uint64_t now = clock_.now_tsc();
    // A clock of another core may be behind.
    const uint64_t elapsed = now > last_tsc_ ? now - last_tsc_ : 0;
    last_tsc_ = now;
    for (StreamPlan& stream : plan.streams)
        stream.earn(elapsed);
    const uint16_t replies = send_replies(packets, count);
    if (plan.streams.empty())
        return replies;
    return static_cast<uint16_t>(
        replies + generate(plan, packets + replies, static_cast<uint16_t>(count - replies)));
}

bool GeneratorPort::arm(uint16_t /*queue*/) noexcept {
    return bell_.arm() && newest_plan().streams.empty();
}

TrafficPlan& GeneratorPort::newest_plan() noexcept {
    const TrafficPlan* before = sending_.plan.load(std::memory_order_relaxed);
    TrafficPlan* plan = sending_.acquire(current_);
    if (plan != before) {
        last_tsc_ = clock_.now_tsc();
        next_stream_ = 0;
    }
    return *plan;
}

uint16_t GeneratorPort::send_replies(rte_mbuf** packets, uint16_t count) noexcept {
    uint16_t sent = 0;
    while (sent < count) {
        const Reply* reply = replies_.front();
        if (reply == nullptr)
            break;
        rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
        if (packet == nullptr)
            break;
        std::memcpy(rte_pktmbuf_mtod(packet, uint8_t*), reply->frame.data(), reply->length);
        set_length(*packet, reply->length);
        (reply->nd ? nd_replies_ : arp_replies_).add(1);
        replies_.pop();
        packets[sent++] = packet;
    }
    return sent;
}

// Streams take turns, packet by packet, from where the last burst ended, so that a short burst
// starves none of them.
uint16_t GeneratorPort::generate(TrafficPlan& plan, rte_mbuf** packets, uint16_t count) noexcept {
    struct Due {
        const PacketTemplate* made;
        uint32_t id;
        uint16_t flow;
    };
    Due due[kBurstMax];
    const auto limit = std::min(count, kBurstMax);
    uint16_t ready = 0;
    std::size_t idle = 0; // streams in a row that had nothing
    while (ready < limit && idle < plan.streams.size()) {
        Due& next = due[ready];
        next.made = plan.streams[next_stream_].take(next.flow);
        if (next.made != nullptr) {
            next.id = flow_id(plan.epoch, next_stream_, next.flow);
            ++ready;
            idle = 0;
        } else {
            ++idle;
        }
        if (++next_stream_ == plan.streams.size())
            next_stream_ = 0;
    }
    // Without packet buffers the turn is lost: a host that can not send does not save it up.
    if (ready == 0 || rte_pktmbuf_alloc_bulk(pool_, packets, ready) != 0)
        return 0;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < ready; ++i) {
        write_packet(*packets[i], *due[i].made, due[i].flow, due[i].id, ++sequence_);
        bytes += due[i].made->ip_bytes;
    }
    sent_packets_.add(ready);
    sent_bytes_.add(bytes);
    return ready;
}

uint16_t GeneratorPort::tx_burst(uint16_t /*queue*/, rte_mbuf** packets, uint16_t count) noexcept {
    const TrafficPlan* plan = receiving_.acquire(current_);
    const uint32_t replies = replies_.pushed();
    for (uint16_t i = 0; i < count; ++i) {
        // The edge sends packets in one piece; of a longer one the first piece is judged, and
        // found short.
        const rte_mbuf* packet = packets[i];
        receiver_.receive(*plan, {rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len});
    }
    if (replies_.pushed() != replies)
        bell_.ring();
    rte_pktmbuf_free_bulk(packets, count);
    return count;
}

TrafficReport GeneratorPort::report() const {
    TrafficReport report;
    report.spec = spec_;
    report.sent_packets = sent_packets_.get();
    report.sent_bytes = sent_bytes_.get();
    report.received_packets = receiver_.counters.received_packets.get();
    report.received_bytes = receiver_.counters.received_bytes.get();
    report.foreign_packets = receiver_.counters.foreign_packets.get();
    report.corrupt_packets = receiver_.counters.corrupt_packets.get();
    report.reordered_packets = receiver_.counters.reordered_packets.get();
    report.other_packets = receiver_.counters.other_packets.get();
    report.arp_replies = arp_replies_.get();
    report.nd_replies = nd_replies_.get();
    return report;
}

} // namespace isthmus::sim
