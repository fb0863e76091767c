#pragma once
// The links of the edge and what can be said about an address on them. Control thread only.

#include "control/host_stack.hpp"

#include <map>
#include <optional>
#include <vector>

namespace isthmus::control::host {

// Neighbour and host rules for one link. IPv6 is spoken where an IPv6 address is configured, and
// then on the link-local address of the MAC too.
[[nodiscard]] bool owns(const Link& link, const IpAddr& address);
// A unicast address that a neighbour on this link may have: within its subnet or link-local, and
// not the edge's own.
[[nodiscard]] bool on_link(const Link& link, const IpAddr& address);
// A next hop that this link can ask for: unicast, of a configured family, not the edge's own.
[[nodiscard]] bool can_ask(const Link& link, const IpAddr& address);
// The configured address of the same family as `like`.
[[nodiscard]] std::optional<IpAddr> own_address(const Link& link, const IpAddr& like);
// All-ones or all-zeros host part of the link's IPv4 subnet (RFC 1812, 4.2.3.1).
[[nodiscard]] bool is_subnet_broadcast(const Link& link, const IpAddr& address);
// One host somewhere: not unspecified, loopback, multicast, broadcast or reserved.
[[nodiscard]] bool is_unicast(const IpAddr& address);

class Links {
  public:
    void set(Link link);
    void erase(LinkId id) { links_.erase(id); }
    [[nodiscard]] const Link* find(LinkId id) const;
    [[nodiscard]] const std::map<LinkId, Link>& all() const { return links_; }

    // The links of one attachment share a VRF, so each answers for the addresses of all of them;
    // a link-local address counts only on its own link.
    [[nodiscard]] bool is_own(const Link& in, const IpAddr& address) const;
    [[nodiscard]] bool is_broadcast(const Link& in, const IpAddr& address) const;

  private:
    template <class Predicate> bool any_of_attachment(AttachmentId id, Predicate predicate) const;

    std::map<LinkId, Link> links_;
};

} // namespace isthmus::control::host
