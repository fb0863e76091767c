// Stages protect and validate: from packet buffers to the SecY and back.

#include "dataplane/one_buffer.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"
#include "macsec/protect.hpp"

#include <rte_mbuf.h>

#include <algorithm>

namespace isthmus::dataplane {
namespace {

using macsec::kIcvLength;
using macsec::kSecTagLength;
using macsec::ProtectVerdict;
using macsec::ValidateVerdict;

Drop drop_for(ValidateVerdict verdict) noexcept {
    switch (verdict) {
    case ValidateVerdict::no_tag:
        return Drop::macsec_no_tag;
    case ValidateVerdict::bad_tag:
        return Drop::macsec_bad_tag;
    case ValidateVerdict::not_controlled:
        return Drop::macsec_not_controlled;
    case ValidateVerdict::no_sci:
        return Drop::macsec_no_sci;
    case ValidateVerdict::not_using_sa:
        return Drop::macsec_not_using_sa;
    case ValidateVerdict::late:
        return Drop::macsec_late;
    case ValidateVerdict::not_valid:
    case ValidateVerdict::ok:
        break;
    }
    return Drop::macsec_not_valid;
}

Drop drop_for(ProtectVerdict verdict) noexcept {
    switch (verdict) {
    case ProtectVerdict::pn_exhausted:
        return Drop::macsec_pn_exhausted;
    case ProtectVerdict::too_long:
        return Drop::macsec_too_long;
    case ProtectVerdict::no_tx_sa:
    case ProtectVerdict::ok:
        break;
    }
    return Drop::macsec_no_tx_sa;
}

// What can be said of frames on a channel before any cryptography.
class Admission {
  public:
    Admission(const ChannelState& channel, const PortState& port)
        : clear_(&channel.clear), most_(port.max_frame), ether_type_(channel.rx.ether_type),
          accept_(channel.accept),
          tags_(channel.rx.validate_frames != macsec::ValidateFrames::null) {}
    // False: dropped.
    bool admit(const rte_mbuf* packet, Burst& burst, uint8_t i) const noexcept {
        const uint32_t length = packet->pkt_len;
        if (length < wire::kEthernetHeaderLength) [[unlikely]]
            return refuse(burst, i, Drop::frame_truncated);
        if (length > most_) [[unlikely]]
            return refuse(burst, i, Drop::frame_oversized);
        const auto& header = *rte_pktmbuf_mtod(packet, const wire::Ethernet*);
        const bool tagged = header.ether_type == ether_type_;
        // Taken out before the SecY counts it; otherwise InPktsNoTag would never be an alarm.
        if (!tagged && clear_->contains(header)) [[unlikely]]
            return refuse(burst, i, Drop::uncontrolled_unhandled);
        if (!accept_) [[unlikely]]
            return refuse(burst, i, Drop::channel_admin_down);
        if (tagged && !tags_) [[unlikely]]
            return refuse(burst, i, Drop::macsec_unexpected);
        if (rte_pktmbuf_tailroom(packet) < macsec::kAeadSlack) [[unlikely]]
            return refuse(burst, i, Drop::no_room);
        return true;
    }

  private:
    static bool refuse(Burst& burst, uint8_t i, Drop reason) noexcept {
        burst.drop(i, reason);
        return false;
    }
    const ClearFrames* clear_;
    uint32_t most_; // octets
    Be16 ether_type_;
    bool accept_;
    bool tags_; // the SecY takes SecTAGs
};

void place_frame(Burst& burst, uint8_t i, uint8_t* frame, uint32_t length) noexcept {
    burst.frame[i] = frame;
    burst.frame_length[i] = length;
}

// For what protecting a frame adds to it, in front and behind.
bool has_room(const rte_mbuf& packet, const uint8_t* frame, uint32_t length) noexcept {
    const auto before = static_cast<std::size_t>(frame - static_cast<uint8_t*>(packet.buf_addr));
    return before >= kSecTagLength &&
           before + length + kIcvLength + macsec::kAeadSlack <= packet.buf_len;
}

// Packets that go out by one port, for ProtectBatch.
class OutgoingRun {
  public:
    explicit OutgoingRun(Burst& burst) : burst_(burst) {}
    void append(uint8_t i) noexcept {
        index_[size_++] = i;
        longest_ = std::max(longest_, burst_.frame_length[i]);
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] uint32_t longest() const noexcept { return longest_; }
    [[nodiscard]] uint8_t* frame(std::size_t n) const noexcept { return burst_.frame[index_[n]]; }
    [[nodiscard]] uint32_t length(std::size_t n) const noexcept {
        return burst_.frame_length[index_[n]];
    }
    void take(std::size_t n, uint8_t* frame, uint32_t length) noexcept {
        place_frame(burst_, index_[n], frame, length);
        set_frame(burst_.packet[index_[n]], frame, length);
    }
    void refuse(std::size_t n, ProtectVerdict verdict) noexcept {
        burst_.drop(index_[n], drop_for(verdict));
    }

