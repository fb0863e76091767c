#pragma once
// What HostStack holds, and its parts by protocol. Each entry point of HostStack sets now_ns and
// ends with settle(). Control thread only.

#include "control/host/frames.hpp"
#include "control/host/held_packets.hpp"
#include "control/host/links.hpp"
#include "control/host/neighbour_table.hpp"
#include "control/host/notice_limiter.hpp"
#include "control/host/packet_view.hpp"
#include "control/host_stack.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace isthmus::control {

// Announced at once, and in a tick, as long as there are more.
inline constexpr std::size_t kMaxAnnounced = 256;

struct HostStack::State {
    State(SendFrame send, HeldDropped dropped)
        : send_frame(std::move(send)), held_dropped(std::move(dropped)) {}

    SendFrame send_frame;
    HeldDropped held_dropped;
    host::Links links;
    host::NeighbourTable neighbours;
    host::HeldPackets held;
    host::NoticeLimiter limiter;
    HostStackCounters counters;
    uint64_t now_ns = 0;
    uint16_t next_identification = 0; // of IPv4 packets the edge makes
    struct Announcement {
        LinkId link;
        bool ipv4, ipv6;
    };
    std::deque<Announcement> announcements;

    // host_stack.cpp
    // Without an attachment, `next` are the links of all.
    void set_links(std::optional<AttachmentId> attachment, std::vector<Link> next);
    void set_link(Link next);
    void remove_link(LinkId id);
    void receive(const Punt& punt);
    void receive_unresolved(const Punt& punt);
    void count_dropped(LinkId link, std::size_t packets);
    // Counts the frame under `sent` if the port takes it.
    bool send(const Link& link, host::Octets frame, uint64_t& sent);
    void forward(const NeighbourKey& next_hop, MacAddr mac, host::Octets frame);
    // Does what the neighbour table asks for until nothing is left to do.
    void settle();
    // Own addresses that are due, as many as the way to the workers has room for beside questions.
    void announce();

    // host_arp.cpp
    void receive_arp(const Link& link, const host::L2View& l2);
    void answer_arp(const Link& link, const wire::Arp& request);
    void ask_arp(const Link& link, Ipv4Addr target, std::optional<MacAddr> to);
    void announce_arp(const Link& link);

    // host_nd.cpp
    void receive_solicitation(const Link& link, const host::L2View& l2, const host::IpView& ip);
    void receive_advertisement(const Link& link, const host::IpView& ip);
    void ask_nd(const Link& link, Ipv6Addr target, std::optional<MacAddr> to);
    void announce_nd(const Link& link);

    // host_icmp.cpp
    void receive_ip(const Link& link, const host::L2View& l2);
    void receive_nd_type(const Link& link, const host::L2View& l2, const host::IpView& ip);
    void receive_local(const Link& link, const host::L2View& l2, const host::IpView& ip);
    void answer_echo(const Link& link, const host::L2View& l2, const host::IpView& ip,
                     const wire::Icmp& request);

    // host_notice.cpp
    // Tells the sender of a packet that came in by `in` why it was dropped, if it may be told.
    void notify(LinkId in, host::Octets frame, Notice notice, uint16_t mtu);
    void refuse_port(const Link& link, const host::L2View& l2, const host::IpView& ip);
    void send_error(const Link& link, const host::L2View& l2, const host::IpView& ip,
                    const IpAddr& source, const host::IcmpMessage& error);
};

} // namespace isthmus::control
