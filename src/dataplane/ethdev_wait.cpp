#include "dataplane/ethdev_wait.hpp"

#include "dataplane/quiet_dpdk.hpp"

#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>

#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace isthmus::dataplane {
EthdevWait::EthdevWait(uint16_t ethdev, uint16_t queue, int socket, bool interrupts)
    : ethdev_(ethdev), queue_(queue), fd_(socket) {
    if (socket >= 0 || !interrupts)
        return;
    const QuietDpdk quiet;
    // The device's own descriptor is read and forgotten in ways that only DPDK knows, so it sits in
    // an epoll set, which can be waited on like any other descriptor.
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll >= 0 &&
        rte_eth_dev_rx_intr_ctl_q(ethdev, queue, epoll, RTE_INTR_EVENT_ADD, nullptr) == 0) {
        interrupt_ = true;
        fd_ = epoll;
        if (arm()) {
            disarm();
            return;
        }
        interrupt_ = false;
        fd_ = -1;
    }
    if (epoll >= 0)
        close(epoll);
}

EthdevWait::EthdevWait(EthdevWait&& other) noexcept
    : ethdev_(other.ethdev_), queue_(other.queue_), interrupt_(other.interrupt_),
      fd_(std::exchange(other.fd_, -1)) {}

EthdevWait::~EthdevWait() {
    if (interrupt_ && fd_ >= 0)
        close(fd_);
}

bool EthdevWait::arm() noexcept {
    if (!interrupt_)
        return fd_ >= 0;
    // TAP's is always on and can not be switched.
    const int code = rte_eth_dev_rx_intr_enable(ethdev_, queue_);
    return code == 0 || code == -ENOTSUP;
}

void EthdevWait::disarm() noexcept {
    if (!interrupt_)
        return;
    rte_eth_dev_rx_intr_disable(ethdev_, queue_);
    rte_epoll_event event;
    rte_epoll_wait(fd_, &event, 1, 0); // takes note of what has come, so that it is told but once
}

} // namespace isthmus::dataplane
