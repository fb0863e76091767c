// Stages protect and validate: from packet buffers to the SecY and back.

#include "dataplane/one_buffer.hpp"
#include "dataplane/stages.hpp"
#include "isthmus/wire.hpp"

#include <rte_mbuf.h>

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

// What can be said of a frame on a channel before any cryptography. False: dropped.
bool admit(const ChannelState& channel, const PortState& port, Burst& burst, uint8_t i) noexcept {
    const auto refuse = [&burst, i](Drop reason) {
        burst.drop(i, reason);
        return false;
    };
    rte_mbuf* packet = burst.packet[i];
    burst.frame[i] = rte_pktmbuf_mtod(packet, uint8_t*);
    burst.frame_length[i] = packet->pkt_len;
    if (packet->pkt_len < wire::kEthernetHeaderLength)
        return refuse(Drop::frame_truncated);
    if (packet->pkt_len > port.max_frame)
        return refuse(Drop::frame_oversized);
    const auto& header = *wire::overlay<wire::Ethernet>(burst.frame[i]);
    const bool tagged = header.ether_type == channel.rx.ether_type;
    // Taken out before the SecY counts it; otherwise InPktsNoTag would never be an alarm.
    if (!tagged && channel.clear.contains(header))
        return refuse(Drop::uncontrolled_unhandled);
    if (!channel.accept)
        return refuse(Drop::channel_admin_down);
    if (tagged && channel.rx.validate_frames == macsec::ValidateFrames::null)
        return refuse(Drop::macsec_unexpected);
    if (rte_pktmbuf_tailroom(packet) < macsec::kAeadSlack)
        return refuse(Drop::no_room);
    return true;
}

void take_frame(Burst& burst, uint8_t i, uint8_t* frame, uint32_t length) noexcept {
    burst.frame[i] = frame;
    burst.frame_length[i] = length;
    set_frame(burst.packet[i], frame, length);
}

// What packets for one port are protected by; mostly all of a burst go out by one.
struct SendingSecy {
    SendingSecy(StageContext& context, uint16_t id)
        : out_port(id), port(&context.state.ports[id]),
          tx(&context.state.channels[port->channel.value].tx[context.worker]),
          counters(&context.counters.secys[port->channel.value]) {}
    uint16_t out_port;
    const PortState* port;
    const macsec::TxBinding* tx;
    macsec::SecyCounters* counters;
};

} // namespace

void protect_frames(StageContext& context, Burst& burst) noexcept {
    std::array<macsec::ProtectFrame, kBurstMax> frames;
    std::array<uint8_t, kBurstMax> index;
    uint16_t count = 0;
    SendingSecy secy(context, burst.out_port[burst.live[0]]);
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (burst.out_port[i] != secy.out_port)
            secy = SendingSecy(context, burst.out_port[i]);
        if (!secy.tx->protect_frames) { // nothing of the frame changes
            secy.counters->out_pkts_untagged.add(1);
            continue;
        }
        rte_mbuf* packet = burst.packet[i];
        if (rte_pktmbuf_headroom(packet) < kSecTagLength ||
            rte_pktmbuf_tailroom(packet) < kIcvLength + macsec::kAeadSlack) [[unlikely]] {
            burst.drop(i, Drop::no_room);
            continue;
        }
        frames[count] = {burst.frame[i], burst.frame_length[i], secy.port->max_frame,
                         secy.tx,        secy.counters,         ProtectVerdict::ok};
        index[count++] = i;
    }
    if (count != 0)
        macsec::protect(context.aead, std::span(frames.data(), count));
    for (uint16_t n = 0; n < count; ++n) {
        if (frames[n].verdict == ProtectVerdict::ok) [[likely]]
            take_frame(burst, index[n], frames[n].frame, frames[n].length);
        else
            burst.drop(index[n], drop_for(frames[n].verdict));
    }
    burst.compact();
}

void validate_frames(StageContext& context, Burst& burst) noexcept {
    const uint16_t id = context.port.channel.value;
    const ChannelState& channel = context.state.channels[id];
    macsec::SecyCounters& secy = context.counters.secys[id];
    std::array<macsec::ValidateFrame, kBurstMax> frames;
    std::array<uint8_t, kBurstMax> index;
    uint16_t count = 0;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        if (!admit(channel, context.port, burst, i)) [[unlikely]]
            continue;
        frames[count] = {burst.frame[i], burst.frame_length[i], &channel.rx, &secy,
                         ValidateVerdict::ok};
        index[count++] = i;
    }
    // On a channel without MACsec nothing of the frames changes or is counted.
    if (count != 0 && channel.rx.validate_frames != macsec::ValidateFrames::null) {
        macsec::validate(context.aead, std::span(frames.data(), count));
        for (uint16_t n = 0; n < count; ++n) {
            if (frames[n].verdict == ValidateVerdict::ok) [[likely]]
                take_frame(burst, index[n], frames[n].frame, frames[n].length);
            else
                burst.drop(index[n], drop_for(frames[n].verdict));
        }
    }
    burst.compact();
}

} // namespace isthmus::dataplane
