#include "memory_hooks.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

namespace isthmus::macsec::test {
namespace {

constexpr std::size_t kFragment = 8;
constexpr std::size_t kStep = 4; // the word of the AES key schedule

std::atomic<uint64_t> allocation_count{0};
std::atomic<int64_t> live_count{0};
std::atomic<uint64_t> searched_count{0};
std::atomic<uint64_t> leaking_count{0};
std::array<uint8_t, 64> watched;
std::atomic<std::size_t> watched_length{0};

void search(const void* block) {
    const std::size_t length = watched_length.load();
    if (block == nullptr || length == 0)
        return;
    const std::size_t size = malloc_usable_size(const_cast<void*>(block));
    ++searched_count;
    for (std::size_t i = 0; i + kFragment <= length; i += kStep)
        if (memmem(block, size, watched.data() + i, kFragment) != nullptr) {
            ++leaking_count;
            return;
        }
}

void* allocate(std::size_t size, std::size_t alignment = 0) {
    ++allocation_count;
    void* block = alignment == 0 ? std::malloc(size) : nullptr;
    if (alignment != 0 && posix_memalign(&block, alignment, size) != 0)
        block = nullptr;
    if (block == nullptr)
        throw std::bad_alloc();
    return block;
}

void release(void* block) {
    search(block);
    std::free(block);
}

void* crypto_malloc(std::size_t size, const char*, int) {
    ++allocation_count;
    ++live_count;
    return std::malloc(size);
}
// A block that grows may leave its old octets behind, so it counts as freed.
void* crypto_realloc(void* block, std::size_t size, const char*, int) {
    ++allocation_count;
    live_count += block == nullptr ? 1 : 0;
    search(block);
    return std::realloc(block, size);
}
void crypto_free(void* block, const char*, int) {
    live_count -= block != nullptr ? 1 : 0;
    release(block);
}

} // namespace

bool install_memory_hooks() {
    return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;
}

uint64_t allocations() {
    return allocation_count.load();
}

int64_t live_crypto_blocks() {
    return live_count.load();
}

void watch_for(std::span<const uint8_t> secret) {
    watched_length = 0;
    searched_count = 0;
    leaking_count = 0;
    std::ranges::copy(secret.first(std::min(secret.size(), watched.size())), watched.begin());
    watched_length = std::min(secret.size(), watched.size());
}

FreedBlocks freed_blocks() {
    return {searched_count.load(), leaking_count.load()};
}

} // namespace isthmus::macsec::test

void* operator new(std::size_t size) {
    return isthmus::macsec::test::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return isthmus::macsec::test::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size) {
    return isthmus::macsec::test::allocate(size);
}
void operator delete(void* block) noexcept {
    isthmus::macsec::test::release(block);
}
void operator delete(void* block, std::size_t) noexcept {
    isthmus::macsec::test::release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    isthmus::macsec::test::release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    isthmus::macsec::test::release(block);
}
void operator delete[](void* block) noexcept {
    isthmus::macsec::test::release(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    isthmus::macsec::test::release(block);
}
