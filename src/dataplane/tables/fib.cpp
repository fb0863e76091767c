#include "dataplane/fib.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace isthmus::dataplane {
namespace {

constexpr unsigned kStride = 6;
constexpr std::size_t kSlots = 64;

// A route of either family, its prefix left-aligned.
struct Entry {
    FibBits bits;
    unsigned length = 0;
    FibValue value = kNoRoute;

    // The slot of a node that stands `depth` bits below the root.
    [[nodiscard]] unsigned slot(unsigned depth) const {
        FibBits rest = bits;
        for (; depth != 0; depth -= kStride)
            rest.skip(kStride);
        return rest.slot();
    }
};

using Entries = std::span<const Entry>;

// A node still to be filled: the routes below it, all longer than its depth, and what applies
// where none of them does.
struct Work {
    uint32_t node = 0;
    unsigned depth = 0;
    Entries below;
    FibValue inherited = kNoRoute;
};

class Builder {
  public:
    FibTrie build(Entries entries) {
        FibValue everywhere = kNoRoute;
        if (!entries.empty() && entries.front().length == 0) {
            everywhere = entries.front().value;
            entries = entries.subspan(1);
        }
        trie_.nodes.emplace_back();
        // Breadth first, so that the nodes that many addresses pass stand together.
        queue_.push_back({0, 0, entries, everywhere});
        for (std::size_t i = 0; i < queue_.size(); ++i)
            fill(Work(queue_[i]));
        find_entry(entries);
        trie_.nodes.shrink_to_fit();
        trie_.leaves.shrink_to_fit();
        return std::move(trie_);
    }

  private:
    // Sorting by address, then length, makes a prefix precede everything inside it, so that a
    // longer one simply overwrites the slots of a shorter one, and keeps the routes below a slot
    // together.
    void fill(const Work& work) {
        std::array<FibValue, kSlots> values;
        values.fill(work.inherited);
        std::array<Entries, kSlots> deeper{};
        FibNode node;
        const unsigned end = work.depth + kStride;
        for (std::size_t i = 0; i < work.below.size();) {
            const Entry& entry = work.below[i];
            const unsigned slot = entry.slot(work.depth);
            if (entry.length <= end) {
                const std::size_t covered = std::size_t{1} << (end - entry.length);
                std::fill_n(values.begin() + slot, covered, entry.value);
                ++i;
                continue;
            }
            std::size_t next = i + 1;
            while (next < work.below.size() && work.below[next].slot(work.depth) == slot)
                ++next;
            deeper[slot] = work.below.subspan(i, next - i);
            node.children |= uint64_t{1} << slot;
            i = next;
        }
        node.child_base = static_cast<uint32_t>(trie_.nodes.size());
        node.leaf_base = static_cast<uint32_t>(trie_.leaves.size());
        for (std::size_t slot = 0; slot < kSlots; ++slot) {
            if ((node.children >> slot & 1) != 0)
                add_child(Work{0, end, deeper[slot], values[slot]});
            else
                add_leaf(node, slot, values[slot]);
        }
        trie_.nodes[work.node] = node;
    }

    void add_child(Work child) {
        child.node = static_cast<uint32_t>(trie_.nodes.size());
        trie_.nodes.emplace_back();
        queue_.push_back(child);
    }

    // A run goes on across slots that lead to children: nobody asks for the leaf of such a slot.
    void add_leaf(FibNode& node, std::size_t slot, FibValue value) {
        if (node.leaves != 0 && trie_.leaves.back() == value)
            return;
        node.leaves |= uint64_t{1} << slot;
        trie_.leaves.push_back(value);
    }

    // Down from the root while there is one child, but not beyond the bits that `high` holds.
    void find_entry(Entries entries) {
        uint32_t node = 0;
        unsigned depth = 0;
        while (depth + kStride < 64 && std::popcount(trie_.nodes[node].children) == 1) {
            node = trie_.nodes[node].child_base;
            depth += kStride;
        }
        if (depth == 0)
            return;
        // Every node on the way has one child, so any route longer than `depth` shows it.
        const auto deep = std::find_if(entries.begin(), entries.end(),
                                       [depth](const Entry& e) { return e.length > depth; });
        trie_.entry_mask = ~uint64_t{0} << (64 - depth);
        trie_.entry_bits = deep->bits.high & trie_.entry_mask;
        trie_.entry_node = node;
        trie_.entry_skip = depth;
    }

    FibTrie trie_;
    std::vector<Work> queue_;
};

FibTrie build_fib(std::vector<Entry> entries) {
    const auto order = [](const Entry& e) { return std::tuple(e.bits.high, e.bits.low, e.length); };
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const Entry& a, const Entry& b) { return order(a) < order(b); });
    // The sort keeps equal prefixes in their order; the last of them counts.
    std::size_t kept = 0;
    for (const Entry& entry : entries) {
        if (kept != 0 && order(entries[kept - 1]) == order(entry))
            entries[kept - 1] = entry;
        else
            entries[kept++] = entry;
    }
    return Builder().build({entries.data(), kept});
}

} // namespace

template <class Addr, class Prefix>
Fib<Addr, Prefix>::Fib(std::span<const FibRoute<Prefix>> routes) {
    std::vector<Entry> entries;
    entries.reserve(routes.size());
    for (const auto& [prefix, value] : routes)
        entries.push_back({FibBits(masked(prefix.addr, prefix.length)), prefix.length, value});
    trie_ = build_fib(std::move(entries));
}

template <class Addr, class Prefix> std::size_t Fib<Addr, Prefix>::memory_bytes() const noexcept {
    return sizeof *this + trie_.nodes.capacity() * sizeof(FibNode) +
           trie_.leaves.capacity() * sizeof(FibValue);
}

template class Fib<Ipv4Addr, Ipv4Prefix>;
template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
