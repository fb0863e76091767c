// ICMP errors: which packets deserve one (RFC 1812, 4.3.2.7; RFC 4443, 2.4 e), and what it says.

#include "control/host/host_state.hpp"

#include <algorithm>
#include <array>

namespace isthmus::control {

using namespace host;

namespace {

constexpr std::size_t kMaxErrorIpv4 = 576;  // RFC 1812, 4.3.2.3
constexpr std::size_t kMaxErrorIpv6 = 1280; // RFC 4443, 2.4 c
constexpr uint32_t kMinMtuIpv6 = 1280;
constexpr uint8_t kUdpHeader = 8;
// Precedence 6, internetwork control (RFC 1812, 4.3.2.5).
constexpr uint8_t kErrorTypeOfService = 0xc0;

std::optional<IcmpMessage> error_for(Notice notice, bool v6, uint16_t mtu) {
    const uint8_t unreachable = v6 ? wire::kIcmpv6Unreachable : wire::kIcmpUnreachable;
    switch (notice) {
    case Notice::none:
        return std::nullopt;
    case Notice::net_unreachable:
        return IcmpMessage{unreachable, 0, 0, {}};
    case Notice::host_unreachable:
        return IcmpMessage{unreachable, static_cast<uint8_t>(v6 ? 3 : 1), 0, {}};
    case Notice::time_exceeded:
        return IcmpMessage{v6 ? wire::kIcmpv6TimeExceeded : wire::kIcmpTimeExceeded, 0, 0, {}};
    case Notice::packet_too_big:
        // Hosts ignore less than IPv6's minimum (RFC 8201, 4); RFC 1191, 4 for IPv4.
        if (v6)
            return IcmpMessage{
                wire::kIcmpv6PacketTooBig, 0, std::max<uint32_t>(mtu, kMinMtuIpv6), {}};
        return IcmpMessage{wire::kIcmpUnreachable, 4, mtu, {}};
    }
    return std::nullopt;
}

// Only what is known to be a query may be answered with an error: types yet to be assigned could
// be errors, and errors about errors never end.
bool is_icmp_error(const IpView& ip) {
    if (ip.protocol != (ip.is_v6() ? wire::kProtoIcmpv6 : wire::kProtoIcmp))
        return false;
    if (ip.payload.empty())
        return true;
    const uint8_t type = ip.payload[0];
    if (ip.is_v6())
        return type < wire::kIcmpv6EchoRequest || type == 137; // redirect
    constexpr auto kQueries = std::to_array<uint8_t>({0, 8, 9, 10, 13, 14, 15, 16, 17, 18});
    return std::find(kQueries.begin(), kQueries.end(), type) == kQueries.end();
}

bool is_multicast(const IpAddr& address) {
    if (const auto* v4 = std::get_if<Ipv4Addr>(&address))
        return v4->value >> 28 >= 0xe; // groups, reserved and the limited broadcast
    return std::get<Ipv6Addr>(address).is_multicast();
}

bool may_be_told(const Links& links, const Link& link, const L2View& l2, const IpView& ip,
                 const IcmpMessage& error) {
    // Path MTU discovery works for multicast too (RFC 4443, 2.4 e.3).
    const bool to_many_is_fine = ip.is_v6() && error.type == wire::kIcmpv6PacketTooBig;
    const bool to_many = l2.destination.is_multicast() || is_multicast(ip.destination) ||
                         links.is_broadcast(link, ip.destination);
    const bool has_asker = !l2.source.is_multicast() && !l2.source.is_zero() &&
                           l2.source != link.mac && is_unicast(ip.source) &&
                           !links.is_own(link, ip.source) && !links.is_broadcast(link, ip.source);
    return has_asker && (!to_many || to_many_is_fine) && !ip.later_fragment && !is_icmp_error(ip);
}

} // namespace

void HostStack::State::send_error(const Link& link, const L2View& l2, const IpView& ip,
                                  const IpAddr& source, const IcmpMessage& error) {
    if (!may_be_told(links, link, l2, ip, error) || !limiter.allow(link.id, now_ns)) {
        ++counters.icmp_errors_suppressed;
        return;
    }
    const std::size_t headers =
        sizeof(wire::Icmp) + (ip.is_v6() ? wire::kIpv6Header : wire::kIpv4MinHeader);
    const std::size_t longest =
        std::min<std::size_t>(ip.is_v6() ? kMaxErrorIpv6 : kMaxErrorIpv4, link.mtu);
    IcmpMessage message = error;
    message.body =
        ip.packet.first(std::min(ip.packet.size(), longest > headers ? longest - headers : 0));
    const L2Header back{l2.source, link.mac, link.vlan};
    const Frame frame =
        ip.is_v6() ? icmpv6_frame(back, {std::get<Ipv6Addr>(source), ip.source6()}, message)
                   : icmp_frame(back,
                                {std::get<Ipv4Addr>(source), ip.source4(), kErrorTypeOfService,
                                 next_identification++},
                                message);
    send(link, frame, counters.icmp_errors_sent);
}

void HostStack::State::notify(LinkId in, Octets frame, Notice notice, uint16_t mtu) {
    const auto l2 = parse_l2(frame);
    const auto ip = l2 ? parse_ip(*l2) : std::nullopt;
    if (!ip) {
        ++counters.malformed;
        return;
    }
    const Link* link = links.find(in);
    const auto error = error_for(notice, ip->is_v6(), mtu);
    const auto source = link != nullptr ? own_address(*link, ip->source) : std::nullopt;
    if (!error || !source) {
        ++counters.icmp_errors_suppressed;
        return;
    }
    send_error(*link, *l2, *ip, *source, *error);
}

// Nothing listens on UDP; saying so is how traceroute to the edge ends. The error comes from the
// address that was asked (RFC 4443, 2.2 a).
void HostStack::State::refuse_port(const Link& link, const L2View& l2, const IpView& ip) {
    if (ip.payload.size() < kUdpHeader) {
        ++counters.malformed;
        return;
    }
    const IcmpMessage error{ip.is_v6() ? wire::kIcmpv6Unreachable : wire::kIcmpUnreachable,
                            static_cast<uint8_t>(ip.is_v6() ? 4 : 3),
                            0,
                            {}};
    send_error(link, l2, ip, ip.destination, error);
}

} // namespace isthmus::control
