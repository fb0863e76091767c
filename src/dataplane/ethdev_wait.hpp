#pragma once
// How one receive queue of a DPDK device tells that packets have come: by a socket of its driver,
// or by a receive interrupt. Which of them a device has is found out by asking it.

#include <cstdint>

namespace isthmus::dataplane {

class EthdevWait {
  public:
    EthdevWait() = default;
    // Control thread, of a device that has been started. `socket`: of the queue, or -1. Without
    // one, interrupts are asked for if `interrupts`, with which the device has to be configured.
    EthdevWait(uint16_t ethdev, uint16_t queue, int socket, bool interrupts);
    EthdevWait(EthdevWait&& other) noexcept;
    EthdevWait& operator=(EthdevWait&&) = delete;
    ~EthdevWait();

    [[nodiscard]] int fd() const noexcept { return fd_; }
    // Worker; see Port.
    [[nodiscard]] bool arm() noexcept;
    void disarm() noexcept;

  private:
    uint16_t ethdev_ = 0;
    uint16_t queue_ = 0;
    bool interrupt_ = false; // fd_ is an epoll descriptor of our own; else the driver's socket
    int fd_ = -1;
};

} // namespace isthmus::dataplane
