#include "dataplane/fib.hpp"

#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <vector>

namespace isthmus::dataplane {
namespace {

// Wide nodes and pages cost memory: up to 20 MiB for IPv4, and for IPv6 some KiB for each /15 and
// 128 octets for each /24 that has longer routes. From kWideFrom routes on a table always has them,
// from kSpareFrom on while the arena is almost empty, since a look-up is twice as fast; it loses
// them below an eighth of that, so that a table at the limit does not change its form all the time.
constexpr std::size_t kWideFrom = 16384;
constexpr std::size_t kSpareFrom = 8;

bool wants_wide(bool is_wide, std::size_t routes, const FibArena& arena) {
    const std::size_t from = arena.has_spare() ? kSpareFrom : kWideFrom;
    return routes >= (is_wide ? from / 8 : from);
}

// At most this much new memory for one route: three blocks with their entries, and its share of
// wide nodes; what the wide nodes of a table take besides; and copies of all pages there are.
constexpr std::size_t kRoomPerRoute = 512;
constexpr std::size_t kRoomPerTable = std::size_t{32} << 20;

template <class Prefix> constexpr unsigned max_length() {
    return sizeof(Prefix) == sizeof(Ipv4Prefix) ? 32 : 128;
}

template <class Route> bool before(const Route& a, const Route& b) {
    return a.prefix < b.prefix;
}

// Sorted, host bits zero, the last of equal prefixes only.
template <class Route> std::vector<Route> in_order(std::span<const Route> changes) {
    std::vector<Route> sorted(changes.begin(), changes.end());
    for (Route& change : sorted)
        change.prefix.addr = masked(change.prefix.addr, change.prefix.length);
    if (!std::is_sorted(sorted.begin(), sorted.end(), before<Route>))
        std::stable_sort(sorted.begin(), sorted.end(), before<Route>);
    std::size_t kept = 0;
    for (const Route& change : sorted) {
        if (kept != 0 && sorted[kept - 1].prefix == change.prefix)
            sorted[kept - 1] = change;
        else
            sorted[kept++] = change;
    }
    sorted.resize(kept);
    return sorted;
}

} // namespace

Result<void> check_room(const FibArena& arena, std::size_t octets, std::size_t changes) {
    const std::size_t room = std::min(arena.nodes().room_bytes(), arena.routes().room_bytes());
    if (octets <= room)
        return {};
    return Error{ErrorCode::unavailable, "no room for " + std::to_string(changes) +
                                             " route changes in the forwarding tables: up to " +
                                             std::to_string(octets) + " octets needed, " +
                                             std::to_string(room) + " left"};
}

template <class Addr, class Prefix>
Fib<Addr, Prefix>::Fib(std::span<const Route> routes, FibArena& arena)
    : base_(arena.nodes().base()), arena_(arena) {
    if (!routes.empty() && !apply(routes))
        throw std::bad_alloc();
}

template <class Addr, class Prefix> Fib<Addr, Prefix>::~Fib() {
    using Writer = fib::Writer<Addr, Prefix>;
    Writer(arena_, size_).drop(root_.load(std::memory_order_relaxed), Writer::Readers::none);
}

template <class Addr, class Prefix>
Result<void> Fib<Addr, Prefix>::check(std::span<const Route> changes) const {
    for (const Route& change : changes) {
        if (change.prefix.length > max_length<Prefix>())
            return invalid_value("prefix length", std::to_string(change.prefix.length),
                                 "at most " + std::to_string(max_length<Prefix>()));
        if (change.value > kMaxFibValue)
            return invalid_value("route value", std::to_string(change.value),
                                 "at most " + std::to_string(kMaxFibValue));
    }
    return check_room(arena_, room_needed(changes.size()), changes.size());
}

template <class Addr, class Prefix>
std::size_t Fib<Addr, Prefix>::room_needed(std::size_t changes) const noexcept {
    // A change of form builds the table once more.
    return kRoomPerTable + (changes + std::min(size_.routes, kWideFrom)) * kRoomPerRoute +
           size_.node_units * FibPool::kUnit;
}

template <class Addr, class Prefix>
Result<void> Fib<Addr, Prefix>::apply(std::span<const Route> changes) {
    if (auto good = check(changes); !good)
        return good;
    const auto sorted = in_order(changes);
    std::span<const Route> rest(sorted);
    FibValue whole = default_;
    if (!rest.empty() && rest.front().prefix.length == 0) {
        whole = rest.front().value;
        rest = rest.subspan(1);
    }
    using Writer = fib::Writer<Addr, Prefix>;
    Writer writer(arena_, size_);
    const fib::Entry root = root_.load(std::memory_order_relaxed);
    const bool is_wide = root >> 30 == 3;
    const bool wide = is_wide || (!fib::is_child(root) && wants_wide(false, rest.size(), arena_));
    fib::Entry made = writer.apply(root, wide, rest, whole);
    size_.routes += (whole != kNoRoute) - (default_ != kNoRoute);
    default_ = whole;
    if (wants_wide(wide, size_.routes, arena_) != wide) {
        std::vector<Route> all;
        fib::visit_routes<Addr, Prefix>(arena_, made,
                                        [&](const Route& route) { all.push_back(route); });
        std::sort(all.begin(), all.end(), before<Route>);
        writer.drop(made, Writer::Readers::possible);
        size_ = {whole != kNoRoute, 0, 0};
        made = writer.apply(0, !wide, all, whole);
    }
    root_.store(made, std::memory_order_release);
    return {};
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::for_each(const std::function<void(const Route&)>& visit) const {
    if (default_ != kNoRoute)
        visit({{}, default_});
    fib::visit_routes<Addr, Prefix>(arena_, root_.load(std::memory_order_relaxed), visit);
}

template class Fib<Ipv4Addr, Ipv4Prefix>;
template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
