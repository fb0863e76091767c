#pragma once
// Makes new versions of a FIB's trie. Internal to the FIB: use fib.hpp. Control thread only.
//
// There is one algorithm: a sorted list of changes is dealt out to the slots of a node, each child
// is made anew from its share, and the node is written once. A bulk load is that with an empty
// table, a single change that with a list of one.

#include "dataplane/fib.hpp"
#include "dataplane/fib_page.hpp"
#include "dataplane/fib_page6.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace isthmus::dataplane::fib {

// The routes that end in a block: lengths depth + 1 to depth + 6, as bitmap and values. Position of
// a route: lengths in order, by address within a length.
inline constexpr unsigned kBlockRoutes = 126;
struct BlockRoutes {
    std::array<uint64_t, 2> present;
    FibValue values[1]; // as many as bits are set
};

// What becomes of nodes that are not used any more: they are retired, or freed at once.
enum class Readers : uint8_t { possible, none };

template <class Addr, class Prefix> class Writer {
  public:
    using Route = FibRoute<Prefix>;
    using Changes = std::span<const Route>;

    Writer(FibArena& arena, FibSize& size) : arena_(arena), size_(size) {}

    // The root after `changes`, which are sorted by prefix, without duplicates and without one of
    // length 0. `form` is that of the root, or of a table that has none yet. `whole` is what the
    // default route says. Nodes that are no longer used are retired.
    [[nodiscard]] Entry apply(Entry root, Form form, Changes changes, FibValue whole);
    // All nodes below root.
    void drop(Entry root, Readers readers);

    FibIndex new_node(uint32_t units) {
        size_.node_units += units;
        return arena_.nodes().allocate(units);
    }
    void old_node(FibIndex index, uint32_t units, Readers readers) {
        size_.node_units -= units;
        if (readers == Readers::possible)
            arena_.retire(index, units);
        else
            arena_.nodes().release(index, units);
    }

  private:
    using Block = fib::Block<Addr>;
    using Page = typename PageOf<Addr>::Type;
    struct Scratch;

    struct Branch; // where a block has to stand
    [[nodiscard]] Branch find_branch(Entry old, unsigned from, Changes changes) const;
    [[nodiscard]] Entry update(Entry old, unsigned from, Changes changes, FibValue inherited);
    void load(Scratch& scratch, const Block& block) const;
    void deal_out(Scratch& scratch, Changes changes);
    [[nodiscard]] Entry store(Scratch& scratch, Addr path, FibValue inherited);
    void store_routes(Scratch& scratch);
    [[nodiscard]] Entry with_inherited(Entry child, FibValue inherited);
    void retire(Entry child);
    void drop_block(Entry child, Readers readers);

    struct Wide;
    [[nodiscard]] Wide open_wide(Entry old, std::size_t level, FibValue whole);
    [[nodiscard]] uint32_t units_of_wide(std::size_t level) const {
        const unsigned width = levels_[level];
        const std::size_t jumps = has_jumps<Addr>(form_, level) ? sizeof(Jump) << width : 0;
        return wide_units(form_, width) + static_cast<uint32_t>(jumps / FibPool::kUnit);
    }
    void put(Wide& wide, unsigned slot, Entry entry);
    [[nodiscard]] Entry update_wide(Entry old, std::size_t level, unsigned from, Changes changes,
                                    FibValue whole);
    [[nodiscard]] static FibValue inherited(const Wide& wide, unsigned slot);
    [[nodiscard]] bool has_inherited(Entry child, std::size_t level, FibValue value) const;
    void set_entry(Wide& wide, unsigned slot, Changes changes);
    void close_wide(Wide& wide, unsigned low, unsigned high);
    [[nodiscard]] Entry update_below(Entry old, std::size_t level, unsigned from, Changes changes,
                                     FibValue inherited);
    [[nodiscard]] Entry update_page(Entry old, unsigned from, Changes changes);
    [[nodiscard]] Entry make_page(const Page* before, Entry blocks, Changes changes);
    void old_page(Entry child, Readers readers);
    void drop_page(Entry child, Readers readers);
    void drop_wide(Entry node, std::size_t level, Readers readers);

    void set_route(FibValue& place, FibValue value) {
        size_.routes += (value != kNoRoute) - (place != kNoRoute);
        place = value;
    }
    FibIndex new_routes(uint32_t units) {
        size_.route_units += units;
        return arena_.routes().allocate(units);
    }
    void old_routes(FibIndex index, uint32_t units) {
        size_.route_units -= units;
        arena_.routes().release(index, units);
    }
    Block* block(Entry child) const { return arena_.nodes().at<Block>(child & kIndexMask); }

    FibArena& arena_;
    FibSize& size_;
    // Of the table at hand.
    Form form_ = Form::plain;
    std::span<const uint8_t> levels_;
};

