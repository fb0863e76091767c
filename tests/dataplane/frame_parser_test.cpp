// The parsers on heap buffers of exactly the frame's size: a read past the end is an ASan error,
// which a packet buffer with its spare room would hide.

#include "dataplane/frame_parser.hpp"
#include "tests/packets.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace isthmus::test {
namespace {

using dataplane::IpHeader;
using dataplane::LinkHeader;

// What the quick way takes is good by the careful way and the same; what it leaves is special.
void expect_plain_agrees(const uint8_t* octets, uint32_t length) {
    LinkHeader quick_link, link;
    const bool bad_link = dataplane::parse_link(octets, length, link).has_value();
    if (dataplane::is_plain_link(octets, length, quick_link)) {
        ASSERT_FALSE(bad_link);
        ASSERT_EQ(quick_link.vlan, link.vlan);
        ASSERT_EQ(quick_link.l3_offset, link.l3_offset);
        ASSERT_EQ(quick_link.ether_type, link.ether_type);
    } else {
        ASSERT_TRUE(bad_link || length < 18);
    }
    IpHeader quick, ip;
    const bool bad = dataplane::check_ipv4(octets, length, ip).has_value();
    if (dataplane::is_plain_ipv4(octets, length, quick)) {
        ASSERT_FALSE(bad);
        ASSERT_EQ(quick.length, ip.length);
        ASSERT_EQ(quick.ttl, ip.ttl);
        ASSERT_EQ(quick.protocol, ip.protocol);
        ASSERT_EQ(quick.ports, ip.ports);
        ASSERT_EQ(ip.quote, 0);
        ASSERT_FALSE(ip.fragment);
    } else if (!bad) {
        ASSERT_TRUE(octets[0] != 0x45 || ip.fragment || ip.protocol == wire::kProtoIcmp);
    }
}

void parse_all(const Bytes& bytes) {
    const auto exact = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    const auto length = static_cast<uint32_t>(bytes.size());
    LinkHeader link;
    IpHeader ip;
    (void)dataplane::parse_link(exact.get(), length, link);
    expect_plain_agrees(exact.get(), length);
    if (!dataplane::check_ipv4(exact.get(), length, ip)) {
        EXPECT_LE(ip.length, length);
    }
    if (!dataplane::check_ipv6(exact.get(), length, ip)) {
        EXPECT_LE(ip.length, length);
    }
}

Bytes sample4() {
    Ipv4Spec spec{v4("10.0.0.1"), v4("10.0.0.2")};
    spec.options = {1, 7, 7, 4, 0, 0, 0, 0};
    return ipv4(spec, udp(1, 2, ramp(20)));
}
Bytes sample6() {
    Ipv6Spec spec{v6("fd00::1"), v6("fd00::2")};
    spec.next = wire::kProtoHopByHop;
    const Bytes hop_by_hop{wire::kProtoRouting, 0, 1, 4, 0, 0, 0, 0};
    const Bytes routing{wire::kProtoFragment, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const Bytes fragment{wire::kProtoUdp, 0, 0, 0, 0, 0, 0, 9};
    return ipv6(spec, hop_by_hop + routing + fragment + udp(3, 4, ramp(16)));
}

Bytes plain4() {
    return ipv4({v4("10.0.0.1"), v4("10.0.0.2")}, udp(1, 2, ramp(20)));
}
void renew_checksum(Bytes& packet) {
    packet[10] = packet[11] = 0;
    const Bytes sum = be16(checksum({packet.begin(), packet.begin() + 20}));
    std::copy(sum.begin(), sum.end(), packet.begin() + 10);
}

TEST(FrameParser, NeverReadsPastTheEnd) {
    for (const Bytes& sample :
         {ethernet({kBroadcastMac, {}, 7}, 0x0800, sample4()), sample4(), sample6(), plain4()})
        for (std::size_t length = 0; length <= sample.size(); ++length)
            parse_all({sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(length)});
}

TEST(FrameParser, SurvivesRandomChanges) {
    std::mt19937 random(20260101);
    for (int round = 0; round < 200'000; ++round) {
        Bytes bytes = round % 3 == 0 ? sample4() : round % 3 == 1 ? sample6() : plain4();
        for (uint32_t n = random() % 4; n != 0; --n)
            bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
        if (round % 3 == 2 && random() % 2 == 0) // so that not only checksums are found wrong
            renew_checksum(bytes);
        if (random() % 4 == 0)
            bytes.resize(random() % (bytes.size() + 1));
        parse_all(bytes);
    }
}

TEST(FrameParser, ReadsWhatTheFlowHashNeeds) {
    IpHeader header;
    const Bytes four = sample4();
    ASSERT_FALSE(dataplane::check_ipv4(four.data(), static_cast<uint32_t>(four.size()), header));
    EXPECT_EQ(header.ports, 1u << 16 | 2);
    EXPECT_EQ(header.protocol, wire::kProtoUdp);
    const Bytes six = sample6();
    ASSERT_FALSE(dataplane::check_ipv6(six.data(), static_cast<uint32_t>(six.size()), header));
    EXPECT_EQ(header.protocol, wire::kProtoUdp);
    EXPECT_EQ(header.ports, 3u << 16 | 4)
        << "behind hop-by-hop, routing and an atomic fragment header";
}

TEST(FrameParser, PriorityTagIsUntagged) {
    LinkHeader link;
    const Bytes frame = ethernet({kBroadcastMac, {}, 0}, 0x0800, ramp(4));
    ASSERT_FALSE(dataplane::parse_link(frame.data(), static_cast<uint32_t>(frame.size()), link));
    EXPECT_EQ(link.vlan, 0);
    EXPECT_EQ(link.l3_offset, 18);
    EXPECT_EQ(link.ether_type, 0x0800);
}

} // namespace
} // namespace isthmus::test
