// Look-ups: what workers run. The bulk form takes all addresses of a burst one level down before it
// goes to the next, so that their cache misses overlap; lists of those still on their way are made
// without branches, because where a look-up ends can not be predicted.

#include "dataplane/fib.hpp"
#include "dataplane/fib_bulk.hpp"
#include "dataplane/fib_summary.hpp"

#include <algorithm>

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

uint8_t code_of(const Page6& page, Ipv6Addr addr) noexcept {
    const uint8_t* list = page.list(addr);
    if (list[0] == List6::kLong)
        list = List6::part_of_long(list, list_key(addr));
    return List6::code(list, list_key(addr));
}

FibValue walk_page(const std::byte* base, const Page& page, Ipv4Addr addr, FibValue best) noexcept {
    const unsigned slot = page_slot(addr);
    uint8_t code = page.codes[slot];
    Entry entry = kNoRoute;
    if (code == FibArena::kNoCode) {
        const Page::Extra& extra = extra_of(page, slot);
        code = extra.above;
        entry = code != FibArena::kNoCode ? extra.entry : page.blocks;
    }
    const FibValue above = FibArena::decoded(base)[code];
    return walk_blocks(base, entry, addr, above != kNoRoute ? above : best);
}
FibValue walk_page(const std::byte* base, const Page6& page, Ipv6Addr addr,
                   FibValue best) noexcept {
    const uint8_t code = code_of(page, addr);
    if (code != FibArena::kNoCode)
        return code != 0 ? FibArena::decoded(base)[code] : best;
    // Routes that end above the extra's block are on the way of the blocks only.
    const FibValue own = walk_blocks(base, extra_of(page, page_slot(addr)).entry, addr, kNoRoute);
    return own != kNoRoute ? own : walk_blocks(base, page.blocks, addr, best);
}

// The whole way of one look-up.
template <class Addr> FibValue walk(const std::byte* base, Entry entry, Addr addr) noexcept {
    const Form form = form_of(entry);
    if constexpr (kHasSummary<Addr>)
        if (form == Form::summary)
            return walk_blocks(base, summary_entry(base, *summary_at(base, entry), addr), addr,
                               kNoRoute);
    if (form == Form::plain)
        return walk_blocks(base, entry, addr, kNoRoute);
    entry &= ~kDirect;
    FibValue best = kNoRoute;
    unsigned from = 0;
    for (const unsigned width : wide_levels<Addr>(form)) {
        const Entry* node = wide_at(base, entry);
        const unsigned slot = wide_slot(addr, from, width);
        if (form == Form::paged) {
            const FibValue inherited = node[(std::size_t{1} << width) + slot];
            best = inherited != kNoRoute ? inherited : best;
        }
        entry = node[slot];
        if (!is_child(entry))
            return form == Form::paged ? best : entry;
        from += width;
    }
    if (form == Form::direct)
        return walk_blocks(base, entry, addr, best);
    return walk_page(base, *page_at<Addr>(base, entry), addr, best);
}

// Chosen when the program starts.
template <class Addr> const BulkPasses<Addr> kPasses;
template <>
const BulkPasses<Ipv6Addr> kPasses<Ipv6Addr> = can_avx512() ? avx512_passes()
                                                            : BulkPasses<Ipv6Addr>();

// Of one direct table. Apart, since what surrounds the loop would take registers from it.
template <class Addr>
[[gnu::noinline]] void pass_one_direct(const std::byte* base, const Addr* addresses, Entry* values,
                                       uint32_t count, const Entry* top) noexcept {
    pass_direct_first(
        base, addresses, values, count, [](uint32_t k) { return k; },
        [top](uint32_t) { return top; }, [](Entry) {});
}

// Of the look-ups that `numbers` lists, whose roots values[i] are not plain, those of tables with a
// summary. The others, how many is returned, move to the front.
template <class Addr>
uint32_t pass_summaries(const std::byte* base, const Addr* addresses, Entry* values,
                        uint8_t* numbers, uint32_t count) noexcept {
    if constexpr (!kHasSummary<Addr>) {
        return count;
    } else {
        uint8_t summed[kMaxBulk];
        uint32_t summed_count = 0, others = 0;
        for (uint32_t k = 0; k < count; ++k) {
            const uint8_t i = numbers[k];
            const bool has_summary = (values[i] & kSummary) != 0;
            summed[summed_count] = numbers[others] = i;
            summed_count += has_summary;
            others += !has_summary;
            __builtin_prefetch(summary_at(base, values[i]));
        }
        for (uint32_t k = 0; k < summed_count; ++k) {
            const uint8_t i = summed[k];
            values[i] = summary_entry(base, *summary_at(base, values[i]), addresses[i]);
        }
        return others;
    }
}

