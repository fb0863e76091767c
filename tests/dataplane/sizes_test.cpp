// Packets of every size: what crosses whole, and what the sender of one that may not be cut is
// told.

#include "dataplane/eal.hpp"
#include "tests/dataplane/fragments.hpp"
#include "tests/dataplane/testbed.hpp"
#include "tests/must.hpp"

#include <rte_mbuf.h>

#include <gtest/gtest.h>

#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

constexpr std::size_t kTaggedHeader = 18, kUntaggedHeader = 14;

uint16_t type_of(bool six) {
    return six ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4;
}
Bytes outward_of(bool six, std::size_t length) {
    return six ? ipv6({kHost6, kRemote6}, udp(1, 2, ramp(length - 48)))
               : ipv4({kHost4, kRemote4}, udp(1, 2, ramp(length - 28)));
}
Bytes inward_of(bool six, std::size_t length) {
    return six ? ipv6({kRemote6, kHost6}, udp(1, 2, ramp(length - 48)))
               : ipv4({kRemote4, kHost4}, udp(1, 2, ramp(length - 28)));
}
Bytes as_forwarded(bool six, Bytes packet) {
    if (!six)
        return forwarded4(std::move(packet));
    --packet[7];
    return packet;
}
std::vector<Bytes> opened_by(Testbed& bed) {
    std::vector<Bytes> plain;
    for (const Bytes& frame : from_channels(bed))
        plain.push_back(bed.open(frame).value());
    return plain;
}

struct PortRow {
    uint16_t mtu;
    macsec::CipherSuite suite;
};

TEST(Sizes, WholePacketsCrossUpToThePortsMtu) {
    using macsec::CipherSuite;
    for (const PortRow& row :
         {PortRow{1280, CipherSuite::gcm_aes_128}, PortRow{1500, CipherSuite::gcm_aes_256},
          PortRow{1900, CipherSuite::gcm_aes_xpn_128}, PortRow{1967, CipherSuite::gcm_aes_256},
          PortRow{4000, CipherSuite::gcm_aes_256}, PortRow{8500, CipherSuite::gcm_aes_xpn_256},
          PortRow{9100, CipherSuite::gcm_aes_256}}) {
        TestbedOptions options;
        options.mtu = row.mtu;
        options.feature_mtu = row.mtu;
        options.configure = [&](auto& channel) { channel.cipher_suite = row.suite; };
        Testbed bed(std::move(options));
        for (const bool six : {false, true})
            for (std::size_t length :
                 {64,   65,   127,  575,  576,  1279, 1280, 1281, 1499, 1500, 1501, 2047,
                  2048, 2049, 4095, 4096, 8191, 8192, 8499, 8500, 8501, 9099, 9100}) {
                if (length > row.mtu)
                    break;
                SCOPED_TRACE(testing::Message() << row.mtu << ": " << length << " six " << six);
                bed.send(kVpc, bed.host_frame(outward_of(six, length), type_of(six)));
                const auto out = opened_by(bed);
                ASSERT_EQ(out.size(), 1u);
                EXPECT_EQ(Bytes(out[0].begin() + kTaggedHeader, out[0].end()),
                          as_forwarded(six, outward_of(six, length)));
                bed.send(kCh0, bed.protect(bed.peer_frame(inward_of(six, length), type_of(six))));
                const auto in = bed.received(kVpc);
                ASSERT_EQ(in.size(), 1u);
                EXPECT_EQ(Bytes(in[0].begin() + kUntaggedHeader, in[0].end()),
                          as_forwarded(six, inward_of(six, length)));
            }
        EXPECT_EQ(bed.total_drops(), 0u);
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
    }
}

// The octets of a port's largest frame, and one more, on both sides.
TEST(Sizes, FramesOverThePortsLimitHaveTheirReason) {
    for (const uint16_t mtu : std::initializer_list<uint16_t>{1500, 9100}) {
        TestbedOptions options;
        options.mtu = mtu;
        Testbed bed(std::move(options));
        const auto length = std::size_t{mtu};
        bed.send(kVpc,
                 ethernet({kVpcMac, kHostMac, kOtherVlan}, 0x0800, outward_of(false, length)));
        EXPECT_EQ(bed.drops(Drop::frame_oversized), 0u);
        bed.send(kVpc,
                 ethernet({kVpcMac, kHostMac, kOtherVlan}, 0x0800, outward_of(false, length + 1)));
        EXPECT_EQ(bed.drops(Drop::frame_oversized), 1u);
        bed.send(kCh0, bed.protect(bed.peer_frame(inward_of(false, length))));
        EXPECT_EQ(bed.drops(Drop::frame_oversized), 1u);
        bed.send(kCh0, bed.protect(bed.peer_frame(inward_of(false, length + 1))));
        EXPECT_EQ(bed.drops(Drop::frame_oversized), 2u);
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
    }
}

