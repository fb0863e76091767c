#pragma once
// The one clock of the control thread.

#include <cstdint>
#include <time.h>

namespace isthmus {

[[nodiscard]] inline uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

} // namespace isthmus
