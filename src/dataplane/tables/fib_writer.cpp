#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <cstring>

namespace isthmus::dataplane::fib {
namespace {

// Position of the first route of length depth + length in a block, or in a wide node.
constexpr unsigned first_of(unsigned length) {
    return (1u << length) - 2;
}

constexpr uint32_t route_units(unsigned count) {
    return static_cast<uint32_t>(
        (sizeof(uint64_t) * 2 + count * sizeof(FibValue) + FibPool::kUnit - 1) / FibPool::kUnit);
}
unsigned count_of(const BlockRoutes& routes) {
    return static_cast<unsigned>(std::popcount(routes.present[0]) +
                                 std::popcount(routes.present[1]));
}

template <class Visit> void for_each_bit(const BlockRoutes& routes, Visit&& visit) {
    for (unsigned word = 0; word < 2; ++word)
        for (uint64_t rest = routes.present[word]; rest != 0; rest &= rest - 1)
            visit(word * 64 + static_cast<unsigned>(std::countr_zero(rest)));
}

// What the routes of a block say for each slot.
void resolve(const std::array<FibValue, kBlockRoutes>& routes, std::array<FibValue, kSlots>& best) {
    // From short to long; within an array of half the length, every value counts for two slots.
    std::array<FibValue, kSlots> shorter{};
    for (unsigned length = 1; length <= kStride; ++length) {
        for (unsigned i = 0; i < 1u << length; ++i) {
            const FibValue own = routes[first_of(length) + i];
            best[i] = own != kNoRoute ? own : shorter[i >> 1];
        }
        shorter = best;
    }
}

} // namespace

// A block taken apart.
template <class Addr, class Prefix> struct Writer<Addr, Prefix>::Scratch {
    unsigned depth = 0;
    FibIndex routes_at = 0; // where the routes are stored now
    std::array<FibValue, kBlockRoutes> routes{};
    std::array<Entry, kSlots> child{};
    std::array<FibValue, kSlots> best{};
    std::array<Changes, kSlots> share{}; // changes that end below this block
};

template <class Addr, class Prefix> struct Writer<Addr, Prefix>::Branch {
    unsigned depth;
    Addr path;
};

// The deepest place that still sees all changes and the old block begin.
template <class Addr, class Prefix>
auto Writer<Addr, Prefix>::find_branch(Entry old, unsigned from, Changes changes) const -> Branch {
    const Addr first = changes.front().prefix.addr, last = changes.back().prefix.addr;
    unsigned reach = common_bits(first, last);
    if (old != 0) {
        const Block& there = *block(old);
        reach = std::min({reach, there.depth, shared_bits(there, first), shared_bits(there, last)});
    }
    if (reach >= from + kStride)
        for (const Route& change : changes)
            reach = std::min(reach, change.prefix.length - 1u);
    else
        reach = from;
    const unsigned depth = std::min(reach / kStride * kStride, depth_limit<Addr>(from));
    return {depth, masked(first, static_cast<uint8_t>(depth))};
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update(Entry old, unsigned from, Changes changes, FibValue inherited) {
    if (changes.empty())
        return old == 0 ? 0 : with_inherited(old, inherited);
    const Branch branch = find_branch(old, from, changes);
    Scratch scratch;
    scratch.depth = branch.depth;
    const bool same_place = old != 0 && block(old)->depth == branch.depth;
    if (same_place)
        load(scratch, *block(old));
    else if (old != 0)
        scratch.child[bits_at(path_of(*block(old)), branch.depth, kStride)] = old;
    std::array<FibValue, kSlots> before = scratch.best;
    if (same_place)
        resolve(scratch.routes, before);
    deal_out(scratch, changes);
    resolve(scratch.routes, scratch.best);
    for (unsigned slot = 0; slot < kSlots; ++slot) {
        const bool moved = !same_place || scratch.best[slot] != before[slot];
        if (!scratch.share[slot].empty() || (scratch.child[slot] != 0 && moved))
            scratch.child[slot] = update(scratch.child[slot], branch.depth + kStride,
                                         scratch.share[slot], scratch.best[slot]);
    }
    const Entry made = store(scratch, branch.path, inherited);
    if (same_place)
        retire(old);
    return made;
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::load(Scratch& scratch, const Block& from) const {
    uint64_t starts = from.starts;
    const Entry* entry = entries(&from);
    for (; starts != 0; ++entry) {
        const auto slot = static_cast<unsigned>(std::countr_zero(starts));
        starts &= starts - 1;
        const auto end = static_cast<unsigned>(std::countr_zero(starts)); // 64 for the last run
        if (is_child(*entry))
            scratch.child[slot] = *entry;
        else if (from.routes == 0)
            std::fill_n(scratch.routes.begin() + first_of(kStride) + slot, end - slot, *entry);
    }
    scratch.routes_at = from.routes;
    if (from.routes == 0)
        return;
    const auto& stored = *arena_.routes().at<BlockRoutes>(from.routes);
    const FibValue* value = stored.values;
    for_each_bit(stored, [&](unsigned position) { scratch.routes[position] = *value++; });
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::deal_out(Scratch& scratch, Changes changes) {
    const unsigned end = scratch.depth + kStride;
    for (std::size_t i = 0; i < changes.size();) {
        const auto& [prefix, value] = changes[i];
        if (prefix.length <= end) {
            const unsigned length = prefix.length - scratch.depth;
            set_route(
                scratch.routes[first_of(length) + bits_at(prefix.addr, scratch.depth, length)],
                value);
            ++i;
            continue;
        }
        const unsigned slot = bits_at(prefix.addr, scratch.depth, kStride);
        std::size_t next = i + 1;
        while (next < changes.size() && changes[next].prefix.length > end &&
               bits_at(changes[next].prefix.addr, scratch.depth, kStride) == slot)
            ++next;
        scratch.share[slot] = changes.subspan(i, next - i);
        i = next;
    }
}

// Only routes that the entries do not show by themselves need to be kept beside them.
template <class Addr, class Prefix> void Writer<Addr, Prefix>::store_routes(Scratch& scratch) {
    BlockRoutes head{};
    for (unsigned p = 0; p < kBlockRoutes; ++p)
        head.present[p / 64] |= uint64_t{scratch.routes[p] != kNoRoute} << p % 64;
    constexpr unsigned kFull = first_of(kStride);
    bool plain = (head.present[0] & ((uint64_t{1} << kFull) - 1)) == 0;
    for (unsigned slot = 0; slot < kSlots; ++slot)
        plain &= scratch.child[slot] == 0 || scratch.routes[kFull + slot] == kNoRoute;

    auto& pool = arena_.routes();
    const uint32_t units = plain ? 0 : route_units(count_of(head));
    const uint32_t units_now =
        scratch.routes_at == 0 ? 0
                               : route_units(count_of(*pool.at<BlockRoutes>(scratch.routes_at)));
    if (units != units_now) {
        if (units_now != 0)
            old_routes(scratch.routes_at, units_now);
        scratch.routes_at = units != 0 ? new_routes(units) : 0;
    }
    if (units == 0)
        return;
    auto& stored = *pool.at<BlockRoutes>(scratch.routes_at);
    stored.present = head.present;
    FibValue* value = stored.values;
    for_each_bit(stored, [&](unsigned position) { *value++ = scratch.routes[position]; });
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::store(Scratch& scratch, Addr path, FibValue inherited) {
    std::array<Entry, kSlots> runs;
    unsigned count = 0, children = 0;
    uint64_t starts = 0;
    Entry only_child = 0;
    for (unsigned slot = 0; slot < kSlots; ++slot) {
        const Entry child = scratch.child[slot];
        const Entry entry = child != 0 ? child : scratch.best[slot];
        if (child != 0) {
            ++children;
            only_child = child;
        }
        if (count != 0 && runs[count - 1] == entry)
            continue;
        starts |= uint64_t{1} << slot;
        runs[count++] = entry;
    }
    store_routes(scratch);
    // A block without routes of its own and at most one child has nothing to decide.
    const bool own_routes = std::any_of(scratch.routes.begin(), scratch.routes.end(),
                                        [](FibValue value) { return value != kNoRoute; });
    if (!own_routes && children == 0)
        return 0;
    if (!own_routes && children == 1 &&
        depth_limit<Addr>(scratch.depth) >= block(only_child)->depth)
        return with_inherited(only_child, inherited);

    const uint32_t units = block_units<Addr>(count);
    const FibIndex index = new_node(units);
    Block& made = *arena_.nodes().at<Block>(index);
    made.starts = starts;
    made.depth = scratch.depth;
    set_path(made, path);
    made.inherited = inherited;
    made.routes = scratch.routes_at;
    std::copy_n(runs.begin(), count, entries(&made));
    return kChild | long_if<Addr>(count) | index;
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::with_inherited(Entry child, FibValue inherited) {
    const Block& there = *block(child);
    if (there.inherited == inherited)
        return child;
    const auto count = static_cast<unsigned>(std::popcount(there.starts));
    const uint32_t units = block_units<Addr>(count);
    const FibIndex index = new_node(units);
    Block* made = arena_.nodes().at<Block>(index);
    std::memcpy(static_cast<void*>(made), &there, units * FibPool::kUnit);
    made->inherited = inherited;
    retire(child);
    return (child & ~kIndexMask) | index;
}

template <class Addr, class Prefix> void Writer<Addr, Prefix>::retire(Entry child) {
    const auto count = static_cast<unsigned>(std::popcount(block(child)->starts));
    old_node(child & kIndexMask, block_units<Addr>(count), Readers::possible);
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::drop_block(Entry child, Readers readers) {
    const Block& there = *block(child);
    const auto count = static_cast<unsigned>(std::popcount(there.starts));
    for (unsigned i = 0; i < count; ++i)
        if (is_child(entries(&there)[i]))
            drop_block(entries(&there)[i], readers);
    if (there.routes != 0)
        old_routes(there.routes,
                   route_units(count_of(*arena_.routes().at<BlockRoutes>(there.routes))));
    old_node(child & kIndexMask, block_units<Addr>(count), readers);
}

template <class Addr, class Prefix> void Writer<Addr, Prefix>::drop(Entry root, Readers readers) {
    form_ = form_of(root);
    levels_ = wide_levels<Addr>(form_);
    if (form_ != Form::plain)
        drop_wide(root & ~kDirect, 0, readers);
    else if (is_child(root))
        drop_block(root, readers);
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::apply(Entry root, Form form, Changes changes, FibValue whole) {
    form_ = form;
    levels_ = wide_levels<Addr>(form);
    if (form != Form::plain)
        return update_wide(is_child(root) ? root & ~kDirect : 0, 0, 0, changes, whole) | kWide |
               (form == Form::direct ? kDirect : 0);
    const Entry made = update(is_child(root) ? root : 0, 0, changes, whole);
    return made != 0 ? made & ~kLong : whole;
}

template class Writer<Ipv4Addr, Ipv4Prefix>;
template class Writer<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane::fib
