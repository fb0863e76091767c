// The wide nodes that paged and direct tables begin with.

#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <cstring>

namespace isthmus::dataplane::fib {

// A wide node that is being made. Its routes are a plain array: position (1 << length) + bits.
template <class Addr, class Prefix> struct Writer<Addr, Prefix>::Wide {
    std::size_t level;
    unsigned end; // in bits of address
    FibIndex index;
    unsigned width;
    Entry* entries;
    FibValue* inherited; // of paged tables
    FibIndex routes_at;
    FibValue* routes;
};

namespace {

constexpr uint32_t wide_route_units(unsigned width) {
    return static_cast<uint32_t>((2 * sizeof(FibValue) << width) / FibPool::kUnit);
}

FibIndex& wide_routes(Entry* node, Form form, unsigned width) {
    return node[wide_entries(form, width)];
}

} // namespace

template <class Addr, class Prefix>
auto Writer<Addr, Prefix>::open_wide(Entry old, std::size_t level, FibValue whole) -> Wide {
    const unsigned width = levels_[level];
    const uint32_t units = units_of_wide(level);
    const std::size_t slots = std::size_t{1} << width;
    const FibIndex index = new_node(units);
    auto* node = arena_.nodes().at<Entry>(index);
    if (old != 0) {
        std::memcpy(node, arena_.nodes().at<Entry>(old & kIndexMask), units * FibPool::kUnit);
    } else {
        std::fill_n(node, slots, form_ == Form::paged ? kNothingBelow<Addr> : whole);
        if (form_ == Form::paged)
            std::fill_n(node + slots, slots, whole);
        const FibIndex routes = new_routes(wide_route_units(width));
        std::fill_n(arena_.routes().at<FibValue>(routes), 2 * slots, kNoRoute);
        wide_routes(node, form_, width) = routes;
        if (has_jumps<Addr>(form_, level))
            std::fill_n(const_cast<Jump*>(jumps_of(node)), slots, Jump{arena_.code_of(whole), 0});
    }
    const FibIndex routes = wide_routes(node, form_, width);
    return {
        level, 0, index, width, node, node + slots, routes, arena_.routes().at<FibValue>(routes)};
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update_wide(Entry old, std::size_t level, unsigned from,
                                        Changes changes, FibValue whole) {
    const unsigned width = levels_[level];
    const unsigned end = from + width;
    Wide wide = open_wide(old, level, whole);
    wide.end = end;
    unsigned low = 1u << width, high = 0; // slots whose value may change
    // What stands for the whole node is at position 1: no length, no bits.
    if (wide.routes[1] != whole) {
        wide.routes[1] = whole;
        low = 0, high = 1u << width;
    }
    bool deletes = false;
    for (const auto& [prefix, value] : changes) {
        deletes |= value == kNoRoute;
        if (prefix.length > end)
            continue;
        const unsigned slot = bits_at(prefix.addr, from, width);
        const unsigned length = prefix.length - from;
        set_route(wide.routes[(1u << length) + (slot >> (width - length))], value);
        low = std::min(low, slot);
        high = std::max(high, slot + (1u << (width - length)));
    }
    close_wide(wide, low, high);
    for (std::size_t i = 0; i < changes.size();) {
        if (changes[i].prefix.length <= end) {
            ++i;
            continue;
        }
        const unsigned slot = bits_at(changes[i].prefix.addr, from, width);
        std::size_t next = i + 1;
        while (next < changes.size() && changes[next].prefix.length > end &&
               bits_at(changes[next].prefix.addr, from, width) == slot)
            ++next;
        set_entry(wide, slot, changes.subspan(i, next - i));
        i = next;
    }
    if (old != 0)
        old_node(old & kIndexMask, units_of_wide(level), Readers::possible);
    const bool empty =
        level != 0 && deletes &&
        std::none_of(wide.entries, wide.entries + (std::size_t{1} << width), is_child) &&
        std::all_of(wide.routes + 2, wide.routes + (std::size_t{2} << width),
                    [](FibValue value) { return value == kNoRoute; });
    if (!empty)
        return kChild | wide.index;
    old_routes(wide.routes_at, wide_route_units(width));
    old_node(wide.index, units_of_wide(level), Readers::none);
    return 0;
}

// What the node's routes say for a slot.
template <class Addr, class Prefix>
FibValue Writer<Addr, Prefix>::inherited(const Wide& wide, unsigned slot) {
    // Halving the position leads from a route to the next shorter one, and last to what is whole.
    unsigned at = (1u << wide.width) + slot;
    while (at > 1 && wide.routes[at] == kNoRoute)
        at >>= 1;
    return wide.routes[at];
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::put(Wide& wide, unsigned slot, Entry entry) {
    const bool shows_value = form_ == Form::direct;
    wide.entries[slot] = is_child(entry) || shows_value ? entry : kNothingBelow<Addr>;
    if (!has_jumps<Addr>(form_, wide.level))
        return;
    const uint8_t code = is_child(entry) ? FibArena::kNoCode : arena_.code_of(entry);
    const_cast<Jump*>(jumps_of(wide.entries))[slot] =
        is_child(entry) ? jump_to_child(entry) : Jump{code, 0};
}

// What a slot leads to after `changes` of the routes that go on below it.
template <class Addr, class Prefix>
void Writer<Addr, Prefix>::set_entry(Wide& wide, unsigned slot, Changes changes) {
    const Entry entry = wide.entries[slot];
    const FibValue best = inherited(wide, slot);
    const Entry made =
        update_below(is_child(entry) ? entry : 0, wide.level, wide.end, changes, best);
    put(wide, slot, made != 0 ? made : best);
}

// Finds again what the node's routes say for slots [low, high).
template <class Addr, class Prefix>
void Writer<Addr, Prefix>::close_wide(Wide& wide, unsigned low, unsigned high) {
    for (unsigned slot = low; slot < high; ++slot) {
        if (form_ == Form::direct && is_child(wide.entries[slot])) {
            set_entry(wide, slot, {});
            continue;
        }
        const FibValue best = inherited(wide, slot);
        if (form_ == Form::paged)
            wide.inherited[slot] = best;
        if (!is_child(wide.entries[slot]))
            put(wide, slot, best);
    }
}

// Whether a child of a wide node has been made with this value.
template <class Addr, class Prefix>
bool Writer<Addr, Prefix>::has_inherited(Entry child, std::size_t level, FibValue value) const {
    if (level + 1 == levels_.size())
        return block(child)->inherited == value;
    auto* node = arena_.nodes().at<Entry>(child & kIndexMask);
    const FibIndex routes = wide_routes(node, form_, levels_[level + 1]);
    return arena_.routes().at<const FibValue>(routes)[1] == value;
}

// Those of a child of a wide node; all end below it.
template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update_below(Entry old, std::size_t level, unsigned from,
                                         Changes changes, FibValue inherited) {
    const bool direct = form_ == Form::direct;
    if (direct && changes.empty() && has_inherited(old, level, inherited))
        return old;
    if (level + 1 < levels_.size())
        return update_wide(old, level + 1, from, changes, direct ? inherited : kNoRoute);
    return direct ? update(old, from, changes, inherited) : update_page(old, from, changes);
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::drop_wide(Entry node, std::size_t level, Readers readers) {
    const unsigned width = levels_[level];
    Entry* there = arena_.nodes().at<Entry>(node & kIndexMask);
    for (std::size_t slot = 0; slot < std::size_t{1} << width; ++slot) {
        if (!is_child(there[slot]))
            continue;
        if (level + 1 < levels_.size())
            drop_wide(there[slot], level + 1, readers);
        else if (form_ == Form::direct)
            drop_block(there[slot], readers);
        else
            drop_page(there[slot], readers);
    }
    old_routes(wide_routes(there, form_, width), wide_route_units(width));
    old_node(node & kIndexMask, units_of_wide(level), readers);
}

// What follows the last wide node: a page with its blocks.
template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update_page(Entry old, unsigned from, Changes changes) {
    const Page* before = old != 0 ? page_at<Addr>(arena_.nodes().base(), old) : nullptr;
    const Entry blocks = update(before != nullptr ? before->blocks : 0, from, changes, kNoRoute);
    const Entry made = blocks != 0 ? make_page(before, blocks, changes) : 0;
    if (before != nullptr)
        old_page(old, Readers::possible);
    return made;
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::drop_page(Entry child, Readers readers) {
    drop_block(page_at<Addr>(arena_.nodes().base(), child)->blocks, readers);
    old_page(child, readers);
}

#define ISTHMUS_INSTANTIATE(addr, prefix)                                                          \
    template Entry Writer<addr, prefix>::update_wide(Entry, std::size_t, unsigned, Changes,        \
                                                     FibValue);                                    \
    template void Writer<addr, prefix>::drop_wide(Entry, std::size_t, Readers);
ISTHMUS_INSTANTIATE(Ipv4Addr, Ipv4Prefix)
ISTHMUS_INSTANTIATE(Ipv6Addr, Ipv6Prefix)
#undef ISTHMUS_INSTANTIATE

} // namespace isthmus::dataplane::fib
