#include "dataplane/fib_page.hpp"
#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace isthmus::dataplane::fib {
namespace {

// A page that is being made from another one: lines of that, or of its own where anything changes.
class OpenPage {
  public:
    explicit OpenPage(const Page* before) : before_(before) {}

    uint8_t* open(unsigned line) {
        uint8_t* own = codes_.data() + line * Page::kLineSlots;
        if ((opened_ >> line & 1) == 0 && before_ != nullptr)
            spread(before_->line_at(before_->line_of[line]), own);
        opened_ |= uint64_t{1} << line;
        return own;
    }
    void set(unsigned slot, uint8_t code, Entry entry) {
        open(slot / Page::kLineSlots)[slot % Page::kLineSlots] = code;
        entries_[slot] = entry;
    }
    // Deals out the space of lines, of those with a single run once for each code, and of extras.
    void arrange(Page& head) {
        std::array<uint16_t, FibArena::kCodes> uniform{};
        unsigned next = sizeof(Page) / FibPool::kUnit;
        for (unsigned line = 0; line < Page::kLines; ++line) {
            const uint64_t starts = (opened_ >> line & 1) != 0
                                        ? find_starts(codes_.data() + line * Page::kLineSlots)
                                        : line_starts(before_->line_at(before_->line_of[line]));
            starts_[line] = starts;
            uint16_t own = 0;
            uint16_t& place = starts == 1 ? uniform[first_code(line)] : own;
            if (place == 0) {
                const unsigned units = line_units(static_cast<unsigned>(std::popcount(starts)));
                const unsigned left = kUnitsPerCacheLine - next % kUnitsPerCacheLine;
                if (units <= kUnitsPerCacheLine && units > left)
                    next += left;
                place = static_cast<uint16_t>(next);
                next += units;
            }
            head.line_of[line] = place;
        }
        head.extras_at = next;
        for_each_extra([&](Page::Extra) { ++head.extra_count; });
    }
    void write(const Page& head, Page& made) {
        made = head;
        auto* to = reinterpret_cast<std::byte*>(&made);
        for (unsigned line = 0; line < Page::kLines; ++line)
            write_line(line, to + head.line_of[line] * FibPool::kUnit);
        auto* extra = reinterpret_cast<Page::Extra*>(to + head.extras_at * FibPool::kUnit);
        for_each_extra([&](Page::Extra each) { *extra++ = each; });
    }
    // In the order of slots: those of the page before, and of lines of our own.
    template <class Visit> void for_each_extra(Visit&& visit) const {
        const Page::Extra* old = before_ != nullptr ? before_->extras() : nullptr;
        const Page::Extra* end = before_ != nullptr ? old + before_->extra_count : nullptr;
        const auto visit_until = [&](unsigned slot) {
            for (; old != end && old->slot < slot; ++old)
                if ((opened_ >> (old->slot / Page::kLineSlots) & 1) == 0)
                    visit(*old);
        };
        for (uint64_t rest = opened_; rest != 0; rest &= rest - 1) {
            const unsigned first = static_cast<unsigned>(std::countr_zero(rest)) * Page::kLineSlots;
            visit_until(first);
            for (unsigned slot = first; slot < first + Page::kLineSlots; ++slot)
                if (codes_[slot] == FibArena::kNoCode)
                    visit({slot, entries_[slot]});
        }
        visit_until(Page::kSlots);
    }

