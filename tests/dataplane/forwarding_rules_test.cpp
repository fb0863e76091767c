// Rules of the way between the route and the wire: which channel, which DSCP.

#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace isthmus::test {
namespace {

// Sends one packet of the host; returns the channel that it left by, 2 if by neither.
int channel_of(Testbed& bed, const Bytes& packet, uint16_t type) {
    bed.send(kVpc, bed.host_frame(packet, type));
    const auto first = bed.received(kCh0).size();
    const auto second = bed.received(kCh1).size();
    EXPECT_EQ(first + second, 1u);
    return first == 1 ? 0 : second == 1 ? 1 : 2;
}

Bytes port_unreachable(const Bytes& quoted) {
    return ipv4({kHost4, kRemote4, 64, wire::kProtoIcmp}, Bytes{3, 3} + be16(0) + be32(0) + quoted);
}
Bytes port_unreachable6(const Bytes& quoted) {
    return ipv6({kHost6, kRemote6, 64, wire::kProtoIcmpv6},
                Bytes{1, 4} + be16(0) + be32(0) + quoted);
}

TEST(ForwardingRules, IcmpErrorsTravelWithTheFlowsAnswers) {
    Testbed bed;
    int by_channel[3] = {};
    for (uint16_t port = 1; port <= 40; ++port) {
        const Bytes came = ipv4({kRemote4, kHost4}, udp(port, 2, ramp(8)));
        const Bytes answer = ipv4({kHost4, kRemote4}, udp(2, port, ramp(8)));
        const int channel = channel_of(bed, answer, kIpv4);
        ++by_channel[channel];
        EXPECT_EQ(channel_of(bed, port_unreachable(came), kIpv4), channel) << port;
        const Bytes came6 = ipv6({kRemote6, kHost6}, udp(port, 2, ramp(8)));
        const Bytes answer6 = ipv6({kHost6, kRemote6}, udp(2, port, ramp(8)));
        EXPECT_EQ(channel_of(bed, port_unreachable6(came6), kIpv6), channel_of(bed, answer6, kIpv6))
            << port;
    }
    EXPECT_GT(by_channel[0], 5);
    EXPECT_GT(by_channel[1], 5);
}

TEST(ForwardingRules, AllFragmentsOfAPacketTakeOneChannel) {
    Testbed bed;
    for (uint16_t id = 1; id <= 20; ++id) {
        Ipv4Spec first{kHost4, kRemote4};
        first.id = id;
        first.flags_fragment = wire::kIpv4MoreFragments;
        Ipv4Spec last = first;
        last.flags_fragment = 2; // in units of eight octets
        EXPECT_EQ(channel_of(bed, ipv4(first, udp(id, 9, ramp(8))), kIpv4),
                  channel_of(bed, ipv4(last, ramp(8)), kIpv4));
    }
}

// The IP packets that the peer gets; those of a flow in their order.
std::vector<Bytes> forwarded(Testbed& bed) {
    std::vector<Bytes> packets;
    for (const PortId port : {kCh0, kCh1})
        for (const Bytes& frame : bed.received(port))
            if (const auto plain = bed.open(frame))
                packets.emplace_back(plain->begin() + 18, plain->end());
    return packets;
}

TEST(ForwardingRules, ExcessPacketsGetAnotherDscp) {
    Testbed bed;
    control::Limit limit;
    limit.rate_bps = 64'000; // its bucket holds two packets of the port's MTU
    limit.peak_bps = 100'000'000;
    limit.excess_dscp = 10;
    ASSERT_TRUE(bed.control().set_limits(bed.attachment(), limit, {}));
    // In one burst, so that the bucket earns nothing in between however slow the machine is.
    const Bytes payload = udp(1, 2, ramp(1400));
    for (int n = 0; n < 4; ++n)
        bed.send_later(kVpc, bed.host_frame(ipv4({kHost4, kRemote4}, payload), kIpv4));
    for (int n = 0; n < 4; ++n)
        bed.send_later(kVpc, bed.host_frame(ipv6({kHost6, kRemote6}, payload), kIpv6));
    bed.run_workers();
    int four = 0, six = 0;
    for (const Bytes& got : forwarded(bed)) {
        if (got[0] >> 4 == 6) {
            EXPECT_EQ(got[0] << 8 | got[1], 0x6000 | 10 << 6) << six;
            ++six;
            continue;
        }
        EXPECT_EQ(got[1], (four < 2 ? 0 : 10) << 2) << four;
        EXPECT_EQ(checksum({got.begin(), got.begin() + 20}), 0) << four;
        ++four;
    }
    EXPECT_EQ(four, 4);
    EXPECT_EQ(six, 4);
    EXPECT_EQ(bed.total_drops(), 0u);
}

} // namespace
} // namespace isthmus::test
