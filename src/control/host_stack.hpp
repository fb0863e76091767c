#pragma once
// The edge as a host on its links: ARP and ND (answer, ask, age), ping on its own addresses, and
// the ICMP errors of a router. Pure logic over octets and a clock given by the caller: no DPDK, no
// sockets. Control thread only.

#include "control/model.hpp"
#include "isthmus/address.hpp"
#include "isthmus/drop.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace isthmus::control {

// Why a worker handed a packet to the control thread.
enum class PuntReason : uint8_t {
    arp,        // ARP on a link of an attachment
    local,      // IP packet addressed to the edge (unicast to an own address)
    nd,         // ICMPv6 to a multicast or link-local address of the link
    unresolved, // to be forwarded, but the next hop's MAC is not known
    notice,     // the packet was dropped and counted; its sender is due an ICMP error
};
inline constexpr std::size_t kPuntReasonCount = 5;

// A packet from a worker. `frame` starts at DA, as received on the link but for MACsec, which is
// removed; it may carry up to one VLAN tag. Nothing in it has been checked beyond what the reason
// says: IP packets passed the router's header checks.
struct Punt {
    PuntReason reason = PuntReason::local;
    Notice notice = Notice::none; // for `notice`
    uint16_t mtu = 0;             // for packet_too_big
    LinkId in;                    // the link the packet came in by
    LinkId out;                   // for `unresolved`
    IpAddr next_hop;              // for `unresolved`
    std::span<const uint8_t> frame;
};

// One link of the edge, made from the Model.
struct Link {
    LinkId id;
    PortId port;
    uint16_t vlan = 0; // 0: untagged
    uint16_t mtu = 1500;
    MacAddr mac; // of the port
    LinkAddresses local;
    std::vector<IpAddr>
        wanted; // next hops to keep resolved without traffic: peers, route next hops
    std::map<IpAddr, MacAddr> static_neighbours;
    bool operator==(const Link&) const = default;
};

enum class NeighbourState : uint8_t { incomplete, reachable, probing, permanent };
[[nodiscard]] std::string_view to_string(NeighbourState state);

struct Neighbour {
    LinkId link;
    IpAddr address;
    NeighbourState state = NeighbourState::incomplete;
    MacAddr mac;               // unless incomplete
    uint64_t confirmed_ns = 0; // when the MAC was last heard
};

struct NeighbourKey {
    LinkId link;
    IpAddr address;
    auto operator<=>(const NeighbourKey&) const = default;
};

// Sends a complete frame (DA.., VLAN tag included, MACsec not) out of a port. False: no room, try
// later.
using SendFrame = std::function<bool(PortId, std::span<const uint8_t>)>;

// Told of packets that waited in vain for the next hop's MAC, for the books of the link's edge.
using HeldDropped = std::function<void(LinkId, uint64_t packets)>;

struct HostStackCounters {
    uint64_t arp_requests_received = 0, arp_replies_sent = 0, arp_requests_sent = 0;
    uint64_t nd_solicitations_received = 0, nd_advertisements_sent = 0, nd_solicitations_sent = 0;
    uint64_t echo_replies_sent = 0;
    uint64_t icmp_errors_sent = 0,
             icmp_errors_suppressed = 0; // rate limit, or not allowed (RFC 1122, 4443)
    uint64_t held_packets_sent = 0;
    uint64_t held_packets_dropped = 0; // next hop never answered, or its queue was full
    uint64_t local_ignored = 0;        // addressed to the edge, but nothing here listens
    uint64_t malformed = 0;
    uint64_t send_failed = 0;
};

class HostStack {
  public:
    explicit HostStack(SendFrame send, HeldDropped dropped = {});
    ~HostStack();
    HostStack(const HostStack&) = delete;
    HostStack& operator=(const HostStack&) = delete;

    // Replaces the set of links. Neighbours of links that stay (same id, port, vlan) are kept.
    void set_links(std::vector<Link> links, uint64_t now_ns);
    // The same for the links of one attachment, and for one link; the others stay as they are.
    void set_links(AttachmentId attachment, std::vector<Link> links, uint64_t now_ns);
    void set_link(Link link, uint64_t now_ns);
    void remove_link(LinkId link, uint64_t now_ns);

    // Any octets may be in punt.frame: everything is checked before it is read.
    void receive(const Punt& punt, uint64_t now_ns);

    // Sends due requests and probes, drops what waited too long. Call about every 100 ms.
    void tick(uint64_t now_ns);

    // The MAC to use now (reachable, probing or permanent), if any.
    [[nodiscard]] std::optional<MacAddr> resolve(LinkId link, const IpAddr& address) const;
    [[nodiscard]] std::vector<Neighbour> neighbours() const;
    // Whose mapping that workers use has appeared, changed or gone since the last call; resolve()
    // says what it is now.
    [[nodiscard]] std::vector<NeighbourKey> take_changes();
    [[nodiscard]] bool take_changed() { return !take_changes().empty(); }

    // Forgets what was learnt about an address (static entries are the Model's); false if unknown.
    bool forget(LinkId link, const IpAddr& address);

    [[nodiscard]] const HostStackCounters& counters() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace isthmus::control
