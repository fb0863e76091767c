#include "dataplane/fib_page.hpp"
#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace isthmus::dataplane::fib {
namespace {

// A page that is being made from another one, in groups of slots: extras are those of the page
// before, or its own in groups where anything changes.
class OpenPage {
  public:
    static constexpr unsigned kGroup = 64;

    explicit OpenPage(const Page* before) : before_(before) {
        if (before != nullptr)
            codes_ = before->codes;
    }
    // What the slots of a group have so far.
    const uint8_t* open(unsigned group) {
        opened_ |= uint64_t{1} << group;
        return codes_.data() + group * kGroup;
    }
    void set(unsigned slot, uint8_t code, uint8_t above, Entry entry) {
        open(slot / kGroup);
        codes_[slot] = code;
        extras_[slot] = {static_cast<uint16_t>(slot), above, 0, entry};
    }
    [[nodiscard]] uint32_t count_extras() const {
        uint32_t count = 0;
        for_each_extra([&](Page::Extra) { ++count; });
        return count;
    }
    void write(Page& made, Page::Extra* extras) const {
        made.codes = codes_;
        for_each_extra([&](Page::Extra each) { *extras++ = each; });
    }

  private:
    // In the order of slots.
    template <class Visit> void for_each_extra(Visit&& visit) const {
        const Page::Extra* old = before_ != nullptr ? before_->extras() : nullptr;
        const Page::Extra* end = before_ != nullptr ? old + before_->extra_count : nullptr;
        const auto visit_until = [&](unsigned slot) {
            for (; old != end && old->slot < slot; ++old)
                if ((opened_ >> (old->slot / kGroup) & 1) == 0)
                    visit(*old);
        };
        for (uint64_t rest = opened_; rest != 0; rest &= rest - 1) {
            const unsigned first = static_cast<unsigned>(std::countr_zero(rest)) * kGroup;
            visit_until(first);
            for (unsigned slot = first; slot < first + kGroup; ++slot)
                if (codes_[slot] == FibArena::kNoCode)
                    visit(extras_[slot]);
        }
        visit_until(Page::kSlots);
    }

    const Page* before_;
    uint64_t opened_ = 0; // groups of our own
    std::array<uint8_t, Page::kSlots> codes_;
    std::array<Page::Extra, Page::kSlots> extras_; // where the code is kNoCode
};
static_assert(Page::kSlots / OpenPage::kGroup == 64);

// What all addresses of a slot lead to: its value; or, if that is not all, the block below, and the
// value of those that it has nothing for.
struct Resolved {
    Entry entry;
    FibValue above;
};
template <class BlockOf>
Resolved resolve_slot(const BlockOf& block_of, Entry blocks, Ipv4Addr addr) {
    FibValue best = kNoRoute;
    Entry entry = blocks;
    while (is_child(entry)) {
        const Block<Ipv4Addr>& there = block_of(entry);
        best = there.inherited != kNoRoute ? there.inherited : best;
        if (there.depth >= Page::kEnd)
            return {shared_bits(there, addr) >= Page::kEnd ? entry : best, best};
        entry = own_entry(there, addr);
    }
    return {entry != kNoRoute ? entry : best, best};
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
            const auto [entry, above] =
                resolve_slot(block_of, blocks, with_bits(first, Page::kDepth, Page::kWidth, slot));
            const bool whole = !is_child(entry);
            open.set(slot, whole ? arena_.code_of(entry) : FibArena::kNoCode,
                     whole ? uint8_t{0} : arena_.code_of(above), entry);
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
            const uint8_t* codes = open.open(slot / OpenPage::kGroup);
            for (unsigned i = 0; i < OpenPage::kGroup; ++i)
                if (codes[i] == FibArena::kNoCode)
                    fill(slot - slot % OpenPage::kGroup + i, 1);
        }

    const FibIndex index = new_node(FibPool::kPageUnits);
    Page& made = *arena_.nodes().at<Page>(index);
    made.blocks = blocks;
    made.extra_count = open.count_extras();
    const FibIndex extras = made.extra_count <= Page::kFew
                                ? index + offsetof(Page, few) / FibPool::kUnit
                                : new_node(made.extra_count);
    made.extras_at = static_cast<int32_t>(extras - index);
    open.write(made, arena_.nodes().at<Page::Extra>(extras));
    return kChild | index;
}

template <> void Writer<Ipv4Addr, Ipv4Prefix>::old_page(Entry child, Readers readers) {
    const Page& page = *page_at<Ipv4Addr>(arena_.nodes().base(), child);
    if (page.extra_count > Page::kFew)
        old_node((child & kIndexMask) + static_cast<FibIndex>(page.extras_at), page.extra_count,
                 readers);
    old_node(child & kIndexMask, FibPool::kPageUnits, readers);
}

} // namespace isthmus::dataplane::fib
