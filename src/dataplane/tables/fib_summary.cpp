// How the routes of a small table become a summary. Control thread only.

#include "dataplane/fib_summary.hpp"

#include <algorithm>
#include <vector>

namespace isthmus::dataplane::fib {
namespace {

using Routes = std::span<const FibRoute<Ipv4Prefix>>;

constexpr uint64_t kEnd = uint64_t{1} << 32; // of all addresses

struct Interval {
    uint64_t start, end;
    FibValue value;
    bool asks = false; // the trie

    [[nodiscard]] uint64_t size() const { return end - start; }
    // Addresses with a route that are answered.
    [[nodiscard]] uint64_t answered() const { return asks || value == kNoRoute ? 0 : size(); }
};
using Intervals = std::vector<Interval>;

FibValue value_at(Routes routes, uint64_t addr) {
    // Of routes that contain an address, the longest is the last one in order.
    const auto match = std::find_if(routes.rbegin(), routes.rend(), [addr](const auto& route) {
        return ((route.prefix.addr.value ^ addr) & ipv4_mask(route.prefix.length)) == 0;
    });
    return match != routes.rend() ? match->value : kNoRoute;
}

// All addresses; neighbours differ.
Intervals intervals_of(Routes routes) {
    std::vector<uint64_t> ends{0, kEnd};
    for (const auto& [prefix, value] : routes) {
        ends.push_back(prefix.addr.value);
        ends.push_back(uint64_t{prefix.addr.value | ~ipv4_mask(prefix.length)} + 1);
    }
    std::sort(ends.begin(), ends.end());
    Intervals all;
    for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
        if (ends[i] == ends[i + 1])
            continue;
        const FibValue value = value_at(routes, ends[i]);
        if (all.empty() || all.back().value != value)
            all.push_back({ends[i], ends[i], value});
        all.back().end = ends[i + 1];
    }
    return all;
}

// What it costs to ask the trie instead. What has no route is worth little, but not nothing: a
// look-up that finds nothing takes longest.
uint64_t cost(const Interval& a) {
    return a.asks ? 0 : a.value == kNoRoute ? a.size() >> 16 : a.size();
}
// Makes neighbours one that asks the trie, about the cheapest first, until so many are left.
void leave_to_trie(Intervals& all, std::size_t most) {
    for (uint64_t limit = 1; all.size() > most; limit *= 2) {
        std::size_t left = 1;
        for (std::size_t i = 1; i < all.size(); ++i) {
            Interval& before = all[left - 1];
            const bool too_many = left + (all.size() - i) > most;
            if (too_many && cost(before) + cost(all[i]) <= limit)
                before = {before.start, all[i].end, kNoRoute, true};
            else
                all[left++] = all[i];
        }
        all.resize(left);
    }
}

uint64_t answered(const Intervals& all) {
    uint64_t sum = 0;
    for (const Interval& interval : all)
        sum += interval.answered();
    return sum;
}

} // namespace

std::optional<Summary> summarize(Routes routes, Entry trie, FibArena& arena) {
    Intervals all = intervals_of(routes);
    const uint64_t routed = answered(all);
    leave_to_trie(all, Summary::kIntervals);
    Summary made{};
    made.trie = trie;
    made.starts.fill(static_cast<uint32_t>(kEnd - 1));
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i != 0)
            made.starts[i - 1] = static_cast<uint32_t>(all[i].start);
        const uint8_t code = all[i].asks ? FibArena::kNoCode : arena.code_of(all[i].value);
        all[i].asks = code == FibArena::kNoCode;
        std::fill(made.codes.begin() + static_cast<std::ptrdiff_t>(i), made.codes.end(), code);
    }
    if (answered(all) < routed - routed / 2)
        return std::nullopt;
    return made;
}

} // namespace isthmus::dataplane::fib
