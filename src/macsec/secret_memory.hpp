#pragma once
// Memory for expanded keys: kept out of core dumps, wiped when given back, aligned for any vector.

#include <cstddef>

namespace isthmus::macsec {

// Aligned to 64 octets and not initialised. Throws std::bad_alloc. Any thread but a worker.
[[nodiscard]] void* allocate_secret(std::size_t size);

// Wipes `size` octets, the size that was asked for. Null is allowed. Any thread but a worker.
void free_secret(void* block, std::size_t size) noexcept;

} // namespace isthmus::macsec