  private:
    static uint64_t find_starts(const uint8_t* codes) {
        uint64_t starts = 1;
        for (unsigned slot = 1; slot < Page::kLineSlots; ++slot)
            starts |= uint64_t{codes[slot] != codes[slot - 1]} << slot;
        return starts;
    }
    static void spread(const std::byte* line, uint8_t* codes) {
        uint64_t starts = line_starts(line);
        for (const uint8_t* code = line_codes(line); starts != 0; ++code) {
            const auto slot = static_cast<unsigned>(std::countr_zero(starts));
            starts &= starts - 1;
            const auto end = static_cast<unsigned>(std::countr_zero(starts)); // 64 for the last run
            std::fill(codes + slot, codes + end, *code);
        }
    }
    [[nodiscard]] uint8_t first_code(unsigned line) const {
        return (opened_ >> line & 1) != 0 ? codes_[line * Page::kLineSlots]
                                          : *line_codes(before_->line_at(before_->line_of[line]));
    }
    void write_line(unsigned line, std::byte* to) const {
        uint64_t starts = starts_[line];
        if ((opened_ >> line & 1) == 0) {
            const unsigned units = line_units(static_cast<unsigned>(std::popcount(starts)));
            // Most are shorter than what a call of memcpy is worth.
            const std::byte* from = before_->line_at(before_->line_of[line]);
            for (const std::byte* end = from + units * FibPool::kUnit; from != end;
                 from += FibPool::kUnit, to += FibPool::kUnit)
                std::memcpy(to, from, FibPool::kUnit);
            return;
        }
        std::memcpy(to, &starts, sizeof starts);
        auto* code = reinterpret_cast<uint8_t*>(to + sizeof starts);
        for (; starts != 0; starts &= starts - 1)
            *code++ =
                codes_[line * Page::kLineSlots + static_cast<unsigned>(std::countr_zero(starts))];
    }

    const Page* before_;
    uint64_t opened_ = 0; // lines of our own
    std::array<uint64_t, Page::kLines> starts_;
    std::array<uint8_t, Page::kSlots> codes_;
    std::array<Entry, Page::kSlots> entries_; // where the code is kNoCode
};

// What all addresses of a slot lead to: its value; or, if that is not all, the block below.
template <class BlockOf> Entry resolve_slot(const BlockOf& block_of, Entry blocks, Ipv4Addr addr) {
    FibValue best = kNoRoute;
    Entry entry = blocks;
    while (is_child(entry)) {
        const Block<Ipv4Addr>& there = block_of(entry);
        best = there.inherited != kNoRoute ? there.inherited : best;
        if (there.depth >= Page::kEnd)
            return shared_bits(there, addr) >= Page::kEnd ? entry : best;
        entry = own_entry(there, addr);
    }
    return entry != kNoRoute ? entry : best;
}

} // namespace

// The page of `blocks`, which have come from those of `before` by `changes`.
template <>
Entry Writer<Ipv4Addr, Ipv4Prefix>::make_page(const Page* before, Entry blocks, Changes changes) {
    OpenPage open(before);
    const Ipv4Addr first = masked(changes.front().prefix.addr, Page::kDepth);
    const auto block_of = [this](Entry child) -> const Block& { return *block(child); };
    const auto fill = [&](unsigned low, unsigned count) {
        for (unsigned slot = low; slot < low + count; ++slot) {
            const Entry entry =
                resolve_slot(block_of, blocks, with_bits(first, Page::kDepth, Page::kWidth, slot));
            open.set(slot, is_child(entry) ? FibArena::kNoCode : arena_.code_of(entry), entry);
        }
    };
    // Many changes overlap, so that it is less work to make the page anew.
    if (before == nullptr || changes.size() > Page::kSlots / 8)
        fill(0, Page::kSlots);
    else
        for (const Route& change : changes) {
            const unsigned end = std::min<unsigned>(change.prefix.length, Page::kEnd);
            const unsigned slot = page_slot(change.prefix.addr);
            fill(slot, 1u << (Page::kEnd - end));
            // A block that came or went on the way to the change may have moved those beside it.
            const uint8_t* codes = open.open(slot / Page::kLineSlots);
            for (unsigned i = 0; i < Page::kLineSlots; ++i)
                if (codes[i] == FibArena::kNoCode)
                    fill(slot - slot % Page::kLineSlots + i, 1);
        }

    Page head{{}, blocks, 0, 0, 0};
    open.arrange(head);
    const FibIndex index = new_node(units_of(head));
    open.write(head, *arena_.nodes().at<Page>(index));
    return kChild | index;
}

} // namespace isthmus::dataplane::fib
