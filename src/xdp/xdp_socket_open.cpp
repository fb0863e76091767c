// Setting up an AF_XDP socket.
#include "xdp/xdp_socket.hpp"

#include "xdp/xdp_umem.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>

namespace isthmus::xdp {
namespace {

// Room for all that the send ring holds: the kernel charges a socket for frames on their way.
constexpr int kSendBuffer = 16 << 20;

// A process that has ended may take so long to let go of its queue.
constexpr auto kLetGo = std::chrono::milliseconds(2000);

constexpr std::size_t kChunks = kRxChunks + kTxChunks;

Error failed(const char* step) {
    return {ErrorCode::invalid, fmt::format("{}: {}", step, std::strerror(errno))};
}

template <class Value> bool set_option(int socket, int option, const Value& value) {
    return setsockopt(socket, SOL_XDP, option, &value, sizeof value) == 0;
}

// The kernel counts shared memory against the limit of locked memory.
Error memory_refused(std::size_t bytes) {
    if (errno != ENOBUFS)
        return failed("sharing packet memory with the kernel");
    rlimit limit{};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    return {ErrorCode::invalid,
            fmt::format("sharing packet memory with the kernel: {} octets do not fit into the "
                        "limit of locked memory, {} (ulimit -l, LimitMEMLOCK=, or CAP_IPC_LOCK)",
                        bytes, limit.rlim_cur),
            "memlock", std::to_string(limit.rlim_cur), std::to_string(bytes)};
}

} // namespace

XdpSocket::XdpSocket(const SocketRequest& request)
    : fd_(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)),
      chunk_size_(chunk_size_for(request.largest_frame)),
      multi_buffer_(request.largest_frame > largest_in_chunk(chunk_size_)), pool_(request.pool),
      free_(kTxChunks) {}

XdpSocket::~XdpSocket() {
    fd_.reset();
    if (memory_ != nullptr)
        munmap(memory_, kChunks * chunk_size_);
}

Result<std::unique_ptr<XdpSocket>> XdpSocket::open(const SocketRequest& request) {
    std::unique_ptr<XdpSocket> made(new XdpSocket(request));
    if (made->fd() < 0)
        return failed("the kernel gives no AF_XDP socket (CONFIG_XDP_SOCKETS, CAP_NET_RAW)");
    if (auto good = made->make_memory(); !good)
        return good.error();
    if (auto good = made->make_rings(); !good)
        return good.error();
    if (auto good = made->bind(request); !good)
        return good.error();
    return made;
}

Result<void> XdpSocket::make_memory() {
    const std::size_t bytes = kChunks * chunk_size_;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return failed("memory for packets");
    memory_ = static_cast<uint8_t*>(memory);
    xdp_umem_reg area{};
    area.addr = reinterpret_cast<uint64_t>(memory_);
    area.len = bytes;
    area.chunk_size = chunk_size_;
    if (!set_option(fd(), XDP_UMEM_REG, area))
        return memory_refused(bytes);
    for (uint32_t n = 0; n < kTxChunks; ++n)
        free_[free_count_++] = uint64_t{kRxChunks + n} * chunk_size_;
    return {};
}

Result<void> XdpSocket::make_rings() {
    xdp_mmap_offsets offsets{};
    socklen_t size = sizeof offsets;
    const bool sized = set_option(fd(), XDP_UMEM_FILL_RING, kRxChunks) &&
                       set_option(fd(), XDP_UMEM_COMPLETION_RING, kTxChunks) &&
                       set_option(fd(), XDP_RX_RING, kRxChunks) &&
                       set_option(fd(), XDP_TX_RING, kTxChunks);
    if (!sized || getsockopt(fd(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0)
        return failed("rings of an AF_XDP socket");
    if (!fill_.map(fd(), offsets.fr, kRxChunks, off_t{XDP_UMEM_PGOFF_FILL_RING}) ||
        !sent_.map(fd(), offsets.cr, kTxChunks, off_t{XDP_UMEM_PGOFF_COMPLETION_RING}) ||
        !received_.map(fd(), offsets.rx, kRxChunks, XDP_PGOFF_RX_RING) ||
        !sending_.map(fd(), offsets.tx, kTxChunks, off_t{XDP_PGOFF_TX_RING}))
        return failed("rings of an AF_XDP socket");
    for (uint32_t n = 0; n < kRxChunks; ++n)
        fill_.back(n) = uint64_t{n} * chunk_size_;
    fill_.push(kRxChunks);
    // Without the privilege the smaller limit holds.
    if (setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) != 0)
        setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    return {};
}

Result<void> XdpSocket::bind(const SocketRequest& request) {
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_ifindex = request.interface;
    address.sxdp_queue_id = request.queue;
    // Without XDP_COPY the kernel prefers zero copy and falls back by itself.
    address.sxdp_flags = static_cast<uint16_t>(XDP_USE_NEED_WAKEUP | (request.copy ? XDP_COPY : 0) |
                                               (multi_buffer_ ? kUseMultiBuffer : 0));
    const auto try_it = [&] {
        return ::bind(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    };
    const auto deadline = std::chrono::steady_clock::now() + kLetGo;
    bool bound = try_it();
    while (!bound && errno == EBUSY && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        bound = try_it();
    }
    if (!bound && multi_buffer_ && (errno == EINVAL || errno == EOPNOTSUPP))
        return Error{ErrorCode::invalid,
                     fmt::format("frames of {} octets need AF_XDP with several buffers for each, "
                                 "which this kernel (before Linux 6.6) or driver does not have; "
                                 "without, a frame has at most {}",
                                 request.largest_frame, largest_in_chunk(chunk_size_)),
                     "mtu", std::to_string(request.largest_frame),
                     std::to_string(largest_in_chunk(chunk_size_))};
    if (!bound)
        return failed("binding an AF_XDP socket to its queue");
    xdp_options options{};
    socklen_t size = sizeof options;
    zero_copy_ = getsockopt(fd(), SOL_XDP, XDP_OPTIONS, &options, &size) == 0 &&
                 (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    return {};
}

SocketLosses XdpSocket::losses() const {
    xdp_statistics now{};
    socklen_t size = sizeof now;
    if (getsockopt(fd(), SOL_XDP, XDP_STATISTICS, &now, &size) != 0)
        return {};
    // rx_fill_ring_empty_descs are part of rx_dropped.
    return {now.rx_dropped + now.rx_ring_full, now.rx_invalid_descs, now.tx_invalid_descs};
}

} // namespace isthmus::xdp
