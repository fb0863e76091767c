#pragma once
// Counts calls of malloc and its relatives in this process, by standing in front of the C
// library's.

#include <cstdint>

namespace isthmus::test {

// AddressSanitizer brings its own allocator: nothing is counted then.
[[nodiscard]] bool allocations_are_counted();
[[nodiscard]] uint64_t allocations();

} // namespace isthmus::test
