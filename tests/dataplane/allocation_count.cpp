#include "tests/dataplane/allocation_count.hpp"

#include <atomic>
#include <cstddef>

namespace isthmus::test {
namespace {
std::atomic<uint64_t> counted{0};
}

#ifdef ISTHMUS_SANITIZED
bool allocations_are_counted() {
    return false;
}
#else
bool allocations_are_counted() {
    return true;
}

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t number, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);

void* malloc(std::size_t size) {
    counted.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    counted.fetch_add(1, std::memory_order_relaxed);
    return __libc_calloc(number, size);
}
void* realloc(void* block, std::size_t size) {
    counted.fetch_add(1, std::memory_order_relaxed);
    return __libc_realloc(block, size);
}
}
#endif

uint64_t allocations() {
    return counted.load();
}

} // namespace isthmus::test
