// Frames in, verdict out: one row per way a packet can go through a real pipeline.

#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace isthmus::test {
namespace {

// Reasons that some test has seen, for the closing check that none is left out.
std::set<Drop>& seen() {
    static std::set<Drop> reasons;
    return reasons;
}

Bytes good4() {
    return ipv4({kHost4, kRemote4}, udp(1, 2, ramp(32)));
}
Bytes good6() {
    return ipv6({kHost6, kRemote6}, udp(1, 2, ramp(32)));
}
Bytes with(Bytes bytes, std::size_t at, const Bytes& value) {
    std::copy(value.begin(), value.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    return bytes;
}
// An IPv4 header changed after its checksum was computed gets a new one.
Bytes patched4(std::size_t at, const Bytes& value, const Bytes& packet = good4()) {
    Bytes bytes = with(with(packet, at, value), 10, {0, 0});
    const std::size_t head = std::min<std::size_t>((bytes[0] & 0xfu) * 4u, bytes.size());
    return with(bytes, 10,
                be16(checksum({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head)})));
}
Bytes cut(Bytes bytes, std::size_t length) {
    bytes.resize(length);
    return bytes;
}

struct PacketRow {
    const char* what;
    std::function<Bytes(const Testbed&)> frame; // as the host sends it to the VPC port
    Drop reason;
};

PacketRow ip_row(const char* what, Bytes packet, Drop reason, uint16_t type = kIpv4) {
    return {what, [=](const Testbed& bed) { return bed.host_frame(packet, type); }, reason};
}
PacketRow raw_row(const char* what, Bytes frame, Drop reason) {
    return {what, [=](const Testbed&) { return frame; }, reason};
}

Bytes fragment4(uint16_t flags_fragment, std::size_t payload) {
    Ipv4Spec spec{kHost4, kRemote4};
    spec.flags_fragment = flags_fragment;
    return ipv4(spec, ramp(payload));
}
Bytes options4(const Bytes& options) {
    Ipv4Spec spec{kHost4, kRemote4};
    spec.options = options;
    return ipv4(spec, udp(1, 2, ramp(8)));
}
Bytes extended6(uint8_t next, const Bytes& payload) {
    Ipv6Spec spec{kHost6, kRemote6};
    spec.next = next;
    return ipv6(spec, payload);
}
Bytes fragment6(uint16_t offset_flags, std::size_t payload) {
    return extended6(wire::kProtoFragment,
                     Bytes{wire::kProtoUdp, 0} + be16(offset_flags) + be32(1) + ramp(payload));
}
// A destination options header of `octets` octets in all.
Bytes dest_options(uint8_t next, std::size_t octets = 8) {
    Bytes header(octets);
    header[0] = next;
    header[1] = static_cast<uint8_t>(octets / 8 - 1);
    header[2] = 1; // PadN
    header[3] = static_cast<uint8_t>(octets - 4);
    return header;
}
Bytes nine_extension_headers() {
    Bytes chain;
    for (int n = 0; n < 8; ++n)
        chain += dest_options(wire::kProtoDestOptions);
    return chain + dest_options(wire::kProtoUdp) + udp(1, 2, {});
}

std::vector<PacketRow> link_rows() {
    const Bytes untagged = ethernet({kVpcMac}, kIpv4, good4());
    return {
        raw_row("runt of 13 octets", cut(untagged, 13), Drop::frame_truncated),
        raw_row("ends inside its VLAN tag", cut(ethernet({kVpcMac, kHostMac, 5}, kIpv4, {}), 16),
                Drop::frame_truncated),
        raw_row("longer than the MTU", ethernet({kVpcMac}, kIpv4, ramp(1505)),
                Drop::frame_oversized),
        raw_row("another host's MAC", ethernet({mac("02:00:00:00:00:77")}, kIpv4, good4()),
                Drop::not_for_us),
        raw_row("802.1ad S-tag", ethernet({kVpcMac}, 0x88a8, be16(5) + be16(kIpv4) + good4()),
                Drop::vlan_stacked),
        raw_row("two C-tags", ethernet({kVpcMac, kHostMac, 5}, 0x8100, be16(6) + be16(kIpv4)),
                Drop::vlan_stacked),
        raw_row("VLAN 4095", ethernet({kVpcMac, kHostMac, 4095}, kIpv4, good4()),
                Drop::vlan_reserved),
        raw_row("LLDP", ethernet({mac("01:80:c2:00:00:0e")}, 0x88cc, ramp(46)),
                Drop::ether_type_unsupported),
        raw_row("an 802.3 length instead of a type", ethernet({kVpcMac}, 64, ramp(64)),
                Drop::ether_type_unsupported),
        raw_row("a VLAN without attachment", ethernet({kVpcMac, kHostMac, 9}, kIpv4, good4()),
                Drop::no_attachment),
        raw_row("ARP cut short", ethernet({kBroadcastMac}, 0x0806, ramp(27)), Drop::arp_malformed),
        raw_row("ARP of another hardware type",
                ethernet({kBroadcastMac}, 0x0806, be16(2) + ramp(26)), Drop::arp_malformed),
    };
}

std::vector<PacketRow> ipv4_rows() {
    const auto from = [](const char* addr) { return patched4(12, octets(v4(addr))); };
    const auto to = [](const char* addr) { return patched4(16, octets(v4(addr))); };
    return {
        ip_row("no IP header", Bytes(19, 0x45), Drop::ip_truncated),
        ip_row("no octet behind the link header", {}, Drop::ip_truncated),
        ip_row("version 5", patched4(0, {0x55}), Drop::ip_version),
        ip_row("IPv6 under the IPv4 EtherType", good6(), Drop::ip_version),
        ip_row("IHL 4", with(good4(), 0, {0x44}), Drop::ipv4_header_length),
        ip_row("header longer than the packet", patched4(2, be16(19)), Drop::ipv4_header_length),
        ip_row("IHL 15 in a packet of 40", cut(with(patched4(2, be16(40)), 0, {0x4f}), 40),
               Drop::ipv4_header_length),
        ip_row("total length beyond the frame", patched4(2, be16(200)), Drop::ip_truncated),
        ip_row("wrong checksum", with(good4(), 10, {0xde, 0xad}), Drop::ipv4_checksum),
        ip_row("loose source route", options4({131, 7, 4, 10, 9, 9, 9, 0}), Drop::ipv4_options),
        ip_row("strict source route", options4({137, 7, 4, 10, 9, 9, 9, 0}), Drop::ipv4_options),
        ip_row("option of length 0", options4({7, 0, 0, 0}), Drop::ipv4_options),
        ip_row("option of length 1", options4({7, 1, 0, 0}), Drop::ipv4_options),
        ip_row("option beyond the header", options4({7, 5, 0, 0}), Drop::ipv4_options),
        ip_row("option without length", options4({1, 1, 1, 7}), Drop::ipv4_options),
        ip_row("from 0.0.0.0", from("0.0.0.0"), Drop::ipv4_martian),
        ip_row("from loopback", from("127.0.0.1"), Drop::ipv4_martian),
        ip_row("from multicast", from("224.0.0.5"), Drop::ipv4_martian),
        ip_row("from class E", from("240.0.0.1"), Drop::ipv4_martian),
        ip_row("from broadcast", from("255.255.255.255"), Drop::ipv4_martian),
        ip_row("to loopback", to("127.0.0.1"), Drop::ipv4_martian),
        ip_row("to 0/8", to("0.1.2.3"), Drop::ipv4_martian),
        ip_row("to class E", to("250.0.0.1"), Drop::ipv4_martian),
        ip_row("to multicast", to("224.0.0.5"), Drop::ip_multicast),
        ip_row("to broadcast", to("255.255.255.255"), Drop::ip_multicast),
        ip_row("fragment over 65,535", fragment4(0x1fff, 64), Drop::ipv4_fragment),
        ip_row("middle fragment not a multiple of 8", fragment4(0x2001, 13), Drop::ipv4_fragment),
        ip_row("middle fragment without data", fragment4(0x2001, 0), Drop::ipv4_fragment),
        ip_row("no route", to("192.0.2.1"), Drop::no_route),
        ip_row("blackhole route", to("10.66.1.1"), Drop::blackhole),
        ip_row("back into the VPC", to("10.77.0.1"), Drop::wrong_side),
        ip_row("host of the own subnet", to("10.1.0.77"), Drop::wrong_side),
        ip_row("broadcast address of the subnet", to("10.1.0.255"), Drop::directed_broadcast),
        ip_row("network address of the subnet", to("10.1.0.0"), Drop::directed_broadcast),
        ip_row("TTL 1", patched4(8, {1}), Drop::ttl_exceeded),
        ip_row("TTL 0", patched4(8, {0}), Drop::ttl_exceeded),
        raw_row("unicast IP in a broadcast frame", ethernet({kBroadcastMac}, kIpv4, good4()),
                Drop::ip_multicast),
    };
}

std::vector<PacketRow> ipv6_rows() {
    const auto row = [](const char* what, const Bytes& packet, Drop reason) {
        return ip_row(what, packet, reason, kIpv6);
    };
    const auto from = [](const char* addr) { return with(good6(), 8, octets(v6(addr))); };
    const auto to = [](const char* addr) { return with(good6(), 24, octets(v6(addr))); };
    const Bytes data = udp(1, 2, ramp(8));
    return {
        row("no IPv6 header", cut(good6(), 39), Drop::ip_truncated),
        row("version 4", with(good6(), 0, {0x45}), Drop::ip_version),
        row("payload beyond the frame", with(good6(), 4, be16(500)), Drop::ip_truncated),
        row("from multicast", from("ff02::1"), Drop::ipv6_martian),
        row("from loopback", from("::1"), Drop::ipv6_martian),
        row("to loopback", to("::1"), Drop::ipv6_martian),
        row("to unspecified", to("::"), Drop::ipv6_martian),
        row("from unspecified to unicast", from("::"), Drop::ipv6_martian),
        row("to another link-local", to("fe80::77"), Drop::ipv6_scope),
        row("from link-local to beyond", from("fe80::77"), Drop::ipv6_scope),
        row("to multicast", to("ff0e::1"), Drop::ip_multicast),
        row("hop-by-hop not first",
            extended6(wire::kProtoDestOptions,
                      dest_options(wire::kProtoHopByHop) + dest_options(wire::kProtoUdp) + data),
            Drop::ipv6_extension),
        row("extension header cut short", extended6(wire::kProtoHopByHop, ramp(7)),
            Drop::ipv6_extension),
        row("extension header beyond the packet",
            extended6(wire::kProtoRouting, Bytes{wire::kProtoUdp, 40} + ramp(14)),
            Drop::ipv6_extension),
        row("nine extension headers", extended6(wire::kProtoDestOptions, nine_extension_headers()),
            Drop::ipv6_extension),
        row("authentication header beyond the packet",
            extended6(wire::kProtoAuth, Bytes{wire::kProtoUdp, 200} + ramp(30)),
            Drop::ipv6_extension),
        row("fragment over 65,535", fragment6(0xfff8, 64), Drop::ipv6_fragment),
        row("middle fragment not a multiple of 8", fragment6(0x0009, 13), Drop::ipv6_fragment),
        row("no route", to("2001:db8::1"), Drop::no_route),
        row("hop limit 1", with(good6(), 7, {1}), Drop::ttl_exceeded),
        row("unicast IPv6 in a multicast frame", good6(), Drop::ip_multicast),
    };
}

void expect_dropped(Testbed& bed, const PacketRow& row) {
    SCOPED_TRACE(row.what);
    const uint64_t before = bed.drops(row.reason);
    const uint64_t total = bed.total_drops();
    bed.send(kVpc, row.frame(bed));
    EXPECT_EQ(bed.drops(row.reason), before + 1) << describe(row.reason).name;
    EXPECT_EQ(bed.total_drops(), total + 1);
    EXPECT_TRUE(bed.received(kCh0).empty() && bed.received(kCh1).empty());
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    seen().insert(row.reason);
}

TEST(PacketTable, BadLinkHeaders) {
    Testbed bed;
    for (const PacketRow& row : link_rows())
        expect_dropped(bed, row);
}

TEST(PacketTable, BadIpv4) {
    Testbed bed;
    for (const PacketRow& row : ipv4_rows())
        expect_dropped(bed, row);
}

TEST(PacketTable, BadIpv6) {
    Testbed bed;
    for (PacketRow row : ipv6_rows()) {
        if (std::string(row.what).find("multicast frame") != std::string::npos)
            row.frame = [](const Testbed&) { return ethernet({kBroadcastMac}, kIpv6, good6()); };
        expect_dropped(bed, row);
    }
}

// Every shorter length of good frames: refused under some reason, or punted, but never sent and
// never lost from the books.
TEST(PacketTable, EveryTruncationIsAccounted) {
    Testbed bed;
    for (const Bytes& frame :
         {bed.host_frame(good4()), bed.host_frame(good6(), kIpv6),
          bed.host_frame(fragment6(0x0001, 64), kIpv6), bed.host_frame(options4({7, 4, 0, 0}))})
        for (std::size_t length = 1; length < frame.size(); ++length) {
            bed.send(kVpc, cut(frame, length));
            EXPECT_TRUE(bed.received(kCh0).empty() && bed.received(kCh1).empty()) << length;
            EXPECT_EQ(bed.accounting().unaccounted(), 0) << length;
        }
}

struct GoodRow {
    const char* what;
    Bytes packet;
    uint16_t type;
};

TEST(PacketTable, GoodPacketsCross) {
    const GoodRow rows[] = {
        {"IPv4 UDP", good4(), kIpv4},
        {"IPv4 with harmless options", options4({1, 7, 7, 4, 0, 0, 0, 0}), kIpv4},
        {"IPv4 end of options", options4({0, 99, 99, 99}), kIpv4},
        {"IPv4 first fragment", fragment4(0x2000, 64), kIpv4},
        {"IPv4 last fragment", fragment4(0x0010, 13), kIpv4},
        {"IPv4 of the MTU", ipv4({kHost4, kRemote4}, ramp(1480)), kIpv4},
        {"IPv4 without payload", ipv4({kHost4, kRemote4}, {}), kIpv4},
        {"IPv6 UDP", good6(), kIpv6},
        {"IPv6 no next header", extended6(wire::kProtoNoNext, {}), kIpv6},
        {"IPv6 with extension headers",
         extended6(wire::kProtoHopByHop, dest_options(wire::kProtoDestOptions) +
                                             dest_options(wire::kProtoUdp, 24) +
                                             udp(1, 2, ramp(4))),
         kIpv6},
        {"IPv6 first fragment", fragment6(0x0001, 64), kIpv6},
        {"IPv6 last fragment", fragment6(0x0040, 13), kIpv6},
        {"IPv6 of the MTU", ipv6({kHost6, kRemote6}, ramp(1460)), kIpv6},
    };
    Testbed bed;
    for (const GoodRow& row : rows) {
        SCOPED_TRACE(row.what);
        Bytes frame = bed.host_frame(row.packet, row.type);
        frame.resize(std::max<std::size_t>(frame.size(), 60)); // as a NIC pads it
        bed.send(kVpc, frame);
        auto out = bed.received(kCh0);
        for (auto& more : bed.received(kCh1))
            out.push_back(more);
        ASSERT_EQ(out.size(), 1u);
        const auto plain = bed.open(out[0]);
        ASSERT_TRUE(plain);
        const bool ch0 =
            std::equal(kCh0Mac.octets.begin(), kCh0Mac.octets.end(), plain->begin() + 6);
        Bytes expected = row.packet;
        if (row.type == kIpv4)
            expected = patched4(8, {63}, expected);
        else
            expected = with(expected, 7, {63});
        EXPECT_EQ(*plain,
                  ethernet({kPeerMac, ch0 ? kCh0Mac : kCh1Mac, kFeatureVlan}, row.type, expected));
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
    }
    EXPECT_EQ(bed.total_drops(), 0u);
}

TEST(PacketTable, FromChannelToVpc) {
    Testbed bed;
    const Bytes packet4 = ipv4({kRemote4, kHost4}, udp(1, 2, ramp(32)));
    const Bytes packet6 = ipv6({kRemote6, kHost6}, udp(1, 2, ramp(32)));
    bed.send(kCh0, bed.protect(bed.peer_frame(packet4)));
    bed.send(kCh0, bed.protect(bed.peer_frame(packet6, kIpv6)));
    const auto out = bed.received(kVpc);
    ASSERT_EQ(out.size(), 2u);
    EXPECT_EQ(out[0], ethernet({kHostMac, kVpcMac, -1}, kIpv4, patched4(8, {63}, packet4)));
    EXPECT_EQ(out[1], ethernet({kHostMac, kVpcMac, -1}, kIpv6, with(packet6, 7, {63})));
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    EXPECT_EQ(bed.control().attachment_counters(bed.attachment()).ingress.tx_bytes,
              packet4.size() + packet6.size());
}

// The same addresses belong to two customers: the VLAN decides, on both sides.
TEST(PacketTable, CustomersWithTheSameAddressesStayApart) {
    Testbed bed;
    bed.send(kVpc, ethernet({kVpcMac, kHostMac, kOtherVlan}, kIpv4, good4()));
    auto out = bed.received(kCh0);
    for (auto& more : bed.received(kCh1))
        out.push_back(more);
    ASSERT_EQ(out.size(), 1u);
    const auto plain = bed.open(out[0]);
    ASSERT_TRUE(plain);
    EXPECT_EQ(((*plain)[14] << 8 | (*plain)[15]), kFeatureVlan + kOtherVlan);

    const Bytes packet = ipv4({kRemote4, kHost4}, udp(1, 2, ramp(8)));
    bed.send(kCh0,
             bed.protect(ethernet({kCh0Mac, kPeerMac, kFeatureVlan + kOtherVlan}, kIpv4, packet)));
    const auto in = bed.received(kVpc);
    ASSERT_EQ(in.size(), 1u);
    EXPECT_EQ(in[0], ethernet({kHostMac, kVpcMac, kOtherVlan}, kIpv4, patched4(8, {63}, packet)));
    EXPECT_EQ(bed.control().attachment_counters(bed.attachment()).ingress.rx_packets, 0u);
    EXPECT_EQ(bed.control().attachment_counters(bed.other()).ingress.tx_packets, 1u);
}

} // namespace

std::set<Drop>& seen_drop_reasons() {
    return seen();
}

} // namespace isthmus::test
