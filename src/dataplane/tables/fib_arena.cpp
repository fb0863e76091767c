#include "dataplane/fib_arena.hpp"

#include "dataplane/large_pages.hpp"

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace isthmus::dataplane {
namespace {

constexpr std::size_t kLineUnits = 64 / FibPool::kUnit;
constexpr uint32_t kPagesTogether = kLargePage / (FibPool::kPageUnits * FibPool::kUnit);
constexpr std::size_t kMostTables = 2'000'000;

} // namespace

FibPool::FibPool(std::size_t limit_bytes, FibPages pages)
    : limit_(whole_large_pages(limit_bytes)), pages_(pages), free_(kMaxUnits + 1) {
    // Without access rights the range counts neither as memory nor towards an overcommit limit.
    void* range = mmap(nullptr, limit_ + kLargePage, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        throw std::bad_alloc();
    range_ = static_cast<std::byte*>(range);
    base_ = reinterpret_cast<std::byte*>(whole_large_pages(reinterpret_cast<uintptr_t>(range)));
    map_up_to(kReserved);
    next_unit_ = kReserved / kUnit; // index 0 means none
}

FibPool::~FibPool() {
    munmap(range_, limit_ + kLargePage);
}

FibIndex FibPool::allocate(uint32_t units) {
    FibIndex index = free_[units];
    if (index != 0)
        free_[units] = *at<FibIndex>(index);
    else
        index = units == kPageUnits ? carve_pages() : carve(units);
    used_units_ += units;
    return index;
}

void FibPool::release(FibIndex index, uint32_t units) {
    used_units_ -= units;
    *at<FibIndex>(index) = free_[units];
    free_[units] = index;
}

FibIndex FibPool::carve_pages() {
    const FibIndex first = carve(std::size_t{kPageUnits} * kPagesTogether);
    for (uint32_t k = kPagesTogether - 1; k > 0; --k) {
        const FibIndex page = first + k * kPageUnits;
        *at<FibIndex>(page) = free_[kPageUnits];
        free_[kPageUnits] = page;
    }
    return first;
}

FibIndex FibPool::carve(std::size_t units) {
    // What fits into a cache line does not straddle two, what takes whole ones begins with one;
    // what was skipped serves a smaller piece.
    const std::size_t left = kLineUnits - next_unit_ % kLineUnits;
    const bool whole_lines = units % kLineUnits == 0;
    const bool skips = left != kLineUnits && (whole_lines || (units < kLineUnits && units > left));
    const std::size_t skipped = skips ? left : 0;
    if ((next_unit_ + skipped + units) * kUnit > mapped_)
        map_up_to((next_unit_ + skipped + units) * kUnit);
    if (skipped != 0) {
        used_units_ += skipped;
        release(static_cast<FibIndex>(next_unit_), static_cast<uint32_t>(skipped));
    }
    const auto index = static_cast<FibIndex>(next_unit_ + skipped);
    next_unit_ += skipped + units;
    return index;
}

void FibPool::map_up_to(std::size_t bytes) {
    const std::size_t wanted = whole_large_pages(bytes);
    if (wanted > limit_)
        throw std::bad_alloc();
    std::byte* start = base_ + mapped_;
    if (mprotect(start, wanted - mapped_, PROT_READ | PROT_WRITE) != 0)
        throw std::bad_alloc();
    // Advice: a kernel without huge pages serves ordinary ones, and nothing else changes.
    madvise(start, wanted - mapped_, pages_ == FibPages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    mapped_ = wanted;
}

FibArena::FibArena(FibPages pages, std::size_t limit_bytes, std::size_t spare_bytes)
    : nodes_(limit_bytes, pages), routes_(limit_bytes, pages),
      roots_(kMostTables * FibPool::kUnit, pages), spare_(spare_bytes) {
    static_assert(kCodes * sizeof(uint32_t) <= FibPool::kReserved);
}

uint8_t FibArena::code_of(uint32_t value) {
    if (value == 0)
        return 0;
    if (const auto known = codes_.find(value); known != codes_.end())
        return known->second;
    if (codes_.size() == kCodes - 2)
        return kNoCode;
    const auto code = static_cast<uint8_t>(codes_.size() + 1);
    codes_.emplace(value, code);
    // Readers meet the code in nodes that are published later.
    nodes_.at<uint32_t>(0)[code] = value;
    return code;
}

void FibArena::retire(FibIndex node, uint32_t units) {
    retired_.push_back({epoch_, node, units});
}

void FibArena::reclaim(uint64_t up_to_epoch) {
    for (; !retired_.empty() && retired_.front().epoch < up_to_epoch; retired_.pop_front())
        nodes_.release(retired_.front().node, retired_.front().units);
}

FibArena& process_fib_arena() {
    // Never destroyed: tables with static lifetime may outlive any order of destruction.
    static FibArena* arena = new FibArena;
    return *arena;
}

} // namespace isthmus::dataplane