// Up to Fib::kBulk look-ups under way; values[i] is the entry that look-up i stands at.
template <class Addr> class Burst {
  public:
    Burst(const std::byte* base, const Addr* addresses, FibValue* values, uint32_t count) noexcept
        : base_(base), addresses_(addresses), values_(values), count_(count) {}

    // From one root of a direct table. Whether that was all; if not, what is left is in blocks.
    [[nodiscard]] bool pass_direct_root(Entry root) noexcept {
        pass_one_direct(base_, addresses_, values_, count_, wide_top(base_, root));
        if (all_values(values_, count_))
            return true;
        left_count_ = pass_direct_rest(base_, addresses_, values_, count_, left_,
                                       [](uint32_t k) { return k; });
        return left_count_ == 0 && all_values(values_, count_);
    }
    // From one root of a paged table.
    void pass_root(Entry root) noexcept {
        left_count_ =
            kPasses<Addr>.one_root(base_, addresses_, values_, count_, left_, wide_at(base_, root));
    }
    // From one root of a table with a summary. Whether that was all.
    [[nodiscard]] bool pass_summary_root(Entry root) noexcept {
        if constexpr (kHasSummary<Addr>)
            for (uint32_t i = 0; i < count_; ++i)
                values_[i] = summary_entry(base_, *summary_at(base_, root), addresses_[i]);
        all_left();
        return all_values(values_, count_);
    }
    // From the root of any kind that values[i] is. Whether that was all.
    [[nodiscard]] bool pass_roots() noexcept {
        uint8_t direct[kMaxBulk], others[kMaxBulk]; // others that are not plain
        const Entry* tops[kMaxBulk];
        uint32_t direct_count = 0, other_count = 0;
        const std::byte* const base = base_; // stores of octets might be to members
        const Entry* const roots = values_;
        const uint32_t count = count_;
        for (uint32_t i = 0; i < count; ++i) {
            const bool is_direct = (roots[i] & kDirect) != 0, plain = is_plain(roots[i]);
            others[other_count] = direct[direct_count] = static_cast<uint8_t>(i);
            other_count += !plain & !is_direct;
            direct_count += !plain & is_direct;
            tops[i] = wide_top(base, roots[i]);
        }
        other_count = pass_summaries(base_, addresses_, values_, others, other_count);
        for (uint32_t k = 0; k < other_count; ++k)
            __builtin_prefetch(tops[others[k]] +
                               wide_slot(addresses_[others[k]], 0, kWideLevels<Addr>[0]));
        kPasses<Addr>.some_roots(base_, addresses_, values_, other_count, left_, others, tops);
        pass_direct(
            base_, addresses_, values_, direct_count, left_,
            [&direct](uint32_t k) { return direct[k]; }, [&tops](uint32_t i) { return tops[i]; });
        all_left();
        return all_values(values_, count_);
    }
    // From the one root that is not wide.
    void start_at(Entry root) noexcept {
        std::fill_n(values_, count_, root);
        all_left();
    }
    // From blocks that values[i] are.
    void pass_blocks() noexcept {
        uint32_t left = 0;
        for (uint32_t k = 0; k < left_count_; ++k) {
            left_[left] = left_[k];
            left += values_[left_[k]] >> 31;
        }
        while (left != 0) {
            for (uint32_t k = 0; k < left; ++k) {
                const Entry entry = values_[left_[k]];
                __builtin_prefetch(node_at(base_, entry));
                // The next line if there is one, else the same again.
                __builtin_prefetch(node_at(base_, entry) + (entry & kLong) / (kLong / 64));
            }
            uint32_t next = 0;
            for (uint32_t k = 0; k < left; ++k) {
                const uint8_t i = left_[k];
                const auto* block = block_at<Addr>(base_, values_[i]);
                const Entry own = own_entry(*block, addresses_[i]);
                const Entry entry = own != 0 ? own : block->inherited;
                values_[i] = entry;
                left_[next] = i;
                next += entry >> 31;
            }
            left = next;
        }
    }
    // Who found nothing may have passed a value further up.
    template <class Root> void walk_again(Root&& root) noexcept {
        for (uint64_t rest = missing(values_, count_); rest != 0; rest &= rest - 1) {
            const auto i = static_cast<uint32_t>(std::countr_zero(rest));
            values_[i] = walk(base_, root(i), addresses_[i]);
        }
    }

  private:
    void all_left() noexcept {
        for (uint32_t i = 0; i < count_; ++i)
            left_[i] = static_cast<uint8_t>(i);
        left_count_ = count_;
    }

    const std::byte* base_;
    const Addr* addresses_;
    FibValue* values_;
    uint32_t count_;
    uint32_t left_count_ = 0; // not at their end yet
    uint8_t left_[kMaxBulk];
};

} // namespace

