#pragma once
// One of the four rings of an AF_XDP socket, shared with the kernel. One thread uses it.

#include <linux/if_xdp.h>

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>

namespace isthmus::xdp {

template <class Entry> class Ring {
  public:
    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        if (map_ != nullptr)
            munmap(map_, map_size_);
    }

    // `entries` is a power of two. False: errno.
    [[nodiscard]] bool map(int socket, const xdp_ring_offset& offsets, uint32_t entries,
                           off_t where) {
        map_size_ = offsets.desc + entries * sizeof(Entry);
        void* map = mmap(nullptr, map_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                         socket, where);
        if (map == MAP_FAILED)
            return false;
        map_ = static_cast<uint8_t*>(map);
        producer_ = reinterpret_cast<uint32_t*>(map_ + offsets.producer);
        consumer_ = reinterpret_cast<uint32_t*>(map_ + offsets.consumer);
        flags_ = reinterpret_cast<const uint32_t*>(map_ + offsets.flags);
        entries_ = reinterpret_cast<Entry*>(map_ + offsets.desc);
        mask_ = entries - 1;
        return true;
    }

    // This side reads: how many entries there are, the n-th of them, and that it is done with some.
    [[nodiscard]] uint32_t available() const noexcept {
        return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - *consumer_;
    }
    [[nodiscard]] const Entry& front(uint32_t n) const noexcept {
        return entries_[(*consumer_ + n) & mask_];
    }
    void pop(uint32_t count) noexcept {
        __atomic_store_n(consumer_, *consumer_ + count, __ATOMIC_RELEASE);
    }

    // This side writes: the n-th free entry, and that some have been filled in. Room is the
    // caller's business: there are never more entries in use than chunks.
    [[nodiscard]] Entry& back(uint32_t n) noexcept { return entries_[(*producer_ + n) & mask_]; }
    void push(uint32_t count) noexcept {
        __atomic_store_n(producer_, *producer_ + count, __ATOMIC_RELEASE);
    }
    // What the other side has not taken yet; any thread.
    [[nodiscard]] uint32_t pending() const noexcept {
        return __atomic_load_n(producer_, __ATOMIC_RELAXED) -
               __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
    }

    // The kernel goes on only after a system call.
    [[nodiscard]] bool needs_nudge() const noexcept {
        return (__atomic_load_n(flags_, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
    }

  private:
    uint32_t* producer_ = nullptr;
    uint32_t* consumer_ = nullptr;
    const uint32_t* flags_ = nullptr;
    Entry* entries_ = nullptr;
    uint32_t mask_ = 0;
    uint8_t* map_ = nullptr;
    std::size_t map_size_ = 0;
};

} // namespace isthmus::xdp
