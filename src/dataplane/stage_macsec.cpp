// Stages protect and validate: from packet buffers to the SecY and back.

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

// What can be said of a frame on a channel before any cryptography.
void admit(const ChannelState& channel, const PortState& port, Burst& burst, uint8_t i) noexcept {
    rte_mbuf* packet = burst.packet[i];
    burst.frame[i] = rte_pktmbuf_mtod(packet, uint8_t*);
    burst.frame_length[i] = packet->pkt_len;
    if (packet->pkt_len < wire::kEthernetHeaderLength)
        return burst.drop(i, Drop::frame_truncated);
    if (packet->pkt_len > port.max_frame)
        return burst.drop(i, Drop::frame_oversized);
    const auto& header = *wire::overlay<wire::Ethernet>(burst.frame[i]);
    const bool tagged = header.ether_type == channel.rx.ether_type;
    // Taken out before the SecY counts it; otherwise InPktsNoTag would never be an alarm.
    if (!tagged && channel.clear.contains(header))
        return burst.drop(i, Drop::uncontrolled_unhandled);
    if (!channel.accept)
        return burst.drop(i, Drop::channel_admin_down);
    if (tagged && channel.rx.validate_frames == macsec::ValidateFrames::null)
        return burst.drop(i, Drop::macsec_unexpected);
    if (rte_pktmbuf_tailroom(packet) < macsec::kAeadSlack)
        return burst.drop(i, Drop::no_room);
}

} // namespace

void protect_frames(StageContext& context, Burst& burst) noexcept {
    const PortState* const ports = context.state.ports.data();
    const ChannelState* const channels = context.state.channels.data();
    std::array<macsec::ProtectFrame, kBurstMax> frames;
    std::array<uint8_t, kBurstMax> index;
    uint16_t count = 0;
    for (uint16_t k = 0; k < burst.live_count; ++k) {
        const uint8_t i = burst.live[k];
        const PortState& port = ports[burst.out_port[i]];
        const macsec::TxBinding& tx = channels[port.channel.value].tx[context.worker];
        macsec::SecyCounters& secy = context.counters.secys[port.channel.value];
        if (!tx.protect_frames) { // nothing of the frame changes
            secy.out_pkts_untagged.add(1);
            continue;
        }
        rte_mbuf* packet = burst.packet[i];
        if (rte_pktmbuf_headroom(packet) < kSecTagLength ||
            rte_pktmbuf_tailroom(packet) < kIcvLength + macsec::kAeadSlack) {
            burst.drop(i, Drop::no_room);
            continue;
        }
        frames[count] = {burst.frame[i], burst.frame_length[i], port.max_frame, &tx,
                         &secy,          ProtectVerdict::ok};
        index[count++] = i;
    }
    if (count != 0)
        macsec::protect(context.aead, std::span(frames.data(), count));
    for (uint16_t n = 0; n < count; ++n) {
        const uint8_t i = index[n];
        if (frames[n].verdict != ProtectVerdict::ok) {
            burst.drop(i, drop_for(frames[n].verdict));
            continue;
        }
        const auto front = static_cast<uint16_t>(burst.frame[i] - frames[n].frame);
        const auto back = static_cast<uint16_t>(frames[n].length - burst.frame_length[i] - front);
        rte_pktmbuf_prepend(burst.packet[i], front);
        rte_pktmbuf_append(burst.packet[i], back);
        burst.frame[i] = frames[n].frame;
        burst.frame_length[i] = frames[n].length;
    }
    burst.compact();
}

void validate_frames(StageContext& context, Burst& burst) noexcept {
    const uint16_t id = context.port.channel.value;
    const ChannelState& channel = context.state.channels[id];
    for (uint16_t k = 0; k < burst.live_count; ++k)
        admit(channel, context.port, burst, burst.live[k]);
    burst.compact();
    if (channel.rx.validate_frames == macsec::ValidateFrames::null)
        return; // a channel without MACsec: nothing of the frames changes or is counted

    std::array<macsec::ValidateFrame, kBurstMax> frames;
    const uint16_t count = burst.live_count;
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        frames[k] = {burst.frame[i], burst.frame_length[i], &channel.rx,
                     &context.counters.secys[id], ValidateVerdict::ok};
    }
    macsec::validate(context.aead, std::span(frames.data(), count));
    for (uint16_t k = 0; k < count; ++k) {
        const uint8_t i = burst.live[k];
        if (frames[k].verdict != ValidateVerdict::ok) {
            burst.drop(i, drop_for(frames[k].verdict));
            continue;
        }
        const auto front = static_cast<uint16_t>(frames[k].frame - burst.frame[i]);
        const auto back = static_cast<uint16_t>(burst.frame_length[i] - front - frames[k].length);
        rte_pktmbuf_adj(burst.packet[i], front);
        rte_pktmbuf_trim(burst.packet[i], back);
        burst.frame[i] = frames[k].frame;
        burst.frame_length[i] = frames[k].length;
    }
    burst.compact();
}

} // namespace isthmus::dataplane
