#include "control/host_stack.hpp"

#include "control/host/host_state.hpp"

#include <set>

namespace isthmus::control {

using namespace host;

std::string_view to_string(NeighbourState state) {
    switch (state) {
    case NeighbourState::incomplete:
        return "incomplete";
    case NeighbourState::reachable:
        return "reachable";
    case NeighbourState::probing:
        return "probing";
    case NeighbourState::permanent:
        return "permanent";
    }
    return "unknown";
}

bool HostStack::State::send(const Link& link, Octets frame, uint64_t& sent) {
    const bool taken = send_frame(link.port, frame);
    ++(taken ? sent : counters.send_failed);
    return taken;
}

void HostStack::State::remove_link(LinkId id) {
    // Gone before its neighbours are, so that what waits for them is dropped without a notice.
    links.erase(id);
    neighbours.remove_link(id);
    limiter.remove_link(id);
    settle();
}

void HostStack::State::set_link(Link next) {
    const LinkId id = next.id;
    std::optional<Link> old;
    if (const Link* known = links.find(id))
        old = *known;
    if (old && (old->port != next.port || old->vlan != next.vlan))
        remove_link(id);
    links.set(std::move(next));
    const Link& link = *links.find(id);
    // Addresses that the link's neighbours have not seen yet, or not with this MAC, are announced,
    // so that peers need not wait for their entries to age.
    const bool moved =
        !old || old->port != link.port || old->vlan != link.vlan || old->mac != link.mac;
    const bool ipv4 = moved || old->local.ipv4 != link.local.ipv4;
    const bool ipv6 = moved || old->local.ipv6 != link.local.ipv6;
    if (ipv4 || ipv6)
        announcements.push_back({id, ipv4, ipv6});
    neighbours.configure(link, now_ns);
}

void HostStack::State::set_links(std::optional<AttachmentId> attachment, std::vector<Link> next) {
    const auto& all = links.all();
    const ChannelId first_channel{std::size_t{0}};
    std::set<LinkId> gone;
    for (auto it = attachment ? all.lower_bound({*attachment, first_channel}) : all.begin();
         it != all.end() && (!attachment || it->first.attachment == *attachment); ++it)
        gone.insert(it->first);
    for (const Link& link : next)
        gone.erase(link.id);
    for (const LinkId id : gone)
        remove_link(id);
    for (Link& link : next)
        set_link(std::move(link));
}

void HostStack::State::receive(const Punt& punt) {
    if (punt.reason == PuntReason::unresolved)
        return receive_unresolved(punt);
    if (punt.reason == PuntReason::notice)
        return notify(punt.in, punt.frame, punt.notice, punt.mtu);
    const Link* link = links.find(punt.in);
    const auto l2 = parse_l2(punt.frame);
    if (!l2)
        ++counters.malformed;
    else if (link == nullptr || l2->source.is_multicast() || l2->source.is_zero() ||
             l2->source == link->mac)
        ++counters.local_ignored; // nobody to answer to, or a loop
    else if (l2->ether_type == wire::kEtherTypeArp)
        receive_arp(*link, *l2);
    else
        receive_ip(*link, *l2);
}

void HostStack::State::receive_unresolved(const Punt& punt) {
    const auto l2 = parse_l2(punt.frame);
    const auto ip = l2 ? parse_ip(*l2) : std::nullopt;
    if (!ip || ip->hop_limit <= 1) {
        ++counters.malformed;
        return;
    }
    const auto drop = [&](Notice notice, uint16_t mtu) {
        count_dropped(punt.in, 1);
        notify(punt.in, punt.frame, notice, mtu);
    };
    const NeighbourKey key{punt.out, punt.next_hop};
    const Link* out = links.find(punt.out);
    if (out == nullptr)
        return drop(Notice::host_unreachable, 0);
    // The workers have compared lengths with the MTU; it may have become smaller since.
    if (ip->packet.size() > out->mtu)
        return drop(Notice::packet_too_big, out->mtu);
    if (neighbours.find(key) == nullptr && !can_ask(*out, punt.next_hop))
        return drop(Notice::host_unreachable, 0);
    switch (neighbours.request(key, now_ns)) {
    case NeighbourTable::Outcome::resolved:
        return forward(key, neighbours.find(key)->mac, punt.frame);
    case NeighbourTable::Outcome::waiting:
        count_dropped(key.link, held.hold(key, punt.in, punt.frame));
        return;
    case NeighbourTable::Outcome::failed:
    case NeighbourTable::Outcome::refused:
        return drop(Notice::host_unreachable, 0);
    }
}

// A packet that receive_unresolved() has accepted, on its way at last.
void HostStack::State::forward(const NeighbourKey& next_hop, MacAddr mac, Octets frame) {
    const Link* out = links.find(next_hop.link);
    const auto l2 = parse_l2(frame);
    const auto ip = l2 ? parse_ip(*l2) : std::nullopt;
    if (out == nullptr || !ip ||
        !send(*out, forwarded_frame({mac, out->mac, out->vlan}, l2->ether_type, ip->packet),
              counters.held_packets_sent))
        count_dropped(next_hop.link, 1);
}

void HostStack::State::settle() {
    const NeighbourActions actions = neighbours.take_actions();
    for (const Ask& ask : actions.asks) {
        const Link* link = links.find(ask.key.link);
        if (link == nullptr)
            continue;
        if (const auto* v4 = std::get_if<Ipv4Addr>(&ask.key.address))
            ask_arp(*link, *v4, ask.to);
        else
            ask_nd(*link, std::get<Ipv6Addr>(ask.key.address), ask.to);
    }
    for (const NeighbourKey& key : actions.resolved)
        if (const auto* entry = neighbours.find(key); entry != nullptr && entry->usable())
            for (const HeldPacket& packet : held.take(key))
                forward(key, entry->mac, packet.frame);
    for (const NeighbourKey& key : actions.given_up)
        for (const HeldPacket& packet : held.take(key)) {
            count_dropped(key.link, 1);
            if (links.find(key.link) != nullptr)
                notify(packet.in, packet.frame, Notice::host_unreachable, 0);
        }
}

// Behind settle(): with thousands of links announcements would leave no room for the questions that
// traffic waits for, which are asked again a second later.
void HostStack::State::announce() {
    for (std::size_t n = 0; n < kMaxAnnounced && !announcements.empty(); ++n) {
        const Announcement next = announcements.front();
        announcements.pop_front();
        const Link* link = links.find(next.link);
        if (link != nullptr && next.ipv4)
            announce_arp(*link);
        if (link != nullptr && next.ipv6)
            announce_nd(*link);
    }
}

void HostStack::State::count_dropped(LinkId link, std::size_t packets) {
    counters.held_packets_dropped += packets;
    if (packets != 0 && held_dropped)
        held_dropped(link, packets);
}

HostStack::HostStack(SendFrame send, HeldDropped dropped)
    : state_(std::make_unique<State>(std::move(send), std::move(dropped))) {}
HostStack::~HostStack() = default;

void HostStack::set_links(std::vector<Link> links, uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->set_links(std::nullopt, std::move(links));
    state_->settle();
    state_->announce();
}

void HostStack::set_links(AttachmentId attachment, std::vector<Link> links, uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->set_links(attachment, std::move(links));
    state_->settle();
    state_->announce();
}

void HostStack::receive(const Punt& punt, uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->receive(punt);
    state_->settle();
}

void HostStack::tick(uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->neighbours.advance(now_ns);
    state_->settle();
    state_->announce();
}

void HostStack::set_link(Link link, uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->set_link(std::move(link));
    state_->settle();
    state_->announce();
}

void HostStack::remove_link(LinkId link, uint64_t now_ns) {
    state_->now_ns = now_ns;
    state_->remove_link(link);
}

std::optional<MacAddr> HostStack::resolve(LinkId link, const IpAddr& address) const {
    const auto* entry = state_->neighbours.find({link, address});
    if (entry == nullptr || !entry->usable())
        return std::nullopt;
    return entry->mac;
}

std::vector<Neighbour> HostStack::neighbours() const {
    return state_->neighbours.list();
}

std::vector<NeighbourKey> HostStack::take_changes() {
    return state_->neighbours.take_changes();
}

bool HostStack::forget(LinkId link, const IpAddr& address) {
    const bool known = state_->neighbours.forget({link, address}, state_->now_ns);
    state_->settle();
    return known;
}

const HostStackCounters& HostStack::counters() const {
    return state_->counters;
}

} // namespace isthmus::control
