#pragma once
// The routes of one attachment as the API set them. Hash tables, for a table may hold millions of
// routes and thousands of tables a thousand each: about 20 octets an IPv4 route, and a change takes
// the same time at any size. Control thread only.

#include "isthmus/address.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace isthmus::control {

enum class Via : uint8_t { channels, vpc, blackhole };
struct Route {
    Via via = Via::channels;
    std::optional<IpAddr> next_hop; // exactly when via is vpc
    auto operator<=>(const Route&) const = default;
};

// Which routes of a table; all that are given hold.
struct RouteFilter {
    std::optional<IpPrefix> within, covers;
    std::optional<Via> via;
};

// A number other than 0 for each of a set of prefixes: open addressing, linear probing.
template <class Prefix> class PrefixMap {
  public:
    [[nodiscard]] std::size_t size() const { return size_; }
    // 0: not there.
    [[nodiscard]] uint32_t find(const Prefix& prefix) const;
    // Returns what was there before.
    uint32_t set(const Prefix& prefix, uint32_t value);
    uint32_t erase(const Prefix& prefix);
    // Room for so many: set() allocates nothing up to there.
    void reserve(std::size_t count);
    void clear() { *this = {}; }
    template <class Visit> void for_each(Visit&& visit) const {
        for (const Place& place : places_)
            if (place.value != 0)
                visit(place.prefix, place.value);
    }

  private:
    struct Place {
        Prefix prefix;
        uint32_t value = 0;
    };
    [[nodiscard]] std::size_t home(const Prefix& prefix) const;
    [[nodiscard]] std::size_t slot(const Prefix& prefix) const;

    std::vector<Place> places_; // a power of two of them, or none
    std::size_t size_ = 0;
};

class RouteTable {
  public:
    RouteTable() = default;
    RouteTable(std::initializer_list<std::pair<IpPrefix, Route>> routes);

    [[nodiscard]] std::size_t size() const { return ipv4_.size() + ipv6_.size(); }
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] bool contains(const IpPrefix& prefix) const { return code_of(prefix) != 0; }
    [[nodiscard]] std::optional<Route> find(const IpPrefix& prefix) const;
    // Of a prefix that is there.
    [[nodiscard]] Route at(const IpPrefix& prefix) const { return find(prefix).value(); }

    // False: the prefix has a route already, which stays.
    bool insert(const IpPrefix& prefix, const Route& route);
    // Adds or replaces, or removes; returns what was there before.
    std::optional<Route> set(const IpPrefix& prefix, const Route& route);
    std::optional<Route> erase(const IpPrefix& prefix);
    void clear() { *this = {}; }
    // Room for so many more of each family, so that set() does not run out of memory half-way.
    void reserve_more(std::size_t ipv4, std::size_t ipv6);

    // table[prefix] = route
    class Slot {
      public:
        void operator=(const Route& route) { (void)table_.set(prefix_, route); }

      private:
        friend RouteTable;
        Slot(RouteTable& table, const IpPrefix& prefix) : table_(table), prefix_(prefix) {}
        RouteTable& table_;
        IpPrefix prefix_;
    };
    Slot operator[](const IpPrefix& prefix) { return {*this, prefix}; }

    // visit(prefix, route), in no particular order.
    template <class Visit> void for_each(Visit&& visit) const {
        const auto with_route = [&](const auto& prefix, uint32_t code) {
            visit(IpPrefix{prefix}, route_of(code));
        };
        ipv4_.for_each(with_route);
        ipv6_.for_each(with_route);
    }
    // IPv4 first, by address and length.
    [[nodiscard]] std::vector<std::pair<IpPrefix, Route>> in_order() const;

    // The first `most` routes of that order that the filter has and that come after a prefix, and
    // how many it has in all. In one walk over the table, whatever its size: a cursor is a prefix,
    // and holds when routes come and go.
    struct Page {
        std::vector<std::pair<IpPrefix, Route>> routes;
        std::size_t total = 0;
        bool more = false; // after the last one
    };
    [[nodiscard]] Page page(const RouteFilter& filter, const std::optional<IpPrefix>& after,
                            std::size_t most) const;

    // The next hops that routes lead to, in a time that does not depend on the number of routes.
    [[nodiscard]] std::vector<IpAddr> next_hops() const;
    friend bool operator==(const RouteTable& a, const RouteTable& b);
    [[nodiscard]] bool leads_to(const IpAddr& next_hop) const {
        return others_.contains({Via::vpc, next_hop});
    }

  private:
    struct Other {
        Route route;
        std::size_t prefixes = 0;
    };
    [[nodiscard]] bool passes(uint32_t code, const std::optional<Via>& via) const;
    template <class Prefix>
    void add_page(Page& out, const PrefixMap<Prefix>& map, const RouteFilter& filter,
                  const std::optional<IpPrefix>& after, std::size_t most) const;
    [[nodiscard]] uint32_t code_of(const IpPrefix& prefix) const;
    [[nodiscard]] Route route_of(uint32_t code) const;
    [[nodiscard]] uint32_t take_code(const Route& route);
    std::optional<Route> release_code(uint32_t code);

    PrefixMap<Ipv4Prefix> ipv4_;
    PrefixMap<Ipv6Prefix> ipv6_;
    // All but the two plain ones, which are numbers: few, since next hops are.
    std::map<Route, uint32_t> others_;
    std::vector<Other> by_number_;
    std::vector<uint32_t> free_; // of by_number_
};

} // namespace isthmus::control
