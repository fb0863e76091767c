#pragma once
// Memory of all FIBs of a process, so that thousands of small tables cost little more than their
// nodes: one address range of units of eight octets, addressed by 32-bit indices. Control thread
// only, but for at(): readers follow indices that they found in a published table.
//
// Grace periods. A node that a route change replaces is retired, not freed, because a reader may
// still be on it. After publishing, the control thread takes a number with retire_epoch(); once
// every reader has passed a quiescent state since, it calls reclaim() with that number:
//
//   fib.apply(changes);
//   const uint64_t epoch = arena.retire_epoch();
//   ... all workers have reported quiescence ...
//   arena.reclaim(epoch);

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace isthmus::dataplane {

// Index of a piece of memory, in units. 0 is none.
using FibIndex = uint32_t;

// Whether to ask the kernel for huge pages (MADV_HUGEPAGE: no privilege and no reservation needed).
// A full table is a few MiB, read at random: on 4 KiB pages most reads would miss the TLB as well.
enum class FibPages : uint8_t { huge, ordinary };

// Pieces of 1..kMaxUnits units out of one reserved range. Freed ones are kept by size. Pieces of
// whole cache lines begin with one; those of kPageUnits lie together, since readers look for most
// addresses in them and so find them with fewer entries of the TLB. The first kReserved octets are
// zero and never given out.
class FibPool {
  public:
    static constexpr std::size_t kUnit = 8;
    static constexpr std::size_t kReserved = 5184;
    static constexpr uint32_t kMaxUnits = 16392;
    static constexpr uint32_t kPageUnits = 520;

    // Reserves addresses only; memory is taken as it is used. Throws std::bad_alloc without any.
    FibPool(std::size_t limit_bytes, FibPages pages);
    ~FibPool();
    FibPool(const FibPool&) = delete;
    FibPool& operator=(const FibPool&) = delete;

    // Throws std::bad_alloc at the limit; see room_bytes(). The content is undefined.
    [[nodiscard]] FibIndex allocate(uint32_t units);
    void release(FibIndex index, uint32_t units);

    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    template <class T> [[nodiscard]] T* at(FibIndex index) const noexcept {
        return reinterpret_cast<T*>(base_ + std::size_t{index} * kUnit);
    }
    // In pieces that are allocated; taken from the system; left up to the limit.
    [[nodiscard]] std::size_t used_bytes() const { return used_units_ * kUnit; }
    [[nodiscard]] std::size_t mapped_bytes() const { return mapped_; }
    [[nodiscard]] std::size_t room_bytes() const { return limit_ - next_unit_ * kUnit; }

  private:
    FibIndex carve(std::size_t units);
    FibIndex carve_pages();
    void map_up_to(std::size_t bytes);

    std::byte* range_ = nullptr; // as reserved
    std::byte* base_ = nullptr;  // aligned to a huge page
    std::size_t limit_ = 0;
    std::size_t mapped_ = 0;
    std::size_t next_unit_ = 0; // everything behind it has never been used
    std::size_t used_units_ = 0;
    FibPages pages_;
    std::vector<FibIndex> free_; // by size in units; a free piece holds the index of the next one
};

class FibArena {
  public:
    // What 32-bit indices with two bits to spare reach; addresses alone cost nothing.
    static constexpr std::size_t kDefaultLimit = std::size_t{8} << 30;

    // While an arena's tables take less than this, small ones get pages; while those of direct form
    // take less than twice as much, small ones get that.
    static constexpr std::size_t kDefaultSpare = std::size_t{32} << 20;

    explicit FibArena(FibPages pages = FibPages::huge, std::size_t limit_bytes = kDefaultLimit,
                      std::size_t spare_bytes = kDefaultSpare);

    // Values as octets: the first kCodes - 2 different ones of all tables get a code each, for good
    // (values are few: kinds of targets and small indices). 0 stands for no value, kNoCode for the
    // rest. decoded() is at the start of the nodes' range, where readers find it.
    static constexpr unsigned kCodes = 256;
    static constexpr uint8_t kNoCode = 255;
    [[nodiscard]] uint8_t code_of(uint32_t value);
    [[nodiscard]] static const uint32_t* decoded(const std::byte* nodes_base) noexcept {
        return reinterpret_cast<const uint32_t*>(nodes_base);
    }
    [[nodiscard]] bool has_spare() const { return used_bytes() < spare_; }
    [[nodiscard]] std::size_t direct_limit() const { return 2 * spare_; }
    // What tables of direct form take; they keep account of it themselves.
    [[nodiscard]] std::size_t& direct_bytes() noexcept { return direct_bytes_; }
    [[nodiscard]] std::size_t direct_bytes() const noexcept { return direct_bytes_; }

    // Nodes, which readers see, and the routes that they were made from, which only the control
    // thread needs. Apart, so that the caches of the workers hold nodes only.
    [[nodiscard]] FibPool& nodes() noexcept { return nodes_; }
    [[nodiscard]] const FibPool& nodes() const noexcept { return nodes_; }
    [[nodiscard]] FibPool& routes() noexcept { return routes_; }
    [[nodiscard]] const FibPool& routes() const noexcept { return routes_; }

    // Where readers find the current version of each table.
    [[nodiscard]] FibPool& roots() noexcept { return roots_; }

    // A node that no newer version uses; freed by reclaim().
    void retire(FibIndex node, uint32_t units);
    // Closes the epoch: what was retired so far may be freed with reclaim() of the number returned.
    [[nodiscard]] uint64_t retire_epoch() { return ++epoch_; }
    void reclaim(uint64_t up_to_epoch);

    [[nodiscard]] std::size_t retired_pieces() const { return retired_.size(); }
    [[nodiscard]] std::size_t used_bytes() const {
        return nodes_.used_bytes() + routes_.used_bytes();
    }
    [[nodiscard]] std::size_t mapped_bytes() const {
        return nodes_.mapped_bytes() + routes_.mapped_bytes() + roots_.mapped_bytes();
    }

  private:
    struct Retired {
        uint64_t epoch;
        FibIndex node;
        uint32_t units;
    };

    FibPool nodes_;
    FibPool routes_;
    FibPool roots_;
    std::size_t spare_;
    std::size_t direct_bytes_ = 0;
    std::unordered_map<uint32_t, uint8_t> codes_;
    std::deque<Retired> retired_;
    uint64_t epoch_ = 0;
};

// The one that all tables of a process share unless told otherwise. Lives until the process ends.
[[nodiscard]] FibArena& process_fib_arena();

} // namespace isthmus::dataplane
