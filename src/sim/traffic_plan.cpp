#include "sim/traffic_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace isthmus::sim {
namespace {

constexpr uint64_t kMinRateBps = 1000;
constexpr uint64_t kMaxRateBps = 400'000'000'000;
constexpr std::size_t kMaxSizes = 16;
constexpr unsigned kMaxRound = 1000; // sum of the weights of a stream
constexpr std::size_t kMaxAddresses = 64;
constexpr uint16_t kMaxVlan = 4094; // 4095 is reserved (IEEE 802.1Q, table 9-2)
// A sender that was held up makes up for at most 20 ms: on a busy machine the operating system
// takes a worker's core for some milliseconds, and the rate over a second should hold all the same.
constexpr uint64_t kCatchUpHz = 50;

bool is_v4(const IpAddr& addr) {
    return std::holds_alternative<Ipv4Addr>(addr);
}

Result<void> check_size(const std::string& field, const SizeWeight& size, bool v4,
                        uint16_t max_ip_bytes) {
    // Behind an IPv6 header the mark needs sixteen octets more than the 64 of IPv4.
    const uint16_t min = v4 ? 64 : wire::kIpv6Header + sizeof(Udp) + sizeof(Mark);
    const uint16_t max = std::min(max_ip_bytes, kMaxIpBytes);
    if (size.ip_bytes < min || size.ip_bytes > max)
        return invalid_value(field + ".ip_bytes", fmt::to_string(size.ip_bytes),
                             fmt::format("{}..{} (an {} packet in one packet buffer)", min, max,
                                         v4 ? "IPv4" : "IPv6"));
    if (size.weight == 0)
        return invalid_value(field + ".weight", "0", fmt::format("1..{}", kMaxRound));
    return {};
}

Result<void> check_stream(const std::string& field, const Stream& stream, uint16_t max_ip_bytes) {
    if (is_v4(stream.source) != is_v4(stream.destination))
        return invalid_value(field + ".destination", to_string(stream.destination),
                             "an address of the source's family, like " + to_string(stream.source));
    if (stream.rate_bps != 0 && (stream.rate_bps < kMinRateBps || stream.rate_bps > kMaxRateBps))
        return invalid_value(field + ".rate_bps", fmt::to_string(stream.rate_bps),
                             fmt::format("0 or {}..{}", kMinRateBps, kMaxRateBps));
    if (stream.flows == 0 || stream.flows > kMaxFlows)
        return invalid_value(field + ".flows", fmt::to_string(stream.flows),
                             fmt::format("1..{}", kMaxFlows));
    if (stream.sizes.empty() || stream.sizes.size() > kMaxSizes)
        return invalid_value(field + ".sizes", fmt::format("{} sizes", stream.sizes.size()),
                             fmt::format("1..{} sizes", kMaxSizes));
    unsigned round = 0;
    for (std::size_t i = 0; i < stream.sizes.size(); ++i) {
        const auto name = fmt::format("{}.sizes[{}]", field, i);
        if (auto ok = check_size(name, stream.sizes[i], is_v4(stream.source), max_ip_bytes); !ok)
            return ok;
        round += stream.sizes[i].weight;
    }
    if (round > kMaxRound)
        return invalid_value(field + ".sizes", fmt::format("a sum of weights of {}", round),
                             fmt::format("at most {}", kMaxRound));
    return {};
}

Result<void> check(const TrafficSpec& spec, uint16_t max_ip_bytes) {
    if (spec.vlan > kMaxVlan)
        return invalid_value("vlan", fmt::to_string(spec.vlan), fmt::format("0..{}", kMaxVlan));
    if (spec.addresses.size() > kMaxAddresses)
        return invalid_value("addresses", fmt::format("{} addresses", spec.addresses.size()),
                             fmt::format("at most {}", kMaxAddresses));
    if (spec.streams.size() > kMaxStreams)
        return invalid_value("streams", fmt::format("{} streams", spec.streams.size()),
                             fmt::format("at most {}", kMaxStreams));
    for (std::size_t i = 0; i < spec.streams.size(); ++i) {
        const auto name = fmt::format("streams[{}]", i);
        if (auto ok = check_stream(name, spec.streams[i], max_ip_bytes); !ok)
            return ok;
    }
    return {};
}

// Writes headers from the front of a template.
class HeadWriter {
  public:
    explicit HeadWriter(PacketTemplate& packet) : packet_(packet) {}

    template <class T> T* next() {
        T* header = wire::overlay<T>(packet_.head.data() + packet_.head_bytes);
        packet_.head_bytes = static_cast<uint16_t>(packet_.head_bytes + sizeof(T));
        return header;
    }

    void ethernet(const HostIdentity& host, uint16_t vlan, uint16_t ether_type) {
        auto* ethernet = next<wire::Ethernet>();
        ethernet->destination = host.edge_mac;
        ethernet->source = host.mac;
        ethernet->ether_type = ether_type;
        if (vlan != 0) {
            ethernet->ether_type = wire::kEtherTypeVlan;
            auto* tag = next<wire::Vlan>();
            tag->tci = vlan;
            tag->ether_type = ether_type;
        }
    }

