#pragma once
// One AF_XDP socket: the frames of one queue of an interface, both ways, in memory shared with the
// kernel. Frames are copied from there into packet buffers and back: what the pipeline needs
// (headroom, one piece, room for the cipher) no chunk of a page has, and the kernel may keep a
// chunk for as long as it likes.
//
// AF_XDP is a conversation with the kernel: sending and, with some drivers, refilling need a system
// call for each burst. That is why this is not for the fastest ports.

#include "isthmus/counter.hpp"
#include "isthmus/result.hpp"
#include "isthmus/types.hpp"
#include "xdp/interface.hpp"
#include "xdp/ring.hpp"

#include <cstdint>
#include <memory>
#include <vector>

struct rte_mbuf;
struct rte_mempool;

namespace isthmus::xdp {

struct SocketRequest {
    unsigned interface = 0; // its index
    uint16_t queue = 0;
    bool copy = false;           // no zero copy
    uint32_t largest_frame = 0;  // that the port must carry, without FCS
    rte_mempool* pool = nullptr; // outlives the socket
};

struct SocketLosses {
    uint64_t missed = 0, invalid = 0, tx_invalid = 0;
};

class XdpSocket {
  public:
    // Control thread. Errors name what the kernel lacks, or the limit that is too low.
    [[nodiscard]] static Result<std::unique_ptr<XdpSocket>> open(const SocketRequest& request);
    ~XdpSocket();
    XdpSocket(const XdpSocket&) = delete;
    XdpSocket& operator=(const XdpSocket&) = delete;

    // The worker that polls the queue.
    [[nodiscard]] uint16_t receive(rte_mbuf** packets, uint16_t count) noexcept;
    // The worker that sends by it, which may be another one.
    [[nodiscard]] uint16_t send(rte_mbuf** packets, uint16_t count) noexcept;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bool zero_copy() const { return zero_copy_; }
    [[nodiscard]] bool multi_buffer() const { return multi_buffer_; }
    // Any thread.
    [[nodiscard]] SocketLosses losses() const;
    [[nodiscard]] uint64_t oversized() const { return oversized_.get(); }
    [[nodiscard]] uint64_t unsendable() const { return unsendable_.get(); }

  private:
    XdpSocket(const SocketRequest& request);
    [[nodiscard]] Result<void> make_memory();
    [[nodiscard]] Result<void> make_rings();
    [[nodiscard]] Result<void> bind(const SocketRequest& request);

    uint32_t whole_frames(uint32_t available, uint16_t count, uint16_t& frames) const noexcept;
    [[nodiscard]] bool copy_in(uint32_t& at, rte_mbuf* packet) noexcept;
    void nudge_receive() noexcept;
    void reclaim() noexcept;
    [[nodiscard]] uint32_t pieces(const rte_mbuf* packet) const noexcept;
    void copy_out(const rte_mbuf* packet) noexcept;
    void nudge_send() noexcept;

    Descriptor fd_;
    uint8_t* memory_ = nullptr; // chunks to receive into, then chunks to send from
    uint32_t chunk_size_;
    bool zero_copy_ = false, multi_buffer_ = false;

    // The worker that polls.
    alignas(kCacheLine) Ring<uint64_t> fill_;
    Ring<xdp_desc> received_;
    rte_mempool* pool_;
    Counter oversized_;

    // The worker that sends.
    alignas(kCacheLine) Ring<xdp_desc> sending_;
    Ring<uint64_t> sent_;
    std::vector<uint64_t> free_; // chunks to send from; never grows
    std::size_t free_count_ = 0;
    Counter unsendable_; // longer than the device takes
};

} // namespace isthmus::xdp