// What an ICMP error says about the MTU, -1 if the packet is none. RFC 1191, section 4; RFC 4443,
// section 3.2.
int told_mtu(const Bytes& packet) {
    if (packet.size() > 28 && packet[0] >> 4 == 4 && packet[9] == wire::kProtoIcmp &&
        packet[20] == 3 && packet[21] == 4)
        return static_cast<int>(u16(packet, 26));
    if (packet.size() > 48 && packet[0] >> 4 == 6 && packet[6] == wire::kProtoIcmpv6 &&
        packet[40] == wire::kIcmpv6PacketTooBig)
        return static_cast<int>(u16(packet, 44) << 16 | u16(packet, 46));
    return -1;
}
std::vector<int> told(const std::vector<Bytes>& frames, std::size_t link) {
    std::vector<int> mtus;
    for (const Bytes& frame : frames)
        if (const int mtu =
                told_mtu({frame.begin() + static_cast<std::ptrdiff_t>(link), frame.end()});
            mtu >= 0)
            mtus.push_back(mtu);
    return mtus;
}

// Both families and directions: one octet more than the MTU, and the sender is told which one.
TEST(Sizes, TheSenderIsToldTheMtu) {
    for (const uint16_t mtu : std::initializer_list<uint16_t>{1280, 1281, 1500, 8500, 9099}) {
        for (const bool six : {false, true}) {
            TestbedOptions options; // a new bed for each: errors to one sender are rate limited
            options.mtu = 9100;
            options.feature_mtu = mtu;
            options.attachment_mtu = static_cast<uint16_t>(mtu + 1);
            Testbed bed(std::move(options));
            SCOPED_TRACE(testing::Message() << mtu << " six " << six);
            bed.send(kVpc, bed.host_frame(outward_of(six, mtu), type_of(six)));
            EXPECT_EQ(opened_by(bed).size(), 1u);
            bed.send(kVpc, bed.host_frame(outward_of(six, mtu + 1u), type_of(six)));
            bed.settle();
            EXPECT_EQ(told(bed.received(kVpc), kUntaggedHeader), std::vector<int>{mtu});
            EXPECT_TRUE(opened_by(bed).empty());
            EXPECT_EQ(bed.drops(Drop::mtu_exceeded), 1u);

            bed.send(kCh0, bed.protect(bed.peer_frame(inward_of(six, mtu + 1u), type_of(six))));
            EXPECT_EQ(bed.received(kVpc).size(), 1u);
            if (mtu + 2 > 9100)
                continue; // no such frame comes from the channel
            bed.send(kCh0, bed.protect(bed.peer_frame(inward_of(six, mtu + 2u), type_of(six))));
            bed.settle();
            EXPECT_EQ(told(opened_by(bed), kTaggedHeader), std::vector<int>{mtu + 1});
            EXPECT_TRUE(bed.received(kVpc).empty());
            EXPECT_EQ(bed.drops(Drop::mtu_exceeded), 2u);
            EXPECT_EQ(bed.total_drops(), 2u);
            EXPECT_EQ(bed.accounting().unaccounted(), 0);
            EXPECT_EQ(bed.accounting().fragmented, 0u);
        }
    }
    seen_drop_reasons().insert(Drop::mtu_exceeded);
}

TEST(Sizes, BuffersFollowTheLargestMtu) {
    using dataplane::packet_room;
    EXPECT_EQ(packet_room(1280), 2048u + RTE_PKTMBUF_HEADROOM);
    EXPECT_EQ(packet_room(1500), 2048u + RTE_PKTMBUF_HEADROOM);
    EXPECT_EQ(packet_room(1966), 2048u + RTE_PKTMBUF_HEADROOM);
    EXPECT_EQ(packet_room(1967), 3072u + RTE_PKTMBUF_HEADROOM);
    EXPECT_EQ(packet_room(9100), 9216u + RTE_PKTMBUF_HEADROOM);
}

TEST(Sizes, AnMtuThatTheDeviceCannotCarryIsRefused) {
    dataplane::EthdevRequest request;
    request.name = "wide";
    request.l2_payload = 65'536;
    request.pool = test_pool();
    const auto device = must(dataplane::attach_device("net_null_sizes", request));
    const auto refused = dataplane::open_device(device, request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "mtu");
    EXPECT_EQ(refused.error().value, "65536");
    EXPECT_NE(refused.error().message.find("port wide: 65536 octets behind"), std::string::npos)
        << refused.error().message;
    EXPECT_LT(std::stoul(refused.error().limit), 65'536u);
}

} // namespace
} // namespace isthmus::test
