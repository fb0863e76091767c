#include "macsec/secret_memory.hpp"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <map>
#include <mutex>
#include <new>

namespace isthmus::macsec {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kSlab = 64 * 1024;

// A block that nobody holds; its list lives in the blocks themselves.
struct FreeBlock {
    FreeBlock* next;
};

// An odd number of cache lines, so that the same part of many keys (the lowest powers of H, the
// key schedule) does not fall into the same few sets of the L1 cache.
constexpr std::size_t rounded(std::size_t size) {
    const std::size_t lines = (size + kLine - 1) / kLine;
    return (lines | 1) * kLine;
}

// Slabs stay mapped: a rollover gives back as many keys as it takes, and a slab that is unmapped
// and mapped again would have to be advised again.
class SecretPool {
  public:
    void* take(std::size_t size) {
        const std::lock_guard lock(mutex_);
        FreeBlock*& list = lists_[size];
        if (list == nullptr)
            add_slab(list, size);
        FreeBlock* block = list;
        list = block->next;
        return block;
    }

    void give(void* block, std::size_t size) noexcept {
        const std::lock_guard lock(mutex_);
        push(lists_.find(size)->second, block);
    }

  private:
    static void push(FreeBlock*& list, void* block) noexcept { list = new (block) FreeBlock{list}; }

    static void add_slab(FreeBlock*& list, std::size_t size) {
        const std::size_t length = size > kSlab ? size : kSlab;
        void* slab =
            mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (slab == MAP_FAILED)
            throw std::bad_alloc();
        if (madvise(slab, length, MADV_DONTDUMP) != 0) {
            munmap(slab, length);
            throw std::bad_alloc();
        }
        auto* octets = static_cast<unsigned char*>(slab);
        for (std::size_t end = length / size * size; end != 0; end -= size)
            push(list, octets + end - size);
    }

    std::mutex mutex_;
    std::map<std::size_t, FreeBlock*> lists_; // by rounded size
};

// Never destroyed: keys with static storage duration may be freed after it would have been.
SecretPool& pool() {
    static auto* const instance = new SecretPool;
    return *instance;
}

} // namespace

void* allocate_secret(std::size_t size) {
    return pool().take(rounded(size));
}

void free_secret(void* block, std::size_t size) noexcept {
    if (block == nullptr)
        return;
    OPENSSL_cleanse(block, size);
    pool().give(block, rounded(size));
}

} // namespace isthmus::macsec
