#pragma once
// Longest prefix match of one VRF: a compact trie, read by any number of threads while the control
// thread changes it. fib_node.hpp says how it is built.
//
// A version of a table never changes: a route change makes new nodes from the changed one up to the
// root, shares all others with the version before, and publishes the new root with one store. A
// look-up loads the root once per burst and neither locks nor waits. Replaced nodes are freed after
// a grace period, see fib_arena.hpp. Look-ups from any thread, everything else from the control
// thread only.

#include "dataplane/fib_arena.hpp"
#include "isthmus/address.hpp"
#include "isthmus/result.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace isthmus::dataplane {

// What a prefix leads to; opaque to the FIB, at most kMaxFibValue. 0 is "no route".
using FibValue = uint32_t;
inline constexpr FibValue kNoRoute = 0;
inline constexpr FibValue kMaxFibValue = 0x7fff'ffff;

template <class Prefix> struct FibRoute {
    Prefix prefix; // host bits zero
    FibValue value = kNoRoute;
};

// What a table holds now.
struct FibSize {
    std::size_t routes = 0;
    std::size_t node_units = 0;  // of the arena's nodes, without retired ones
    std::size_t route_units = 0; // of the arena's routes
};

namespace fib {
using Entry = uint32_t;
enum class Form : uint8_t;
enum class Readers : uint8_t;
} // namespace fib

// Whether an arena has so many octets left for changes of its tables; the error says how many
// changes it was.
[[nodiscard]] Result<void> check_room(const FibArena& arena, std::size_t octets,
                                      std::size_t changes);

// What readers follow into a table: its version of now. Those of all tables of an arena lie close
// together, since with thousands of tables each packet needs another one.
template <class Addr> struct FibRoot {
    std::atomic<uint32_t> entry{0}; // see fib_node.hpp
};

// Addr is Ipv4Addr or Ipv6Addr, Prefix the matching prefix type.
template <class Addr, class Prefix> class Fib {
  public:
    using Route = FibRoute<Prefix>;
    // Look-ups that a bulk call interleaves; it takes any number.
    static constexpr uint32_t kBulk = 64;
    // So many routes a table of direct form may have, see fib_node.hpp; and get it with half.
    static constexpr std::size_t kDirectUpTo = 4096;

    // Routes in any order, faster if sorted; of two with one prefix the later one counts. A value
    // of kNoRoute is no route. Throws std::bad_alloc where apply() returns an error.
    explicit Fib(std::span<const Route> routes, FibArena& arena = process_fib_arena());
    explicit Fib(FibArena& arena) : Fib({}, arena) {}
    // Frees all nodes at once: no reader may hold the table any more.
    ~Fib();
    Fib(const Fib&) = delete;
    Fib& operator=(const Fib&) = delete;

    // kNoRoute if nothing matches.
    [[nodiscard]] FibValue lookup(Addr addr) const noexcept;
    // values[i] becomes what addresses[i] leads to.
    void lookup_bulk(const Addr* addresses, FibValue* values, uint32_t count) const noexcept;
    // The same by the root of a table, and with a table for each address. All of `arena`.
    using Root = FibRoot<Addr>;
    static void lookup_bulk(const FibArena& arena, const Root& table, const Addr* addresses,
                            FibValue* values, uint32_t count) noexcept;
    static void lookup_bulk(const FibArena& arena, const Root* const* tables, const Addr* addresses,
                            FibValue* values, uint32_t count) noexcept;
    // Stays where it is as long as the table lives.
    [[nodiscard]] const Root& root() const noexcept { return root_; }

    // Adds, replaces and (value kNoRoute) deletes routes; readers see all changes at once. Of two
    // with one prefix the later one counts; deleting what is not there does nothing. On an error
    // (a value over kMaxFibValue, a prefix length too long, no room) nothing has changed.
    [[nodiscard]] Result<void> apply(std::span<const Route> changes);
    [[nodiscard]] Result<void> insert(const Prefix& prefix, FibValue value) {
        const Route change{prefix, value};
        return apply({&change, 1});
    }
    [[nodiscard]] Result<void> erase(const Prefix& prefix) { return insert(prefix, kNoRoute); }
    // What apply() of so many changes asks for, see check_room().
    [[nodiscard]] std::size_t room_needed(std::size_t changes) const noexcept;

    // All routes, in no particular order.
    void for_each(const std::function<void(const Route&)>& visit) const;
    [[nodiscard]] std::size_t size() const { return size_.routes; }
    // What the table itself takes, with what is needed to change it.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return sizeof *this + (size_.node_units + size_.route_units) * FibPool::kUnit;
    }

  private:
    [[nodiscard]] Result<void> check(std::span<const Route> changes) const;
    [[nodiscard]] fib::Form wanted_form(fib::Form now, std::size_t routes) const;
    [[nodiscard]] fib::Entry rebuild(fib::Entry trie, fib::Form form);
    [[nodiscard]] fib::Entry take_trie(fib::Readers readers);
    [[nodiscard]] fib::Entry with_summary(fib::Entry trie);
    [[nodiscard]] std::vector<Route> routes_of(fib::Entry trie) const;
    void count_direct(std::size_t bytes);

    FibArena& arena_;
    FibIndex root_at_;
    Root& root_;
    FibValue default_ = kNoRoute; // the route of length 0
    FibSize size_;
    std::size_t direct_bytes_ = 0;           // of the arena's
    std::size_t direct_up_to_ = kDirectUpTo; // routes; less after that was too large once
};

using Fib4 = Fib<Ipv4Addr, Ipv4Prefix>;
using Fib6 = Fib<Ipv6Addr, Ipv6Prefix>;
extern template class Fib<Ipv4Addr, Ipv4Prefix>;
extern template class Fib<Ipv6Addr, Ipv6Prefix>;

} // namespace isthmus::dataplane