    // Returns the sum of the UDP pseudo-header.
    uint64_t ip(Ipv4Addr source, Ipv4Addr destination) {
        auto* ip = next<wire::Ipv4>();
        ip->version_ihl = 0x45;
        ip->total_length = packet_.ip_bytes;
        // Identification 0 is fine for a packet that is never fragmented (RFC 6864, 4.1).
        ip->flags_fragment = wire::kIpv4DontFragment;
        ip->ttl = 64;
        ip->protocol = wire::kProtoUdp;
        ip->source = source.value;
        ip->destination = destination.value;
        const auto* octets = reinterpret_cast<const uint8_t*>(ip);
        ip->checksum.set_raw(wire::checksum_finish(wire::checksum_add(0, octets, sizeof *ip)));
        return pseudo_header_sum(reinterpret_cast<const uint8_t*>(&ip->source), 8, wire::kProtoUdp,
                                 static_cast<uint16_t>(packet_.ip_bytes - sizeof *ip));
    }
    uint64_t ip(Ipv6Addr source, Ipv6Addr destination) {
        const auto payload = static_cast<uint16_t>(packet_.ip_bytes - wire::kIpv6Header);
        auto* ip = next<wire::Ipv6>();
        ip->version_class_flow = uint32_t{6} << 28;
        ip->payload_length = payload;
        ip->next_header = wire::kProtoUdp;
        ip->hop_limit = 64;
        ip->source = source;
        ip->destination = destination;
        return pseudo_header_sum(reinterpret_cast<const uint8_t*>(&ip->source), 32, wire::kProtoUdp,
                                 payload);
    }

  private:
    PacketTemplate& packet_;
};

PacketTemplate make_template(const TrafficSpec& spec, const Stream& stream, uint16_t ip_bytes,
                             const HostIdentity& host) {
    const bool v4 = is_v4(stream.source);
    PacketTemplate packet;
    packet.ip_bytes = ip_bytes;
    HeadWriter writer(packet);
    writer.ethernet(host, spec.vlan, v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
    const uint16_t ip_offset = packet.head_bytes;
    packet.udp_sum =
        v4 ? writer.ip(std::get<Ipv4Addr>(stream.source), std::get<Ipv4Addr>(stream.destination))
           : writer.ip(std::get<Ipv6Addr>(stream.source), std::get<Ipv6Addr>(stream.destination));
    packet.udp_offset = packet.head_bytes;
    packet.frame_bytes = static_cast<uint16_t>(ip_offset + ip_bytes);
    auto* udp = writer.next<Udp>();
    udp->destination = kMarkPort;
    udp->length = static_cast<uint16_t>(packet.frame_bytes - packet.udp_offset);
    auto* mark = writer.next<Mark>();
    mark->magic = kMarkMagic;
    mark->tag = spec.tag;
    mark->sender = host.sender;
    const auto* udp_octets = reinterpret_cast<const uint8_t*>(udp);
    packet.udp_sum = fast_checksum_add(packet.udp_sum, udp_octets, sizeof(Udp) + sizeof(Mark));
    packet.udp_sum = fast_checksum_add(packet.udp_sum, kFiller.data(),
                                       std::size_t{packet.frame_bytes} - packet.head_bytes);
    if (stream.rate_bps != 0) {
        const uint64_t per_byte = ((host.tsc_hz * 8 << 20) + stream.rate_bps / 2) / stream.rate_bps;
        packet.cost_q20 = std::max<uint64_t>(per_byte * ip_bytes, 1);
    }
    return packet;
}

// Smooth weighted round robin: each turn the size that is furthest behind its share.
std::vector<uint8_t> interleave(const std::vector<SizeWeight>& sizes) {
    int round = 0;
    for (const auto& size : sizes)
        round += size.weight;
    std::vector<int> behind(sizes.size());
    std::vector<uint8_t> order;
    while (order.size() < static_cast<std::size_t>(round)) {
        for (std::size_t i = 0; i < sizes.size(); ++i)
            behind[i] += sizes[i].weight;
        const auto next = std::max_element(behind.begin(), behind.end());
        *next -= round;
        order.push_back(static_cast<uint8_t>(next - behind.begin()));
    }
    return order;
}

} // namespace

const PacketTemplate* StreamPlan::take(uint16_t& packet_flow) noexcept {
    const PacketTemplate& packet = templates[order[position]];
    if (packet.cost_q20 > earned_q20)
        return nullptr;
    earned_q20 -= packet.cost_q20;
    packet_flow = flow;
    // Each round of flows begins one size later, so every flow sends every size, whatever common
    // divisors the two numbers have.
    const auto next_of = [this](uint16_t at) {
        return static_cast<uint16_t>(at + 1u == order.size() ? 0 : at + 1);
    };
    position = next_of(position);
    if (++flow == flows) {
        flow = 0;
        first_position = next_of(first_position);
        position = first_position;
    }
    return &packet;
}

Result<std::unique_ptr<TrafficPlan>> compile_traffic(const TrafficSpec& spec,
                                                     const HostIdentity& host, uint32_t epoch) {
    if (auto ok = check(spec, host.max_ip_bytes); !ok)
        return ok.error();
    auto plan = std::make_unique<TrafficPlan>();
    plan->tag = spec.tag;
    plan->vlan = spec.vlan;
    plan->epoch = epoch;
    for (const IpAddr& addr : spec.addresses) {
        if (is_v4(addr))
            plan->addresses4.push_back(std::get<Ipv4Addr>(addr));
        else
            plan->addresses6.push_back(std::get<Ipv6Addr>(addr));
    }
    for (const Stream& stream : spec.streams) {
        StreamPlan& made = plan->streams.emplace_back();
        made.flows = stream.flows;
        made.order = interleave(stream.sizes);
        // At low rates one packet must be affordable, however long it takes to earn.
        made.max_earned_q20 = host.tsc_hz / kCatchUpHz << 20;
        for (const SizeWeight& size : stream.sizes) {
            made.templates.push_back(make_template(spec, stream, size.ip_bytes, host));
            made.max_earned_q20 = std::max(made.max_earned_q20, made.templates.back().cost_q20);
        }
    }
    return plan;
}

} // namespace isthmus::sim
