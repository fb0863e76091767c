#pragma once
// The forwarding tables of one attachment, changed in place: which value wins for a prefix, and
// which place in the table of adjacencies a next hop has. Knows nothing of workers but through the
// calls that say what they have seen. Control thread only.
//
// A FIB value may lead to an adjacency only once every worker has a state with it, and the place of
// an adjacency is given to another one only when no worker can have found it in the FIB:
//
//   want() or set_neighbour() -> publish adjacencies() -> all workers have seen that -> confirm()
//     -> apply(), flush_hosts()
//   apply() or flush_hosts() -> retire_idle(token) -> all workers have seen the token -> reuse()

#include "control/host_stack.hpp"
#include "control/model.hpp"
#include "dataplane/fib.hpp"
#include "dataplane/forwarding_state.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace isthmus::control {

// Neighbours by link, as the host stack knows them now.
using NeighbourMacs = std::map<LinkId, std::map<IpAddr, MacAddr>>;
[[nodiscard]] std::optional<MacAddr> find_mac(const NeighbourMacs& neighbours, LinkId link,
                                              const IpAddr& address);

// Changes of both families' FIBs.
struct FibChanges {
    std::vector<dataplane::FibRoute<Ipv4Prefix>> ipv4;
    std::vector<dataplane::FibRoute<Ipv6Prefix>> ipv6;

    void add(const IpPrefix& prefix, dataplane::FibValue value);
    [[nodiscard]] bool empty() const { return ipv4.empty() && ipv6.empty(); }
};

// What follows from the addresses of an attachment, whatever its routes are.
struct FixedRoutes {
    std::map<IpPrefix, dataplane::FibValue> strong; // own addresses, peers: before all routes
    std::map<IpPrefix, dataplane::FibValue> weak;   // connected, broadcast: behind all routes
    bool operator==(const FixedRoutes&) const = default;
};
// `members` are the channels of the attachment's interconnect.
[[nodiscard]] FixedRoutes fixed_routes(const Attachment& spec,
                                       const std::vector<ChannelId>& members);

class Vrf {
  public:
    // Throws std::bad_alloc if there is no room for the routes.
    Vrf(FixedRoutes fixed, const RouteTable& routes, const std::map<IpAddr, MacAddr>& neighbours,
        dataplane::FibArena& arena = dataplane::process_fib_arena());

    [[nodiscard]] const dataplane::Fib4& fib4() const { return fib4_; }
    [[nodiscard]] const dataplane::Fib6& fib6() const { return fib6_; }
    [[nodiscard]] const FixedRoutes& fixed() const { return fixed_; }

    // Makes room for a next hop of routes. False: routes may lead to it once workers know it.
    bool want(const IpAddr& next_hop);
    // A neighbour on the VPC side is known by this MAC now, or is not known any more.
    void set_neighbour(const IpAddr& address, const std::optional<MacAddr>& mac);
    [[nodiscard]] bool adjacencies_changed() const { return changed_; }
    // For the next state to be published.
    [[nodiscard]] std::vector<dataplane::Adjacency> adjacencies();
    // Every worker has a state with what adjacencies() returned last.
    void confirm();
    // Something waits for confirm() or flush_hosts().
    [[nodiscard]] bool unsettled() const { return unknown_ != 0 || !hosts_.empty(); }

    // The value that wins for a prefix if it has this route, or none. The next hop must be known to
    // workers.
    [[nodiscard]] dataplane::FibValue winner(const IpPrefix& prefix,
                                             const std::optional<Route>& route) const;
    // Both or neither. On an error nothing has changed.
    [[nodiscard]] Result<void> apply(const FibChanges& changes);
    // Host routes of neighbours that came or went. False: nothing was to be done.
    [[nodiscard]] Result<bool> flush_hosts(const RouteTable& routes);

    // Routes do not lead to this next hop any more.
    void leave(const IpAddr& next_hop) { idle_.push_back(next_hop); }
    // Gives up the places of next hops without use. `token`: of a grace period that began after the
    // FIB stopped leading there.
    void retire_idle(const RouteTable& routes, uint64_t token);
    void reuse(const std::function<bool(uint64_t token)>& seen);

  private:
    enum class Known : uint8_t { no, published, yes }; // to workers
    struct Hop {
        uint32_t index = 0;
        Known known = Known::no;
        bool neighbour = false; // has a MAC, and a host route
    };
    struct Retired {
        uint64_t token;
        uint32_t index;
    };
    Hop& place_of(const IpAddr& address);
    [[nodiscard]] dataplane::FibValue target_of(const Route& route) const;

    FixedRoutes fixed_;
    std::map<IpAddr, Hop> hops_;
    std::vector<dataplane::Adjacency> adjacencies_;
    std::vector<uint32_t> free_;
    std::deque<Retired> retired_;
    std::vector<IpAddr> hosts_; // whose host route has to be looked at
    std::vector<IpAddr> idle_;  // next hops that may be without use
    std::size_t unknown_ = 0;   // hops that workers do not know yet
    bool changed_ = false;
    dataplane::FibArena& arena_;
    dataplane::Fib4 fib4_;
    dataplane::Fib6 fib6_;
};

} // namespace isthmus::control
