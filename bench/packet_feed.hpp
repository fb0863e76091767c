#pragma once
// Offers frames to a kernel interface by a packet socket, as fast as the kernel takes them. Those
// that find a queue full are lost, as on a wire.

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace isthmus::bench {

// Until `stop`, all frames in turn.
inline void offer(const std::string& interface, std::vector<std::vector<uint8_t>> frames,
                  const std::atomic<bool>& stop) {
    constexpr std::size_t kBurst = 32;
    const int fd = socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    const int on = 1;
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    if (address.sll_ifindex == 0 || frames.empty() ||
        bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        std::abort();
    std::array<iovec, kBurst> parts{};
    std::array<mmsghdr, kBurst> messages{};
    for (std::size_t next = 0; !stop.load(std::memory_order_relaxed);) {
        for (std::size_t n = 0; n < kBurst; ++n, ++next) {
            auto& frame = frames[next % frames.size()];
            parts[n] = {frame.data(), frame.size()};
            messages[n].msg_hdr.msg_iov = &parts[n];
            messages[n].msg_hdr.msg_iovlen = 1;
        }
        sendmmsg(fd, messages.data(), kBurst, 0);
    }
    close(fd);
}

} // namespace isthmus::bench
