#include "dataplane/doorbell.hpp"

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

namespace isthmus::dataplane {

Doorbell::Doorbell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Doorbell::~Doorbell() {
    if (fd_ >= 0)
        close(fd_);
}

void Doorbell::wake() noexcept {
    if (!armed_.exchange(false, std::memory_order_seq_cst))
        return; // somebody else does
    const uint64_t one = 1;
    // It can only fail by overflow, and then the descriptor is readable as well.
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

void Doorbell::disarm() noexcept {
    if (armed_.exchange(false, std::memory_order_seq_cst))
        return;
    // Who has rung may not have written yet: the next rest then ends at once, and that is all.
    uint64_t rung = 0;
    [[maybe_unused]] const auto count = read(fd_, &rung, sizeof rung);
}

} // namespace isthmus::dataplane