template <>
Entry Writer<Ipv4Addr, Ipv4Prefix>::make_page(const Page* before, Entry blocks, Changes changes);
template <>
Entry Writer<Ipv6Addr, Ipv6Prefix>::make_page(const Page* before, Entry blocks, Changes changes);
template <> void Writer<Ipv4Addr, Ipv4Prefix>::old_page(Entry child, Readers readers);
template <> void Writer<Ipv6Addr, Ipv6Prefix>::old_page(Entry child, Readers readers);

// Calls visit(route) for every route of the trie, but for one of length 0.
template <class Addr, class Prefix>
void visit_routes(const FibArena& arena, Entry root,
                  const std::function<void(const FibRoute<Prefix>&)>& visit);

// Address arithmetic of both families.
[[nodiscard]] inline unsigned common_bits(Ipv4Addr a, Ipv4Addr b) {
    return static_cast<unsigned>(std::countl_zero(a.value ^ b.value));
}
[[nodiscard]] inline unsigned common_bits(Ipv6Addr a, Ipv6Addr b) {
    if (a.high != b.high)
        return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
    return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
}
// Bits [from, from + count) of an address; count is 1..13.
[[nodiscard]] inline unsigned bits_at(Ipv4Addr addr, unsigned from, unsigned count) {
    return static_cast<unsigned>(uint64_t{addr.value} << 32 << from >> (64 - count));
}
[[nodiscard]] inline unsigned bits_at(Ipv6Addr addr, unsigned from, unsigned count) {
    const uint64_t rest = from >= 64  ? addr.low << (from - 64)
                          : from == 0 ? addr.high
                                      : addr.high << from | addr.low >> (64 - from);
    return static_cast<unsigned>(rest >> (64 - count));
}
// The address with bits [from, from + count), so far 0, set to `bits`.
[[nodiscard]] inline Ipv4Addr with_bits(Ipv4Addr addr, unsigned from, unsigned count,
                                        unsigned bits) {
    const uint64_t field = uint64_t{bits} << (64 - count) >> from;
    return {addr.value | static_cast<uint32_t>(field >> 32)};
}
[[nodiscard]] inline Ipv6Addr with_bits(Ipv6Addr addr, unsigned from, unsigned count,
                                        unsigned bits) {
    const uint64_t field = uint64_t{bits} << (64 - count);
    if (from >= 64)
        return {addr.high, addr.low | field >> (from - 64)};
    return {addr.high | field >> from, from == 0 ? addr.low : addr.low | field << (64 - from)};
}
// A block's path as an address; of IPv6 the half that the block does not hold is 0.
[[nodiscard]] inline Ipv4Addr path_of(const Block<Ipv4Addr>& block) {
    return {block.path};
}
[[nodiscard]] inline Ipv6Addr path_of(const Block<Ipv6Addr>& block) {
    return block.depth <= 60 ? Ipv6Addr{block.path, 0} : Ipv6Addr{0, block.path};
}
inline void set_path(Block<Ipv4Addr>& block, Ipv4Addr path) {
    block.path = path.value;
}
inline void set_path(Block<Ipv6Addr>& block, Ipv6Addr path) {
    block.path = block.depth <= 60 ? path.high : path.low;
}
// Bits that an address shares with a block's path, where both have come to `from`.
[[nodiscard]] inline unsigned shared_bits(const Block<Ipv4Addr>& block, Ipv4Addr addr) {
    return common_bits(path_of(block), addr);
}
[[nodiscard]] inline unsigned shared_bits(const Block<Ipv6Addr>& block, Ipv6Addr addr) {
    if (block.depth <= 60)
        return static_cast<unsigned>(std::countl_zero(addr.high ^ block.path));
    return 64 + static_cast<unsigned>(std::countl_zero(addr.low ^ block.path));
}
// An address reduced to the bits before `depth`, and the deepest block that may come after `from`.
template <class Addr> [[nodiscard]] constexpr unsigned depth_limit(unsigned from) {
    if constexpr (sizeof(Addr) == sizeof(Ipv6Addr))
        return from <= 60 ? 60 : Block<Addr>::kMaxDepth;
    else
        return Block<Addr>::kMaxDepth;
}

} // namespace isthmus::dataplane::fib
