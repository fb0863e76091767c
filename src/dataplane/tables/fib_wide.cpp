// The wide nodes that large tables begin with.

#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <cstring>

namespace isthmus::dataplane::fib {

// A wide node that is being made. Its routes are a plain array: position (1 << length) + bits.
template <class Addr, class Prefix> struct Writer<Addr, Prefix>::Wide {
    FibIndex index;
    unsigned width;
    Entry* entries;
    FibValue* inherited;
    FibIndex routes_at;
    FibValue* routes;
};

namespace {

constexpr uint32_t wide_route_units(unsigned width) {
    return static_cast<uint32_t>((2 * sizeof(FibValue) << width) / FibPool::kUnit);
}

FibIndex& wide_routes(Entry* node, unsigned width) {
    return node[std::size_t{2} << width];
}

} // namespace

template <class Addr, class Prefix>
auto Writer<Addr, Prefix>::open_wide(Entry old, unsigned width, FibValue whole) -> Wide {
    const std::size_t slots = std::size_t{1} << width;
    const FibIndex index = new_node(wide_units(width));
    auto* node = arena_.nodes().at<Entry>(index);
    if (old != 0) {
        std::memcpy(node, arena_.nodes().at<Entry>(old & kIndexMask),
                    wide_units(width) * FibPool::kUnit);
    } else {
        std::fill_n(node, 2 * slots, whole);
        const FibIndex routes = new_routes(wide_route_units(width));
        std::fill_n(arena_.routes().at<FibValue>(routes), 2 * slots, kNoRoute);
        wide_routes(node, width) = routes;
    }
    const FibIndex routes = wide_routes(node, width);
    return {index, width, node, node + slots, routes, arena_.routes().at<FibValue>(routes)};
}

template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update_wide(Entry old, std::size_t level, unsigned from,
                                        Changes changes, FibValue whole) {
    const unsigned width = kWideLevels<Addr>[level];
    const unsigned end = from + width;
    Wide wide = open_wide(old, width, whole);
    unsigned low = 1u << width, high = 0; // slots whose value may change
    // The default route stands at position 1: no length, no bits.
    if (wide.routes[1] != whole) {
        wide.routes[1] = whole;
        low = 0, high = 1u << width;
    }
    bool deletes = false;
    for (std::size_t i = 0; i < changes.size();) {
        const auto& [prefix, value] = changes[i];
        deletes |= value == kNoRoute;
        const unsigned slot = bits_at(prefix.addr, from, width);
        if (prefix.length <= end) {
            const unsigned length = prefix.length - from;
            set_route(wide.routes[(1u << length) + (slot >> (width - length))], value);
            low = std::min(low, slot);
            high = std::max(high, slot + (1u << (width - length)));
            ++i;
            continue;
        }
        std::size_t next = i + 1;
        for (; next < changes.size() && changes[next].prefix.length > end &&
               bits_at(changes[next].prefix.addr, from, width) == slot;
             ++next)
            deletes |= changes[next].value == kNoRoute;
        const Changes share = changes.subspan(i, next - i);
        const Entry child = is_child(wide.entries[slot]) ? wide.entries[slot] : 0;
        const Entry made = level + 1 < kWideLevels<Addr>.size()
                               ? update_wide(child, level + 1, end, share, kNoRoute)
                               : update_below(child, end, share);
        wide.entries[slot] = made != 0 ? made : wide.inherited[slot];
        i = next;
    }
    close_wide(wide, low, high, whole);
    if (old != 0)
        old_node(old & kIndexMask, wide_units(width), Readers::possible);
    const bool empty = level != 0 && deletes &&
                       std::all_of(wide.entries, wide.inherited, [](Entry e) { return e == 0; });
    if (!empty)
        return kChild | wide.index;
    old_routes(wide.routes_at, wide_route_units(width));
    old_node(wide.index, wide_units(width), Readers::none);
    return 0;
}

// Finds again what the node's routes say for slots [low, high).
template <class Addr, class Prefix>
void Writer<Addr, Prefix>::close_wide(Wide& wide, unsigned low, unsigned high, FibValue whole) {
    for (unsigned slot = low; slot < high; ++slot) {
        FibValue best = whole;
        // Halving the position leads from a route to the next shorter one.
        for (unsigned at = (1u << wide.width) + slot; at > 1; at >>= 1) {
            if (wide.routes[at] != kNoRoute) {
                best = wide.routes[at];
                break;
            }
        }
        wide.inherited[slot] = best;
        if (!is_child(wide.entries[slot]))
            wide.entries[slot] = best;
    }
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::drop_wide(Entry node, std::size_t level, Readers readers) {
    const unsigned width = kWideLevels<Addr>[level];
    Entry* there = arena_.nodes().at<Entry>(node & kIndexMask);
    for (std::size_t slot = 0; slot < std::size_t{1} << width; ++slot) {
        if (!is_child(there[slot]))
            continue;
        if (level + 1 < kWideLevels<Addr>.size())
            drop_wide(there[slot], level + 1, readers);
        else
            drop_below(there[slot], readers);
    }
    old_routes(wide_routes(there, width), wide_route_units(width));
    old_node(node & kIndexMask, wide_units(width), readers);
}

// What follows the last wide node: a page with its blocks.
template <class Addr, class Prefix>
Entry Writer<Addr, Prefix>::update_below(Entry old, unsigned from, Changes changes) {
    const Page* before = old != 0 ? page_at<Addr>(arena_.nodes().base(), old) : nullptr;
    const Entry blocks = update(before != nullptr ? before->blocks : 0, from, changes, kNoRoute);
    const Entry made = blocks != 0 ? make_page(before, blocks, changes) : 0;
    if (before != nullptr)
        old_node(old & kIndexMask, units_of(*before), Readers::possible);
    return made;
}

template <class Addr, class Prefix>
void Writer<Addr, Prefix>::drop_below(Entry child, Readers readers) {
    const Page& page = *page_at<Addr>(arena_.nodes().base(), child);
    drop_block(page.blocks, readers);
    old_node(child & kIndexMask, units_of(page), readers);
}

#define ISTHMUS_INSTANTIATE(addr, prefix)                                                          \
    template Entry Writer<addr, prefix>::update_wide(Entry, std::size_t, unsigned, Changes,        \
                                                     FibValue);                                    \
    template void Writer<addr, prefix>::drop_wide(Entry, std::size_t, Readers);
ISTHMUS_INSTANTIATE(Ipv4Addr, Ipv4Prefix)
ISTHMUS_INSTANTIATE(Ipv6Addr, Ipv6Prefix)
#undef ISTHMUS_INSTANTIATE

} // namespace isthmus::dataplane::fib
