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

void parse_all(const Bytes& bytes) {
    const auto exact = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    const auto length = static_cast<uint32_t>(bytes.size());
    LinkHeader link;
    IpHeader ip;
    (void)dataplane::parse_link(exact.get(), length, link);
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

TEST(FrameParser, NeverReadsPastTheEnd) {
    for (const Bytes& sample :
         {ethernet({kBroadcastMac, {}, 7}, 0x0800, sample4()), sample4(), sample6()})
        for (std::size_t length = 0; length <= sample.size(); ++length)
            parse_all({sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(length)});
}

TEST(FrameParser, SurvivesRandomChanges) {
    std::mt19937 random(20260101);
    for (int round = 0; round < 200'000; ++round) {
        Bytes bytes = round % 2 == 0 ? sample4() : sample6();
        for (int n = 0; n < 3; ++n)
            bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
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