  private:
    Burst& burst_;
    std::size_t size_ = 0;
    uint32_t longest_ = 0;
    PerPacket<uint8_t> index_;
};

// Prepares the packets from live[begin] on that go out by one port. Returns where others begin.
uint16_t protect_run(StageContext& context, Burst& burst, uint16_t begin,
                     macsec::ProtectBatch& batch) noexcept {
    const uint16_t out_port = burst.out_port[burst.live[begin]];
    const PortState& port = context.state.ports[out_port];
    const ChannelState& channel = context.state.channels[port.channel.value];
    const macsec::TxBinding& tx = channel.tx[context.worker];
    macsec::SecyCounters& secy = context.counters.secys[port.channel.value];
    OutgoingRun run(burst);
    uint64_t in_clear = 0;
    uint16_t k = begin;
    for (; k < burst.live_count && burst.out_port[burst.live[k]] == out_port; ++k) {
        const uint8_t i = burst.live[k];
        if (!tx.protect_frames) { // finished as it is
            set_frame(burst.packet[i], burst.frame[i], burst.frame_length[i]);
            ++in_clear;
        } else if (!has_room(*burst.packet[i], burst.frame[i], burst.frame_length[i]))
            [[unlikely]] {
            burst.drop(i, Drop::no_room);
        } else {
            run.append(i);
        }
    }
    secy.out_pkts_untagged.add(in_clear);
    if (run.size() != 0)
        batch.add(tx, secy, port.max_frame, run);
    return k;
}

} // namespace

void protect_frames(StageContext& context, Burst& burst) noexcept {
    macsec::ProtectBatch batch;
    for (uint16_t k = 0; k < burst.live_count;)
        k = protect_run(context, burst, k, batch);
    batch.seal(context.aead);
    burst.compact();
}

void validate_frames(StageContext& context, Burst& burst) noexcept {
    const uint16_t id = context.port.channel.value;
    const ChannelState& channel = context.state.channels[id];
    const Admission admission(channel, context.port);
    std::array<macsec::ValidateFrame, kBurstMax> frames;
    std::array<uint8_t, kBurstMax> index;
    uint16_t count = 0;
    const uint16_t packets = burst.live_count;
    for (uint16_t k = 0; k < packets; ++k) {
        const uint8_t i = burst.live[k];
        const rte_mbuf* packet = burst.packet[i];
        if (!admission.admit(packet, burst, i)) [[unlikely]]
            continue;
        frames[count].frame = rte_pktmbuf_mtod(packet, uint8_t*);
        frames[count].length = packet->pkt_len;
        index[count++] = i;
    }
    // On a channel without MACsec nothing of the frames changes or is counted.
    const bool secured = channel.rx.validate_frames != macsec::ValidateFrames::null;
    if (secured)
        macsec::validate(context.aead, channel.rx, context.counters.secys[id],
                         std::span(frames.data(), count));
    for (uint16_t n = 0; n < count; ++n) {
        if (!secured || frames[n].verdict == ValidateVerdict::ok) [[likely]]
            place_frame(burst, index[n], frames[n].frame, frames[n].length);
        else
            burst.drop(index[n], drop_for(frames[n].verdict));
    }
    burst.compact();
}

} // namespace isthmus::dataplane
