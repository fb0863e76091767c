#include "sim/host_receiver.hpp"

#include <algorithm>
#include <cstring>

namespace isthmus::sim {
namespace {

constexpr std::size_t kMinFrame = 60; // without FCS: shorter packets are padded
constexpr uint16_t kArpRequest = 1;
constexpr uint16_t kArpReply = 2;

// A neighbour solicitation up to its target, and an advertisement with the option that carries a
// link-layer address (RFC 4861, 4.3, 4.4, 4.6.1).
struct NeighborSolicitation {
    wire::Icmp icmp;
    wire::Ipv6Address target;
};
struct NeighborAdvertisement {
    wire::Icmp icmp;
    wire::Ipv6Address target;
    uint8_t option_type;
    uint8_t option_length; // in eight octets
    MacAddr link_layer;
};
static_assert(sizeof(NeighborSolicitation) == 24 && sizeof(NeighborAdvertisement) == 32);
constexpr uint32_t kSolicited = uint32_t{1} << 30;
constexpr uint32_t kOverride = uint32_t{1} << 29;
constexpr Ipv6Addr kAllNodes{uint64_t{0xff02} << 48, 1};

template <class T> const uint8_t* octets_of(const T* header) {
    return reinterpret_cast<const uint8_t*>(header);
}

// Whether an IP packet of `ip_bytes` fills its frame: no octet missing, and none left over but the
// padding of a short frame. What MACsec put around a packet must be gone without a trace.
bool fills_frame(std::size_t l2_bytes, std::size_t ip_bytes, std::size_t available) {
    return ip_bytes == available || (ip_bytes < available && l2_bytes + available <= kMinFrame);
}

template <class T> bool contains_addr(const std::vector<T>& addresses, T addr) {
    return std::find(addresses.begin(), addresses.end(), addr) != addresses.end();
}

// Writes headers one behind the other.
class ReplyWriter {
  public:
    ReplyWriter(Reply& reply, MacAddr to, MacAddr from, uint16_t vlan, uint16_t ether_type)
        : reply_(reply) {
        reply_.length = 0;
        auto* ethernet = next<wire::Ethernet>();
        *ethernet = {to, from, vlan != 0 ? wire::kEtherTypeVlan : ether_type};
        if (vlan != 0)
            *next<wire::Vlan>() = {vlan, ether_type};
    }
    template <class T> T* next() {
        T* header = wire::overlay<T>(reply_.frame.data() + reply_.length);
        reply_.length = static_cast<uint8_t>(reply_.length + sizeof(T));
        return header;
    }

