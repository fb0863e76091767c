#include "dataplane/large_pages.hpp"

#include <cstdint>
#include <new>

#include <sys/mman.h>

namespace isthmus::dataplane {
namespace {

// What is smaller would waste most of its page, and takes few ordinary ones.
constexpr std::size_t kLarge = std::size_t{256} << 10;

class Large : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        if (bytes < kLarge)
            return heap_->allocate(bytes, alignment);
        std::byte* mapped = map_large_pages(bytes);
        if (mapped == nullptr)
            throw std::bad_alloc();
        return mapped;
    }
    void do_deallocate(void* at, std::size_t bytes, std::size_t alignment) override {
        if (bytes < kLarge)
            heap_->deallocate(at, bytes, alignment);
        else
            munmap(at, whole_large_pages(bytes));
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }
    std::pmr::memory_resource* heap_ = std::pmr::new_delete_resource();
};

// Small pieces are kept by size for the next of that size, and never given back: they come from
// memory that only grows.
class Shared : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        return of(bytes).allocate(bytes, alignment);
    }
    void do_deallocate(void* at, std::size_t bytes, std::size_t alignment) override {
        of(bytes).deallocate(at, bytes, alignment);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }
    std::pmr::memory_resource& of(std::size_t bytes) {
        if (bytes <= kSmall)
            return pieces_;
        return large_pages();
    }

    static constexpr std::size_t kSmall = 4096;
    std::pmr::monotonic_buffer_resource pages_{kLargePage, &large_pages()};
    std::pmr::unsynchronized_pool_resource pieces_{{0, kSmall}, &pages_};
};

} // namespace

std::byte* map_large_pages(std::size_t length) noexcept {
    const std::size_t whole = whole_large_pages(length);
    void* range = mmap(nullptr, whole + kLargePage, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED)
        return nullptr;
    auto* const begin = static_cast<std::byte*>(range);
    const auto at = reinterpret_cast<uintptr_t>(range);
    const std::size_t before = whole_large_pages(at) - at;
    if (before != 0)
        munmap(begin, before);
    munmap(begin + before + whole, kLargePage - before);
    (void)madvise(begin + before, whole, MADV_HUGEPAGE); // a wish
    return begin + before;
}

// Never destroyed, neither of them: objects with static lifetime may outlive any order.
std::pmr::memory_resource& large_pages() noexcept {
    static auto* resource = new Large;
    return *resource;
}

std::pmr::memory_resource& shared_large_pages() noexcept {
    static auto* resource = new Shared;
    return *resource;
}

} // namespace isthmus::dataplane
