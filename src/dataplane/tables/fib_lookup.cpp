// Look-ups: what workers run. The bulk form takes all addresses of a burst one level down before it
// goes to the next, so that their cache misses overlap; lists of those still on their way are made
// without branches, because where a look-up ends can not be predicted.

#include "dataplane/fib.hpp"
#include "dataplane/fib_page.hpp"

#include <algorithm>
#include <type_traits>

namespace isthmus::dataplane {
namespace {

using namespace fib;

// From any entry down, with the best value so far.
template <class Addr>
FibValue walk_blocks(const std::byte* base, Entry entry, Addr addr, FibValue best) noexcept {
    while (is_child(entry)) {
        const auto* block = block_at<Addr>(base, entry);
        best = block->inherited != kNoRoute ? block->inherited : best;
        entry = own_entry(*block, addr);
    }
    return entry != kNoRoute ? entry : best;
}

FibValue walk_page(const std::byte* base, const Page& page, Ipv4Addr addr, FibValue best) noexcept {
    const unsigned slot = page_slot(addr);
    const uint8_t code = line_code(page.line(addr), addr);
    if (code != FibArena::kNoCode)
        return code != 0 ? FibArena::decoded(base)[code] : best;
    // Routes of 13 to 24 bits are on the way of the blocks only.
    const FibValue own = walk_blocks(base, extra_entry(page, slot), addr, kNoRoute);
    return own != kNoRoute ? own : walk_blocks(base, page.blocks, addr, best);
}

// The whole way of one look-up.
template <class Addr> FibValue walk(const std::byte* base, Entry entry, Addr addr) noexcept {
    if (entry >> 30 != 3)
        return walk_blocks(base, entry, addr, kNoRoute);
    FibValue best = kNoRoute;
    unsigned from = 0;
    for (const unsigned width : kWideLevels<Addr>) {
        const Entry* node = wide_at(base, entry);
        const unsigned slot = wide_slot(addr, from, width);
        const FibValue inherited = node[(std::size_t{1} << width) + slot];
        best = inherited != kNoRoute ? inherited : best;
        entry = node[slot];
        if (!is_child(entry))
            return best;
        from += width;
    }
    if constexpr (kHasPages<Addr>)
        return walk_page(base, *page_at(base, entry), addr, best);
    else
        return walk_blocks(base, entry, addr, best);
}

// Up to Fib::kBulk look-ups under way; values[i] is the entry that look-up i stands at.
template <class Addr> class Burst {
  public:
    Burst(const std::byte* base, const Addr* addresses, FibValue* values, uint32_t count) noexcept
        : base_(base), addresses_(addresses), values_(values), count_(count) {}

    // From one wide root to what stands below the wide nodes.
    void pass_wide(Entry root) noexcept {
        const Entry* places[kMax];
        const Entry* top = wide_at(base_, root);
        for (uint32_t i = 0; i < count_; ++i)
            places[i] = top + wide_slot(addresses_[i], 0, kWideLevels<Addr>[0]);
        finish_wide(places);
    }
    // The same by pages, whose octets nearly always end a look-up.
    void pass_pages(Entry root) noexcept {
        // Copies of the members: the compiler must assume that writing values changes those.
        const std::byte* base = base_;
        const Addr* addresses = addresses_;
        FibValue* values = values_;
        const uint32_t count = count_;
        const std::byte* lines[kMax];
        const Entry* top = wide_at(base, root);
        for (uint32_t i = 0; i < count; ++i) {
            lines[i] = line_of(base, top, addresses[i]);
            __builtin_prefetch(lines[i]);
        }
        const FibValue* decoded = FibArena::decoded(base);
        for (uint32_t i = 0; i < count; ++i)
            values[i] = decoded[line_code(lines[i], addresses[i])];
    }
    // From the root of any kind that values[i] is.
    void pass_roots() noexcept {
        if constexpr (kHasPages<Addr>) {
            for (uint32_t i = 0; i < count_; ++i)
                if (is_wide(values_[i]))
                    __builtin_prefetch(wide_at(base_, values_[i]) +
                                       wide_slot(addresses_[i], 0, Page::kDepth));
            const std::byte* lines[kMax];
            for (uint32_t i = 0; i < count_; ++i) {
                lines[i] = is_wide(values_[i])
                               ? line_of(base_, wide_at(base_, values_[i]), addresses_[i])
                               : nullptr;
                __builtin_prefetch(lines[i]);
            }
            const FibValue* decoded = FibArena::decoded(base_);
            for (uint32_t i = 0; i < count_; ++i)
                if (lines[i] != nullptr)
                    values_[i] = decoded[line_code(lines[i], addresses_[i])];
        } else {
            const Entry* places[kMax];
            for (uint32_t i = 0; i < count_; ++i)
                places[i] = is_wide(values_[i])
                                ? wide_at(base_, values_[i]) +
                                      wide_slot(addresses_[i], 0, kWideLevels<Addr>[0])
                                : &values_[i];
            finish_wide(places);
        }
    }
    void pass_blocks() noexcept {
        uint8_t active[kMax];
        uint32_t left = 0;
        for (uint32_t i = 0; i < count_; ++i) {
            active[left] = static_cast<uint8_t>(i);
            left += values_[i] >> 31;
        }
        while (left != 0) {
            for (uint32_t k = 0; k < left; ++k) {
                const Entry entry = values_[active[k]];
                __builtin_prefetch(node_at(base_, entry));
                // The next line if there is one, else the same again.
                __builtin_prefetch(node_at(base_, entry) + (entry & kLong) / (kLong / 64));
            }
            uint32_t next = 0;
            for (uint32_t k = 0; k < left; ++k) {
                const uint8_t i = active[k];
                const auto* block = block_at<Addr>(base_, values_[i]);
                const Entry own = own_entry(*block, addresses_[i]);
                const Entry entry = own != 0 ? own : block->inherited;
                values_[i] = entry;
                active[next] = i;
                next += entry >> 31;
            }
            left = next;
        }
    }
    // Who found nothing may have passed a value further up.
    template <class Root> void walk_again(Root&& root) noexcept {
        uint32_t missed = 0;
        for (uint32_t i = 0; i < count_; ++i)
            missed += values_[i] == kNoRoute;
        for (uint32_t i = 0; missed != 0; ++i) {
            if (values_[i] != kNoRoute)
                continue;
            values_[i] = walk(base_, root(i), addresses_[i]);
            --missed;
        }
    }

  private:
    static constexpr uint32_t kMax = 64;

    static bool is_wide(Entry root) noexcept { return root >> 30 == 3; }

    static const std::byte* line_of(const std::byte* base, const Entry* top,
                                    Ipv4Addr addr) noexcept {
        const Entry entry = top[wide_slot(addr, 0, Page::kDepth)];
        const Entry page = is_child(entry) ? entry : kEmptyPage;
        return page_at(base, page)->line(addr);
    }
    // places[i] is an entry of the first wide level.
    void finish_wide(const Entry** places) noexcept {
        unsigned from = kWideLevels<Addr>[0];
        for (std::size_t level = 1; level < kWideLevels<Addr>.size(); ++level) {
            const unsigned width = kWideLevels<Addr>[level];
            for (uint32_t i = 0; i < count_; ++i) {
                const Entry entry = *places[i];
                // A block may be the root itself here; only wide nodes have wide children.
                const Entry* deeper = wide_at(base_, entry) + wide_slot(addresses_[i], from, width);
                places[i] = is_child(entry) && places[i] != &values_[i] ? deeper : places[i];
                __builtin_prefetch(places[i]);
            }
            from += width;
        }
        for (uint32_t i = 0; i < count_; ++i)
            values_[i] = *places[i];
    }

    const std::byte* base_;
    const Addr* addresses_;
    FibValue* values_;
    uint32_t count_;
};

} // namespace

template <class Addr, class Prefix> FibValue Fib<Addr, Prefix>::lookup(Addr addr) const noexcept {
    return walk(base_, root_.load(std::memory_order_acquire), addr);
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::lookup_bulk(const Addr* addresses, FibValue* values,
                                    uint32_t count) const noexcept {
    const Entry root = root_.load(std::memory_order_acquire);
    for (uint32_t first = 0; first < count; first += kBulk) {
        const uint32_t here = std::min(kBulk, count - first);
        Burst<Addr> burst(base_, addresses + first, values + first, here);
        const bool wide = is_child(root) && (root & kWide) != 0;
        if (wide && kHasPages<Addr>) {
            if constexpr (kHasPages<Addr>)
                burst.pass_pages(root);
        } else {
            if (wide)
                burst.pass_wide(root);
            else
                std::fill_n(values + first, here, root);
            burst.pass_blocks();
        }
        burst.walk_again([root](uint32_t) { return root; });
    }
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::lookup_bulk(const Fib* const* tables, const Addr* addresses,
                                    FibValue* values, uint32_t count) noexcept {
    for (uint32_t first = 0; first < count; first += kBulk) {
        const uint32_t here = std::min(kBulk, count - first);
        Entry roots[kBulk];
        for (uint32_t i = 0; i < here; ++i)
            roots[i] = tables[first + i]->root_.load(std::memory_order_acquire);
        std::copy_n(roots, here, values + first);
        Burst<Addr> burst(tables[first]->base_, addresses + first, values + first, here);
        burst.pass_roots();
        burst.pass_blocks();
        burst.walk_again([&roots](uint32_t i) { return roots[i]; });
    }
}

template FibValue Fib<Ipv4Addr, Ipv4Prefix>::lookup(Ipv4Addr) const noexcept;
template FibValue Fib<Ipv6Addr, Ipv6Prefix>::lookup(Ipv6Addr) const noexcept;
template void Fib<Ipv4Addr, Ipv4Prefix>::lookup_bulk(const Ipv4Addr*, FibValue*,
                                                     uint32_t) const noexcept;
template void Fib<Ipv6Addr, Ipv6Prefix>::lookup_bulk(const Ipv6Addr*, FibValue*,
                                                     uint32_t) const noexcept;
template void Fib<Ipv4Addr, Ipv4Prefix>::lookup_bulk(const Fib* const*, const Ipv4Addr*, FibValue*,
                                                     uint32_t) noexcept;
template void Fib<Ipv6Addr, Ipv6Prefix>::lookup_bulk(const Fib* const*, const Ipv6Addr*, FibValue*,
                                                     uint32_t) noexcept;

} // namespace isthmus::dataplane