  private:
    Reply& reply_;
};

} // namespace

bool FlowTable::late(uint32_t sender, uint32_t flow, uint64_t sequence) noexcept {
    const uint64_t id = uint64_t{sender} << 32 | flow;
    // Multiplicative hashing; the top bits depend on all of the id.
    Set& set = sets_[id * 0x9e3779b97f4a7c15 >> 32 & (kSets - 1)];
    Entry* entry = &set.ways[sequence % set.ways.size()];
    for (Entry& way : set.ways) {
        if (way.highest != 0 && way.flow == id) {
            const bool is_late = sequence < way.highest;
            way.highest = std::max(way.highest, sequence);
            return is_late;
        }
        if (way.highest == 0)
            entry = &way;
    }
    *entry = {id, sequence};
    return false;
}

void HostReceiver::receive(const TrafficPlan& plan, std::span<const uint8_t> frame) noexcept {
    switch (classify(plan, frame)) {
    case Verdict::marked:
        count_marked(plan);
        break;
    case Verdict::corrupt:
        counters.corrupt_packets.add(1);
        break;
    case Verdict::other:
        counters.other_packets.add(1);
        break;
    case Verdict::answered:
        break;
    }
}

void HostReceiver::count_marked(const TrafficPlan& plan) noexcept {
    // A host that was not told its tag yet has nothing to compare with.
    if (plan.epoch == 0) {
        counters.other_packets.add(1);
        return;
    }
    if (mark_->tag.host() != plan.tag) {
        counters.foreign_packets.add(1);
        return;
    }
    counters.received_packets.add(1);
    counters.received_bytes.add(ip_bytes_);
    if (flows_.late(mark_->sender.host(), mark_->flow.host(), mark_->sequence.host()))
        counters.reordered_packets.add(1);
}

HostReceiver::Verdict HostReceiver::classify(const TrafficPlan& plan,
                                             std::span<const uint8_t> frame) noexcept {
    if (frame.size() < sizeof(wire::Ethernet) + sizeof(wire::Vlan))
        return Verdict::other;
    const auto* ethernet = wire::overlay<wire::Ethernet>(frame.data());
    uint16_t ether_type = ethernet->ether_type.host();
    std::size_t l2_bytes = sizeof(wire::Ethernet);
    uint16_t vlan = 0;
    if (ether_type == wire::kEtherTypeVlan) {
        const auto* tag = wire::overlay<wire::Vlan>(frame.data() + l2_bytes);
        vlan = tag->vid();
        ether_type = tag->ether_type.host();
        l2_bytes += sizeof(wire::Vlan);
    }
    if (vlan != plan.vlan)
        return Verdict::other;
    const auto packet = frame.subspan(l2_bytes);
    switch (ether_type) {
    case wire::kEtherTypeIpv4:
        return ipv4(packet, l2_bytes);
    case wire::kEtherTypeIpv6:
        return ipv6(plan, *ethernet, packet, l2_bytes);
    case wire::kEtherTypeArp:
        return arp(plan, packet);
    default:
        return Verdict::other;
    }
}

HostReceiver::Verdict HostReceiver::ipv4(std::span<const uint8_t> packet,
                                         std::size_t l2_bytes) noexcept {
    if (packet.size() < sizeof(wire::Ipv4))
        return Verdict::corrupt;
    const auto* ip = wire::overlay<wire::Ipv4>(packet.data());
    const std::size_t header = ip->header_length();
    const std::size_t total = ip->total_length.host();
    if (ip->version_ihl >> 4 != 4 || header < sizeof(wire::Ipv4) || header > total ||
        !fills_frame(l2_bytes, total, packet.size()) ||
        wire::checksum_finish(wire::checksum_add(0, packet.data(), header)) != 0)
        return Verdict::corrupt;
    const uint16_t fragment = wire::kIpv4MoreFragments | wire::kIpv4OffsetMask;
    if (ip->protocol != wire::kProtoUdp || (ip->flags_fragment.host() & fragment) != 0)
        return Verdict::other;
    ip_bytes_ = static_cast<uint16_t>(total);
    const auto datagram = packet.subspan(header, total - header);
    return udp(datagram,
               pseudo_header_sum(octets_of(&ip->source), 8, wire::kProtoUdp,
                                 static_cast<uint16_t>(datagram.size())),
               true);
}

HostReceiver::Verdict HostReceiver::ipv6(const TrafficPlan& plan, const wire::Ethernet& ethernet,
                                         std::span<const uint8_t> packet,
                                         std::size_t l2_bytes) noexcept {
    if (packet.size() < sizeof(wire::Ipv6))
        return Verdict::corrupt;
    const auto* ip = wire::overlay<wire::Ipv6>(packet.data());
    const std::size_t total = sizeof(wire::Ipv6) + ip->payload_length.host();
    if (ip->version_class_flow.host() >> 28 != 6 || !fills_frame(l2_bytes, total, packet.size()))
        return Verdict::corrupt;
    const auto payload = packet.subspan(sizeof(wire::Ipv6), ip->payload_length.host());
    const uint64_t sum = pseudo_header_sum(octets_of(&ip->source), 32, ip->next_header,
                                           static_cast<uint16_t>(payload.size()));
    if (ip->next_header == wire::kProtoUdp) {
        ip_bytes_ = static_cast<uint16_t>(total);
        return udp(payload, sum, false);
    }
    if (ip->next_header != wire::kProtoIcmpv6)
        return Verdict::other;
    if (wire::checksum_finish(wire::checksum_add(sum, payload.data(), payload.size())) != 0)
        return Verdict::corrupt;
    return solicitation(plan, ethernet, *ip, payload);
}

// A checksum of zero means "none" over IPv4 only (RFC 768; RFC 8200, 8.1); our own packets always
// have one.
HostReceiver::Verdict HostReceiver::udp(std::span<const uint8_t> datagram, uint64_t pseudo_sum,
                                        bool zero_allowed) noexcept {
    if (datagram.size() < sizeof(Udp))
        return Verdict::corrupt;
    const auto* udp = wire::overlay<Udp>(datagram.data());
    const bool marked_port = udp->destination.host() == kMarkPort;
    if (udp->length.host() != datagram.size())
        return Verdict::corrupt;
    if (udp->checksum.raw() == 0)
        return zero_allowed && !marked_port ? Verdict::other : Verdict::corrupt;
    const uint64_t sum = fast_checksum_add(pseudo_sum, datagram.data(), datagram.size());
    if (wire::checksum_finish(sum) != 0)
        return Verdict::corrupt;
    if (!marked_port)
        return Verdict::other;
    mark_ = wire::overlay<Mark>(datagram.data() + sizeof(Udp));
    if (datagram.size() < sizeof(Udp) + sizeof(Mark) || mark_->magic.host() != kMarkMagic)
        return Verdict::corrupt;
    return Verdict::marked;
}

HostReceiver::Verdict HostReceiver::arp(const TrafficPlan& plan,
                                        std::span<const uint8_t> packet) noexcept {
    if (packet.size() < sizeof(wire::Arp))
        return Verdict::other;
    const auto* request = wire::overlay<wire::Arp>(packet.data());
    if (request->hardware_type.host() != 1 ||
        request->protocol_type.host() != wire::kEtherTypeIpv4 || request->hardware_length != 6 ||
        request->protocol_length != 4 || request->operation.host() != kArpRequest ||
        !contains_addr(plan.addresses4, Ipv4Addr{request->target_ip.host()}))
        return Verdict::other;
    // When the queue is full the request is lost; the asker asks again.
    if (Reply* reply = replies_.begin_push(); reply != nullptr) {
        ReplyWriter writer(*reply, request->sender_mac, mac_, plan.vlan, wire::kEtherTypeArp);
        auto* answer = writer.next<wire::Arp>();
        *answer = *request;
        answer->operation = kArpReply;
        answer->sender_mac = mac_;
        answer->sender_ip = request->target_ip;
        answer->target_mac = request->sender_mac;
        answer->target_ip = request->sender_ip;
        reply->nd = false;
        replies_.push();
    }
    return Verdict::answered;
}

// RFC 4861, 7.1.1 (what a valid solicitation is) and 7.2.4 (the answer).
HostReceiver::Verdict HostReceiver::solicitation(const TrafficPlan& plan,
                                                 const wire::Ethernet& ethernet,
                                                 const wire::Ipv6& ip,
                                                 std::span<const uint8_t> message) noexcept {
    if (message.size() < sizeof(NeighborSolicitation) || ip.hop_limit != 255)
        return Verdict::other;
    const auto* asked = wire::overlay<NeighborSolicitation>(message.data());
    if (asked->icmp.type != wire::kIcmpv6NeighborSolicitation || asked->icmp.code != 0 ||
        !contains_addr(plan.addresses6, asked->target.host()))
        return Verdict::other;
    Reply* reply = replies_.begin_push();
    if (reply == nullptr)
        return Verdict::answered;
    // Somebody who checks for duplicates has no address yet; all nodes get the answer.
    const Ipv6Addr asker = ip.source.host();
    const bool probe = asker.is_unspecified();
    const MacAddr to = probe ? multicast_mac(kAllNodes) : ethernet.source;
    ReplyWriter writer(*reply, to, mac_, plan.vlan, wire::kEtherTypeIpv6);
    auto* answer_ip = writer.next<wire::Ipv6>();
    auto* answer = writer.next<NeighborAdvertisement>();
    answer_ip->version_class_flow = uint32_t{6} << 28;
    answer_ip->payload_length = static_cast<uint16_t>(sizeof *answer);
    answer_ip->next_header = wire::kProtoIcmpv6;
    answer_ip->hop_limit = 255;
    answer_ip->source = asked->target;
    answer_ip->destination = probe ? kAllNodes : asker;
    answer->icmp = {wire::kIcmpv6NeighborAdvertisement, 0, uint16_t{0},
                    probe ? kOverride : kSolicited | kOverride};
    answer->target = asked->target;
    answer->option_type = 2; // target link-layer address
    answer->option_length = 1;
    answer->link_layer = mac_;
    const uint64_t sum = pseudo_header_sum(octets_of(&answer_ip->source), 32, wire::kProtoIcmpv6,
                                           static_cast<uint16_t>(sizeof *answer));
    answer->icmp.checksum.set_raw(
        wire::checksum_finish(wire::checksum_add(sum, octets_of(answer), sizeof *answer)));
    reply->nd = true;
    replies_.push();
    return Verdict::answered;
}

} // namespace isthmus::sim
