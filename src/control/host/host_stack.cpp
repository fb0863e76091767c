#include "control/host_stack.hpp"

#include "control/host/host_state.hpp"

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

void HostStack::State::set_links(std::vector<Link> next) {
    const Links before = std::exchange(links, {});
    links.replace(std::move(next));
    for (const auto& [id, old] : before.all()) {
        const Link* now = links.find(id);
        if (now == nullptr || now->port != old.port || now->vlan != old.vlan) {
            neighbours.remove_link(id);
            limiter.remove_link(id);
        }
    }
    // Removed links are gone already, so what waits for them is dropped without a notice.
    settle();
    for (const auto& [id, link] : links.all()) {
        // Addresses that the link's neighbours have not seen yet, or not with this MAC, are
        // announced, so that peers need not wait for their entries to age.
        const Link* old = before.find(id);
        const bool moved = old == nullptr || old->port != link.port || old->vlan != link.vlan ||
                           old->mac != link.mac;
        if (moved || old->local.ipv4 != link.local.ipv4)
            announce_arp(link);
        if (moved || old->local.ipv6 != link.local.ipv6)
            announce_nd(link);
        neighbours.configure(link, now_ns);
    }
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
    state_->set_links(std::move(links));
    state_->settle();
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

bool HostStack::take_changed() {
    return state_->neighbours.take_changed();
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
