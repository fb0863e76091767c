#include "dataplane/fib.hpp"

#include "dataplane/fib_summary.hpp"
#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <bit>
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
// A direct table's first node takes 128 KiB, each of the routes up to 32 KiB. First come, first
// served: it keeps its form until it is too large, or all of them together are by far.
constexpr std::size_t kDirectBytes = std::size_t{4} << 20;
// What a route may need in one: all nodes on its way.
constexpr std::size_t kRoomPerDirectRoute = std::size_t{72} << 10;

// At most this much new memory for one route: three blocks with their entries, and its share of
// wide nodes; what the wide nodes of a table, or its summary, take besides; and copies of all pages
// there are.
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
    : arena_(arena), root_at_(arena.roots().allocate(1)),
      root_(*new (arena.roots().at<Root>(root_at_)) Root) {
    static_assert(sizeof(Root) <= FibPool::kUnit);
    if (!routes.empty() && !apply(routes)) {
        arena_.roots().release(root_at_, 1);
        throw std::bad_alloc();
    }
}

template <class Addr, class Prefix> Fib<Addr, Prefix>::~Fib() {
    const fib::Entry trie = take_trie(fib::Readers::none);
    fib::Writer<Addr, Prefix>(arena_, size_).drop(trie, fib::Readers::none);
    arena_.roots().release(root_at_, 1);
    count_direct(0);
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
fib::Form Fib<Addr, Prefix>::wanted_form(fib::Form now, std::size_t routes) const {
    using fib::Form;
    const bool is_direct = now == Form::direct;
    const std::size_t room = std::min(arena_.nodes().room_bytes(), arena_.routes().room_bytes());
    const bool may_be_direct = is_direct ? routes >= kSpareFrom / 8 && routes <= kDirectUpTo &&
                                               direct_bytes_ <= kDirectBytes &&
                                               arena_.direct_bytes() <= 2 * arena_.direct_limit()
                                         : routes >= kSpareFrom && routes <= direct_up_to_ / 2 &&
                                               arena_.direct_bytes() < arena_.direct_limit();
    if (may_be_direct && room >= 2 * kRoomPerTable + 2 * routes * kRoomPerDirectRoute)
        return Form::direct;
    const std::size_t from = arena_.has_spare() ? kSpareFrom : kWideFrom;
    return routes >= (now == Form::paged ? from / 8 : from) ? Form::paged : Form::plain;
}

template <class Addr, class Prefix>
auto Fib<Addr, Prefix>::routes_of(fib::Entry trie) const -> std::vector<Route> {
    std::vector<Route> all;
    fib::visit_routes<Addr, Prefix>(arena_, trie,
                                    [&](const Route& route) { all.push_back(route); });
    std::sort(all.begin(), all.end(), before<Route>);
    return all;
}

template <class Addr, class Prefix>
fib::Entry Fib<Addr, Prefix>::rebuild(fib::Entry trie, fib::Form form) {
    const auto all = routes_of(trie);
    fib::Writer<Addr, Prefix> writer(arena_, size_);
    writer.drop(trie, fib::Readers::possible);
    size_ = {default_ != kNoRoute, 0, 0};
    return writer.apply(0, form, all, default_);
}

// The trie of now; a summary in front of it is given up.
template <class Addr, class Prefix> fib::Entry Fib<Addr, Prefix>::take_trie(fib::Readers readers) {
    const fib::Entry root = root_.entry.load(std::memory_order_relaxed);
    if (fib::form_of(root) != fib::Form::summary)
        return root;
    const fib::Entry trie = fib::trie_of(arena_.nodes().base(), root);
    fib::Writer<Addr, Prefix>(arena_, size_)
        .old_node(root & fib::kIndexMask & ~fib::kSummary, fib::kSummaryUnits, readers);
    return trie;
}

// What is to be published for a trie.
template <class Addr, class Prefix> fib::Entry Fib<Addr, Prefix>::with_summary(fib::Entry trie) {
    using namespace fib;
    if constexpr (kHasSummary<Addr>) {
        if (!is_child(trie) || form_of(trie) != Form::plain || size_.routes > kSummaryUpTo)
            return trie;
        auto routes = routes_of(trie);
        if (default_ != kNoRoute)
            routes.insert(routes.begin(), {{}, default_});
        const auto& first = *block_at<Addr>(arena_.nodes().base(), trie);
        const auto blocks = static_cast<unsigned>(std::popcount(first.starts));
        if (const auto made = summarize(routes, trie | long_if<Addr>(blocks), arena_)) {
            const FibIndex index = Writer<Addr, Prefix>(arena_, size_).new_node(kSummaryUnits);
            *arena_.nodes().at<Summary>(index) = *made;
            return kChild | kWide | kSummary | index;
        }
    }
    return trie;
}

template <class Addr, class Prefix> void Fib<Addr, Prefix>::count_direct(std::size_t bytes) {
    arena_.direct_bytes() += bytes - direct_bytes_;
    direct_bytes_ = bytes;
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
    using fib::Form;
    fib::Entry trie = take_trie(fib::Readers::possible);
    Form form = fib::form_of(trie);
    // A table that has no nodes yet gets its form now; one that would be too large, in time.
    if (!fib::is_child(trie) || form == Form::direct) {
        const Form now = wanted_form(form, size_.routes + rest.size());
        if (fib::is_child(trie) && now != form)
            trie = rebuild(trie, now);
        form = now;
    }
    trie = fib::Writer<Addr, Prefix>(arena_, size_).apply(trie, form, rest, whole);
    size_.routes += (whole != kNoRoute) - (default_ != kNoRoute);
    default_ = whole;
    count_direct(form == Form::direct ? memory_bytes() : 0);
    if (const Form now = wanted_form(form, size_.routes); now != form) {
        trie = rebuild(trie, now);
        if (direct_bytes_ > kDirectBytes)
            direct_up_to_ = std::min(direct_up_to_, size_.routes);
        form = now;
        count_direct(form == Form::direct ? memory_bytes() : 0);
    }
    root_.entry.store(with_summary(trie), std::memory_order_release);
    return {};
}

template <class Addr, class Prefix>
void Fib<Addr, Prefix>::for_each(const std::function<void(const Route&)>& visit) const {
    if (default_ != kNoRoute)
        visit({{}, default_});
    const fib::Entry root = root_.entry.load(std::memory_order_relaxed);
    fib::visit_routes<Addr, Prefix>(arena_, fib::trie_of(arena_.nodes().base(), root), visit);
}

template class Fib<Ipv4Addr, Ipv4Prefix>;
template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
