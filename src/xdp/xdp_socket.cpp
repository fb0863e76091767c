// What workers do with a socket; setting it up is in xdp_socket_open.cpp.
#include "xdp/xdp_socket.hpp"

#include "xdp/xdp_umem.hpp"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace isthmus::xdp {
namespace {

// The kernel sends up to 32 frames in a call.
constexpr int kMostCalls = 8;

} // namespace

// Descriptors of whole frames, `count` frames at most: the kernel hands over frames, but not all
// descriptors of one need be visible yet.
uint32_t XdpSocket::whole_frames(uint32_t available, uint16_t count,
                                 uint16_t& frames) const noexcept {
    uint32_t descriptors = 0;
    frames = 0;
    for (uint32_t n = 0; n < available && frames < count; ++n) {
        const xdp_desc& piece = received_.front(n);
        rte_prefetch0(memory_ + piece.addr);
        if ((piece.options & kMoreFollows) == 0) {
            ++frames;
            descriptors = n + 1;
        }
    }
    return descriptors;
}

// One frame, from the `at`-th descriptor on; `at` moves behind it. False: too long for a buffer.
bool XdpSocket::copy_in(uint32_t& at, rte_mbuf* packet) noexcept {
    const uint32_t room = rte_pktmbuf_tailroom(packet);
    auto* to = rte_pktmbuf_mtod(packet, uint8_t*);
    uint32_t length = 0;
    bool fits = true;
    for (bool more = true; more; ++at) {
        const xdp_desc& piece = received_.front(at);
        more = (piece.options & kMoreFollows) != 0;
        fits = fits && piece.len <= room - length;
        if (!fits)
            continue;
        std::memcpy(to + length, memory_ + piece.addr, piece.len);
        length += piece.len;
    }
    packet->data_len = static_cast<uint16_t>(length);
    packet->pkt_len = length;
    return fits;
}

uint16_t XdpSocket::receive(rte_mbuf** packets, uint16_t count) noexcept {
    const uint32_t available = received_.available();
    uint16_t frames = 0;
    const uint32_t descriptors = available == 0 ? 0 : whole_frames(available, count, frames);
    // Without packet buffers frames stay where they are; the kernel counts those that find no room.
    if (frames == 0 || rte_pktmbuf_alloc_bulk(pool_, packets, frames) != 0) {
        nudge_receive();
        return 0;
    }
    uint16_t kept = 0;
    uint32_t at = 0;
    for (uint16_t n = 0; n < frames; ++n)
        if (copy_in(at, packets[kept]))
            ++kept;
    if (kept != frames) {
        oversized_.add(frames - kept);
        rte_pktmbuf_free_bulk(packets + kept, frames - kept);
    }
    for (uint32_t n = 0; n < descriptors; ++n)
        fill_.back(n) = received_.front(n).addr & ~uint64_t{chunk_size_ - 1};
    received_.pop(descriptors);
    fill_.push(descriptors);
    if (fill_.needs_nudge())
        recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    return kept;
}

// Also for what the kernel did not send at once, of a worker that has nothing more to send.
void XdpSocket::nudge_receive() noexcept {
    if (fill_.needs_nudge())
        recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    if (sending_.pending() != 0 && sending_.needs_nudge())
        sendto(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0);
}

void XdpSocket::reclaim() noexcept {
    const uint32_t count = sent_.available();
    for (uint32_t n = 0; n < count; ++n)
        free_[free_count_++] = sent_.front(n);
    if (count != 0)
        sent_.pop(count);
}

uint32_t XdpSocket::pieces(const rte_mbuf* packet) const noexcept {
    return packet->pkt_len <= chunk_size_ ? 1 : (packet->pkt_len + chunk_size_ - 1) / chunk_size_;
}

// There are chunks enough. A packet's segments and the chunks need not have the same bounds.
void XdpSocket::copy_out(const rte_mbuf* packet) noexcept {
    const rte_mbuf* segment = packet;
    uint32_t offset = 0; // in the segment
    uint32_t made = 0;
    for (uint32_t left = packet->pkt_len; left != 0;) {
        const uint32_t length = std::min(left, chunk_size_);
        const uint64_t chunk = free_[--free_count_];
        for (uint32_t filled = 0; filled < length;) {
            const uint32_t part = std::min(length - filled, segment->data_len - offset);
            std::memcpy(memory_ + chunk + filled,
                        rte_pktmbuf_mtod_offset(segment, const uint8_t*, offset), part);
            filled += part;
            offset += part;
            if (offset == segment->data_len) {
                segment = segment->next;
                offset = 0;
            }
        }
        left -= length;
        sending_.back(made++) = {chunk, length, left != 0 ? kMoreFollows : 0u};
    }
    sending_.push(made);
}

uint16_t XdpSocket::send(rte_mbuf** packets, uint16_t count) noexcept {
    reclaim();
    uint16_t taken = 0;
    for (; taken < count; ++taken) {
        const uint32_t needed = pieces(packets[taken]);
        if (needed > 1 && !multi_buffer_) {
            unsendable_.add(1);
            continue;
        }
        if (needed > free_count_)
            break;
        copy_out(packets[taken]);
    }
    if (taken != 0)
        rte_pktmbuf_free_bulk(packets, taken);
    nudge_send();
    return taken;
}

// Until everything is sent, or nothing moves any more: the next burst tries again.
void XdpSocket::nudge_send() noexcept {
    uint32_t before = sending_.pending();
    for (int call = 0; call < kMostCalls && before != 0 && sending_.needs_nudge(); ++call) {
        if (sendto(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno != EAGAIN)
            return;
        const uint32_t now = sending_.pending();
        if (now >= before)
            return;
        before = now;
    }
}

} // namespace isthmus::xdp
