#pragma once
// Memory for what workers keep or read of each attachment. Thousands of these on pages of 4 KiB are
// more than the TLB of a core holds, and then a packet waits for page walks (of two levels in a
// virtual machine) as much as for memory. So the kernel is asked for huge pages (MADV_HUGEPAGE: no
// privilege and no reservation needed); where it has none, these are ordinary allocations.

#include <cstddef>
#include <memory_resource>

namespace isthmus::dataplane {

inline constexpr std::size_t kLargePage = std::size_t{2} << 20; // octets
[[nodiscard]] constexpr std::size_t whole_large_pages(std::size_t octets) noexcept {
    return (octets + kLargePage - 1) / kLargePage * kLargePage;
}

// `length` octets from the system, zero, aligned to a huge page; whole ones are mapped. Nullptr
// without memory, errno says why. Any thread.
[[nodiscard]] std::byte* map_large_pages(std::size_t length) noexcept;

// Of its own large pages what is large itself, from the heap what is small. Any thread.
[[nodiscard]] std::pmr::memory_resource& large_pages() noexcept;
// Small pieces that share large pages. Control thread only.
[[nodiscard]] std::pmr::memory_resource& shared_large_pages() noexcept;

// As allocators. All of a kind are equal.
template <class T, std::pmr::memory_resource& (*kFrom)() noexcept> struct PageAllocator {
    using value_type = T;
    template <class U> struct rebind { using other = PageAllocator<U, kFrom>; };
    PageAllocator() = default;
    template <class U> PageAllocator(const PageAllocator<U, kFrom>&) noexcept {}
    [[nodiscard]] T* allocate(std::size_t count) {
        return static_cast<T*>(kFrom().allocate(count * sizeof(T), alignof(T)));
    }
    void deallocate(T* at, std::size_t count) noexcept {
        kFrom().deallocate(at, count * sizeof(T), alignof(T));
    }
    bool operator==(const PageAllocator&) const noexcept { return true; }
};
template <class T> using LargePages = PageAllocator<T, large_pages>;
template <class T> using SharedLargePages = PageAllocator<T, shared_large_pages>;

} // namespace isthmus::dataplane