bool fib::can_avx512() noexcept {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi2");
}

template <class Addr, class Prefix> FibValue Fib<Addr, Prefix>::lookup(Addr addr) const noexcept {
    return walk(arena_.nodes().base(), root_.entry.load(std::memory_order_acquire), addr);
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::lookup_bulk(const Addr* addresses, FibValue* values,
                                    uint32_t count) const noexcept {
    lookup_bulk(arena_, root_, addresses, values, count);
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::lookup_bulk(const FibArena& arena, const Root& table, const Addr* addresses,
                                    FibValue* values, uint32_t count) noexcept {
    const Entry root = table.entry.load(std::memory_order_acquire);
    for (uint32_t first = 0; first < count; first += kBulk) {
        const uint32_t here = std::min(kBulk, count - first);
        Burst<Addr> burst(arena.nodes().base(), addresses + first, values + first, here);
        switch (form_of(root)) {
        case Form::direct:
            if (burst.pass_direct_root(root))
                continue;
            break;
        case Form::summary:
            if (burst.pass_summary_root(root))
                continue;
            break;
        case Form::paged:
            burst.pass_root(root);
            break;
        case Form::plain:
            burst.start_at(root);
        }
        burst.pass_blocks();
        burst.walk_again([root](uint32_t) { return root; });
    }
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::lookup_bulk(const FibArena& arena, const Root* const* tables,
                                    const Addr* addresses, FibValue* values,
                                    uint32_t count) noexcept {
    for (uint32_t first = 0; first < count; first += kBulk) {
        const uint32_t here = std::min(kBulk, count - first);
        Entry roots[kBulk];
        for (uint32_t i = 0; i < here; ++i)
            roots[i] = tables[first + i]->entry.load(std::memory_order_acquire);
        std::copy_n(roots, here, values + first);
        Burst<Addr> burst(arena.nodes().base(), addresses + first, values + first, here);
        if (burst.pass_roots())
            continue;
        burst.pass_blocks();
        burst.walk_again([&roots](uint32_t i) { return roots[i]; });
    }
}

template FibValue Fib<Ipv4Addr, Ipv4Prefix>::lookup(Ipv4Addr) const noexcept;
template void Fib<Ipv4Addr, Ipv4Prefix>::lookup_bulk(const Ipv4Addr*, FibValue*,
                                                     uint32_t) const noexcept;
template void Fib<Ipv4Addr, Ipv4Prefix>::lookup_bulk(const FibArena&, const Root&, const Ipv4Addr*,
                                                     FibValue*, uint32_t) noexcept;
template void Fib<Ipv4Addr, Ipv4Prefix>::lookup_bulk(const FibArena&, const Root* const*,
                                                     const Ipv4Addr*, FibValue*, uint32_t) noexcept;
template FibValue Fib<Ipv6Addr, Ipv6Prefix>::lookup(Ipv6Addr) const noexcept;
template void Fib<Ipv6Addr, Ipv6Prefix>::lookup_bulk(const Ipv6Addr*, FibValue*,
                                                     uint32_t) const noexcept;
template void Fib<Ipv6Addr, Ipv6Prefix>::lookup_bulk(const FibArena&, const Root&, const Ipv6Addr*,
                                                     FibValue*, uint32_t) noexcept;
template void Fib<Ipv6Addr, Ipv6Prefix>::lookup_bulk(const FibArena&, const Root* const*,
                                                     const Ipv6Addr*, FibValue*, uint32_t) noexcept;

} // namespace isthmus::dataplane
