#include "dataplane/xdp_socket.hpp"

#include <linux/if_xdp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/socket.h>

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

namespace isthmus::dataplane {

std::vector<int> sockets_of(int family) {
    std::vector<int> sockets;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        int domain = 0;
        socklen_t size = sizeof domain;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == family)
            sockets.push_back(fd);
    }
    return sockets;
}

std::vector<int> new_sockets(const std::vector<int>& before, const std::vector<int>& now) {
    std::vector<int> sockets = now;
    std::erase_if(sockets, [&](int fd) { return std::ranges::count(before, fd) != 0; });
    return sockets;
}

uint64_t xdp_ring_full(int socket) {
    xdp_statistics statistics{};
    socklen_t size = sizeof statistics;
    if (getsockopt(socket, SOL_XDP, XDP_STATISTICS, &statistics, &size) != 0)
        return 0;
    return statistics.rx_ring_full;
}

} // namespace isthmus::dataplane
