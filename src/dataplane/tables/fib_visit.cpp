// All routes of a trie.

#include "dataplane/fib_writer.hpp"

#include <bit>

namespace isthmus::dataplane::fib {
namespace {

template <class Addr, class Prefix> class Visitor {
  public:
    using Visit = std::function<void(const FibRoute<Prefix>&)>;
    Visitor(const FibArena& arena, Form form, const Visit& visit)
        : arena_(arena), form_(form), levels_(wide_levels<Addr>(form)), visit_(visit) {}

    // `at` has the bits that all addresses of the node share, as far as its parents know.
    void wide(Entry node, std::size_t level, unsigned from, Addr at) const {
        const unsigned width = levels_[level];
        const auto* entries = arena_.nodes().at<const Entry>(node & kIndexMask);
        const auto* routes =
            arena_.routes().at<const FibValue>(entries[wide_entries(form_, width)]);
        for (unsigned length = 1; length <= width; ++length)
            for (unsigned bits = 0; bits < 1u << length; ++bits)
                route(at, from, length, bits, routes[(1u << length) + bits]);
        for (unsigned slot = 0; slot < 1u << width; ++slot) {
            if (!is_child(entries[slot]))
                continue;
            const Addr below = with_bits(at, from, width, slot);
            if (level + 1 < levels_.size())
                wide(entries[slot], level + 1, from + width, below);
            else if (form_ == Form::direct)
                block(entries[slot], below);
            else
                block(page_at<Addr>(arena_.nodes().base(), entries[slot])->blocks, below);
        }
    }

    void block(Entry child, Addr at) const {
        const auto& there = *arena_.nodes().at<const Block<Addr>>(child & kIndexMask);
        const Addr path = path_of(there);
        if constexpr (sizeof(Addr) == sizeof(Ipv6Addr))
            at = there.depth <= 60 ? path : Addr{at.high, path.low};
        else
            at = path;
        uint64_t starts = there.starts;
        for (const Entry* entry = entries(&there); starts != 0; ++entry) {
            const auto slot = static_cast<unsigned>(std::countr_zero(starts));
            starts &= starts - 1;
            const auto end = static_cast<unsigned>(std::countr_zero(starts));
            if (is_child(*entry))
                block(*entry, with_bits(at, there.depth, kStride, slot));
            else if (there.routes == 0)
                for (unsigned i = slot; i < end; ++i)
                    route(at, there.depth, kStride, i, *entry);
        }
        if (there.routes == 0)
            return;
        const auto& stored = *arena_.routes().at<const BlockRoutes>(there.routes);
        const FibValue* value = stored.values;
        for (unsigned length = 1; length <= kStride; ++length) {
            for (unsigned bits = 0; bits < 1u << length; ++bits) {
                const unsigned position = (1u << length) - 2 + bits;
                if ((stored.present[position / 64] >> position % 64 & 1) != 0)
                    route(at, there.depth, length, bits, *value++);
            }
        }
    }

  private:
    void route(Addr at, unsigned from, unsigned length, unsigned bits, FibValue value) const {
        if (value != kNoRoute)
            visit_(
                {{with_bits(at, from, length, bits), static_cast<uint8_t>(from + length)}, value});
    }

    const FibArena& arena_;
    Form form_;
    std::span<const uint8_t> levels_;
    const Visit& visit_;
};

} // namespace

template <class Addr, class Prefix>
void visit_routes(const FibArena& arena, Entry root,
                  const std::function<void(const FibRoute<Prefix>&)>& visit) {
    const Form form = form_of(root);
    const Visitor<Addr, Prefix> visitor(arena, form, visit);
    if (form != Form::plain)
        visitor.wide(root & ~kDirect, 0, 0, {});
    else if (is_child(root))
        visitor.block(root, {});
}

template void
visit_routes<Ipv4Addr, Ipv4Prefix>(const FibArena&, Entry,
                                   const std::function<void(const FibRoute<Ipv4Prefix>&)>&);
template void
visit_routes<Ipv6Addr, Ipv6Prefix>(const FibArena&, Entry,
                                   const std::function<void(const FibRoute<Ipv6Prefix>&)>&);

} // namespace isthmus::dataplane::fib
