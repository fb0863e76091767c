#include "control/host/links.hpp"

#include <utility>

namespace isthmus::control::host {
namespace {

const Ipv4Addr* as_v4(const IpAddr& address) {
    return std::get_if<Ipv4Addr>(&address);
}

const Ipv6Addr* as_v6(const IpAddr& address) {
    return std::get_if<Ipv6Addr>(&address);
}

bool has_configured(const Link& link, const IpAddr& address) {
    const auto own = own_address(link, address);
    return own && *own == address;
}

} // namespace

std::optional<IpAddr> own_address(const Link& link, const IpAddr& like) {
    if (as_v4(like) != nullptr)
        return link.local.ipv4 ? std::optional<IpAddr>(link.local.ipv4->addr) : std::nullopt;
    return link.local.ipv6 ? std::optional<IpAddr>(link.local.ipv6->addr) : std::nullopt;
}

bool owns(const Link& link, const IpAddr& address) {
    if (has_configured(link, address))
        return true;
    const Ipv6Addr* v6 = as_v6(address);
    return v6 != nullptr && link.local.ipv6 && *v6 == link_local_from(link.mac);
}

bool on_link(const Link& link, const IpAddr& address) {
    if (!is_unicast(address) || owns(link, address))
        return false;
    if (const Ipv4Addr* v4 = as_v4(address))
        return link.local.ipv4 && contains(*link.local.ipv4, *v4) &&
               !is_subnet_broadcast(link, address);
    const Ipv6Addr& v6 = std::get<Ipv6Addr>(address);
    return link.local.ipv6 && (v6.is_link_local() || contains(*link.local.ipv6, v6));
}

bool can_ask(const Link& link, const IpAddr& address) {
    return own_address(link, address) && is_unicast(address) && !owns(link, address) &&
           !is_subnet_broadcast(link, address);
}

bool is_subnet_broadcast(const Link& link, const IpAddr& address) {
    const Ipv4Addr* v4 = as_v4(address);
    // Subnets of two addresses have neither (RFC 3021).
    if (v4 == nullptr || !link.local.ipv4 || link.local.ipv4->length >= 31 ||
        !contains(*link.local.ipv4, *v4))
        return false;
    const uint32_t host_bits = ~ipv4_mask(link.local.ipv4->length);
    return (v4->value & host_bits) == 0 || (v4->value & host_bits) == host_bits;
}

bool is_unicast(const IpAddr& address) {
    if (const Ipv4Addr* v4 = as_v4(address)) {
        const uint32_t first = v4->value >> 24;
        return first != 0 && first != 127 && first < 224;
    }
    const Ipv6Addr& v6 = std::get<Ipv6Addr>(address);
    return !v6.is_unspecified() && !v6.is_loopback() && !v6.is_multicast();
}

void Links::set(Link link) {
    const LinkId id = link.id;
    links_.insert_or_assign(id, std::move(link));
}

const Link* Links::find(LinkId id) const {
    const auto it = links_.find(id);
    return it == links_.end() ? nullptr : &it->second;
}

template <class Predicate>
bool Links::any_of_attachment(AttachmentId id, Predicate predicate) const {
    for (auto it = links_.lower_bound({id, ChannelId{std::size_t{0}}});
         it != links_.end() && it->first.attachment == id; ++it)
        if (predicate(it->second))
            return true;
    return false;
}

bool Links::is_own(const Link& in, const IpAddr& address) const {
    return owns(in, address) || any_of_attachment(in.id.attachment, [&](const Link& link) {
               return has_configured(link, address);
           });
}

bool Links::is_broadcast(const Link& in, const IpAddr& address) const {
    return any_of_attachment(in.id.attachment,
                             [&](const Link& link) { return is_subnet_broadcast(link, address); });
}

} // namespace isthmus::control::host
