// Sequences of punted frames to one host stack: each starts with five octets that choose reason,
// links, notice and whether the checksums are put right (a fuzzer does not find them by chance),
// the time that passes after it, and its length.

#include "control/host/checksum.hpp"
#include "control/host/packet_view.hpp"
#include "host_stack/simulated_edge.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace isthmus;
using namespace isthmus::control;

void repair_ipv4(std::span<uint8_t> packet) {
    auto* header = wire::overlay<wire::Ipv4>(packet.data());
    const std::size_t header_length = header->header_length();
    const std::size_t total = std::min<std::size_t>(header->total_length.host(), packet.size());
    if (header_length < sizeof(wire::Ipv4) || header_length > total)
        return;
    header->checksum = 0;
    header->checksum.set_raw(host::plain_checksum(packet.first(header_length)));
    const auto payload = packet.subspan(header_length, total - header_length);
    if (header->protocol != wire::kProtoIcmp || payload.size() < sizeof(wire::Icmp))
        return;
    auto* icmp = wire::overlay<wire::Icmp>(payload.data());
    icmp->checksum = 0;
    icmp->checksum.set_raw(host::plain_checksum(payload));
}

void repair_ipv6(std::span<uint8_t> frame) {
    const auto l2 = host::parse_l2(frame);
    const auto ip = l2 ? host::parse_ip(*l2) : std::nullopt;
    if (!ip || !ip->is_v6() || ip->protocol != wire::kProtoIcmpv6 ||
        ip->payload.size() < sizeof(wire::Icmp))
        return;
    const auto offset = static_cast<std::size_t>(ip->payload.data() - frame.data());
    auto* icmp = wire::overlay<wire::Icmp>(frame.data() + offset);
    icmp->checksum = 0;
    icmp->checksum.set_raw(host::icmpv6_checksum(ip->source6(), ip->destination6(), ip->payload));
}

void repair(std::span<uint8_t> frame) {
    const auto l2 = host::parse_l2(frame);
    if (!l2)
        return;
    const std::size_t offset = frame.size() - l2->payload.size();
    if (l2->ether_type == wire::kEtherTypeIpv4 && l2->payload.size() >= sizeof(wire::Ipv4))
        repair_ipv4(frame.subspan(offset));
    repair_ipv6(frame);
}

// Every frame that leaves must be one that the parsers accept.
void check_sent(SimulatedEdge& edge) {
    for (const SentFrame& frame : edge.take_sent()) {
        const auto l2 = host::parse_l2(frame.octets);
        const bool good =
            l2 && (l2->ether_type == wire::kEtherTypeArp ? host::parse_arp(l2->payload).has_value()
                                                         : host::parse_ip(*l2).has_value());
        if (!good || frame.octets.size() > 1518)
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    auto links = default_links();
    links[0].wanted = {kHost6};
    SimulatedEdge edge(links);
    constexpr LinkId kLinks[] = {kVpc, kChannel, kOtherTenant, LinkId{}};
    while (size > 5) {
        Punt punt;
        punt.reason = static_cast<PuntReason>(data[0] % kPuntReasonCount);
        punt.notice = static_cast<Notice>((data[0] >> 4) % 5);
        punt.in = kLinks[data[1] & 3];
        punt.out = kLinks[data[1] >> 2 & 3];
        punt.next_hop = (data[1] & 0x80) != 0 ? IpAddr{kHost4} : IpAddr{kHost6};
        punt.mtu = static_cast<uint16_t>(data[2] << 4);
        const bool repaired = (data[3] & 1) != 0;
        const std::size_t length = std::min<std::size_t>(data[4] * std::size_t{8}, size - 5);
        std::vector<uint8_t> frame(data + 5, data + 5 + length);
        if (repaired)
            repair(frame);
        edge.receive(punt, frame);
        edge.pass((data[3] >> 1) * 20 * kMillisecond);
        check_sent(edge);
        data += 5 + length;
        size -= 5 + length;
    }
    edge.pass(5 * kSecond);
    check_sent(edge);
    return 0;
}
