// What a simulated host says about the packets that the edge delivers to it.

#include "sim_fixture.hpp"

#include <algorithm>
#include <functional>
#include <poll.h>

namespace isthmus::sim {
namespace {

class ReceiverTest : public SimTest {
  protected:
    void SetUp() override {
        SimTest::SetUp();
        sender_ = std::make_unique<GeneratorPort>(pool_, kEdgeMac, 1, clock());
        receiver_ = std::make_unique<GeneratorPort>(pool_, kEdgeMac, 2, clock());
        ASSERT_TRUE(receiver_->set_traffic(quiet()));
    }
    static TrafficSpec quiet(uint16_t vlan = 0) {
        return {.tag = 7, .vlan = vlan, .addresses = {kHost4, kHost6}, .streams = {}};
    }
    TrafficReport report() const { return receiver_->report(); }
    // What the host sends when asked with `frame`; empty if nothing.
    std::vector<uint8_t> answer(const std::vector<uint8_t>& frame) {
        give(*receiver_, {packet_of(frame)});
        const auto packets = take(*receiver_);
        if (packets.empty())
            return {};
        std::vector<uint8_t> reply(octets(packets[0]), octets(packets[0]) + packets[0]->pkt_len);
        EXPECT_EQ(packets.size(), 1u);
        drop(packets);
        return reply;
    }

    std::unique_ptr<GeneratorPort> sender_, receiver_;
};

TEST_F(ReceiverTest, OwnTagIsReceived) {
    ASSERT_TRUE(sender_->set_traffic(spec4(1001)));
    give(*receiver_, take(*sender_));
    ASSERT_TRUE(sender_->set_traffic(spec6(80)));
    give(*receiver_, take(*sender_));
    EXPECT_EQ(report().received_packets, 64u);
    EXPECT_EQ(report().received_bytes, 32u * 1001 + 32 * 80);
    EXPECT_EQ(report().foreign_packets + report().corrupt_packets + report().other_packets, 0u);
    EXPECT_EQ(report().reordered_packets, 0u);
}

TEST_F(ReceiverTest, AnotherTagIsForeign) {
    ASSERT_TRUE(sender_->set_traffic(spec4(100, 8)));
    give(*receiver_, take(*sender_));
    EXPECT_EQ(report().foreign_packets, 32u);
    EXPECT_EQ(report().received_packets, 0u);
}

TEST_F(ReceiverTest, UnconfiguredHostJudgesNobody) {
    GeneratorPort fresh(pool_, kEdgeMac, 3, clock());
    ASSERT_TRUE(sender_->set_traffic(spec4(100)));
    give(fresh, take(*sender_));
    EXPECT_EQ(fresh.report().other_packets, 32u);
}

// Every single bit behind the Ethernet header, except those that no checksum covers: traffic class,
// flow label, next header and hop limit of IPv6. (A changed next header makes it another packet.)
TEST_F(ReceiverTest, FlippedBitIsCorrupt) {
    for (const bool v4 : {true, false}) {
        const uint16_t bytes = v4 ? 70 : 90;
        ASSERT_TRUE(sender_->set_traffic(v4 ? spec4(bytes) : spec6(bytes)));
        for (unsigned bit = 14 * 8; bit < (14u + bytes) * 8; ++bit) {
            const unsigned octet = bit / 8 - 14;
            if (!v4 && ((octet < 4 && bit % 8 < 4 && octet == 0) || (octet >= 1 && octet <= 3) ||
                        octet == 6 || octet == 7))
                continue;
            auto packets = take(*sender_, 1);
            octets(packets[0])[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            const uint64_t before = report().corrupt_packets;
            give(*receiver_, packets);
            EXPECT_EQ(report().corrupt_packets, before + 1) << "octet " << octet;
        }
    }
    EXPECT_EQ(report().received_packets, 0u);
}

TEST_F(ReceiverTest, WrongLengthIsCorrupt) {
    ASSERT_TRUE(sender_->set_traffic(spec4(100)));
    auto packets = take(*sender_, 2);
    rte_pktmbuf_trim(packets[0], 1);
    (void)rte_pktmbuf_append(packets[1], 16); // an ICV that was not taken off
    give(*receiver_, packets);
    EXPECT_EQ(report().corrupt_packets, 2u);
}

TEST_F(ReceiverTest, TimeToLiveMayChange) {
    ASSERT_TRUE(sender_->set_traffic(spec4(100)));
    auto packets = take(*sender_, 1);
    auto* ip = wire::overlay<wire::Ipv4>(octets(packets[0]) + 14);
    ip->ttl = 62;
    ip->checksum = uint16_t{0};
    ip->checksum.set_raw(
        wire::checksum_finish(wire::checksum_add(0, octets(packets[0]) + 14, sizeof *ip)));
    give(*receiver_, packets);
    EXPECT_EQ(report().received_packets, 1u);
}

TEST_F(ReceiverTest, ReorderIsCountedPerFlow) {
    TrafficSpec spec = spec4(100);
    spec.streams[0].flows = 4;
    ASSERT_TRUE(sender_->set_traffic(spec));
    auto packets = take(*sender_, 8); // flows 0 1 2 3 0 1 2 3
    std::swap(packets[1], packets[2]);
    give(*receiver_, packets);
    EXPECT_EQ(report().reordered_packets, 0u) << "different flows may overtake each other";
    packets = take(*sender_, 8);
    std::swap(packets[1], packets[5]);
    give(*receiver_, packets);
    EXPECT_EQ(report().reordered_packets, 1u);
    EXPECT_EQ(report().received_packets, 16u);
}

TEST_F(ReceiverTest, ManyFlowsAreNotMistakenForReordering) {
    TrafficSpec spec = spec4(64);
    spec.streams[0].flows = kMaxFlows;
    spec.streams.resize(8, spec.streams[0]);
    ASSERT_TRUE(sender_->set_traffic(spec));
    for (int i = 0; i < 2000; ++i)
        give(*receiver_, take(*sender_, 64));
    EXPECT_EQ(report().received_packets, 128'000u);
    EXPECT_EQ(report().reordered_packets, 0u);
}

TEST_F(ReceiverTest, WhatIsNotMarkedIsOther) {
    ASSERT_TRUE(sender_->set_traffic(spec4(100)));
    auto packets = take(*sender_, 4);
    auto* tagged = wire::overlay<wire::Ethernet>(octets(packets[0]));
    tagged->ether_type = uint16_t{0x88cc}; // LLDP
    auto* ip = wire::overlay<wire::Ipv4>(octets(packets[1]) + 14);
    ip->protocol = wire::kProtoIcmp;
    ip->checksum = uint16_t{0};
    ip->checksum.set_raw(
        wire::checksum_finish(wire::checksum_add(0, octets(packets[1]) + 14, sizeof *ip)));
    packets[2]->data_len = 10;
    packets[2]->pkt_len = 10;
    // Without a checksum, to a port that is not ours (allowed over IPv4).
    auto* udp = wire::overlay<Udp>(octets(packets[3]) + 34);
    udp->destination = uint16_t{53};
    udp->checksum = uint16_t{0};
    give(*receiver_, packets);
    EXPECT_EQ(report().other_packets, 4u);
    EXPECT_EQ(report().received_packets + report().corrupt_packets, 0u);
}

TEST_F(ReceiverTest, VlanMustBeOurs) {
    TrafficSpec spec = spec4(100);
    spec.vlan = 20;
    ASSERT_TRUE(sender_->set_traffic(spec));
    give(*receiver_, take(*sender_));
    EXPECT_EQ(report().other_packets, 32u);
    ASSERT_TRUE(receiver_->set_traffic(quiet(20)));
    give(*receiver_, take(*sender_));
    EXPECT_EQ(report().received_packets, 32u);
}

std::vector<uint8_t> arp_request(uint32_t target, uint16_t vlan = 0) {
    std::vector<uint8_t> frame(vlan == 0 ? 42 : 46);
    auto* ethernet = wire::overlay<wire::Ethernet>(frame.data());
    *ethernet = {kBroadcastMac, kEdgeMac, vlan == 0 ? wire::kEtherTypeArp : wire::kEtherTypeVlan};
    if (vlan != 0)
        *wire::overlay<wire::Vlan>(frame.data() + 14) = {vlan, wire::kEtherTypeArp};
    *wire::overlay<wire::Arp>(frame.data() + frame.size() - 28) = {
        uint16_t{1}, uint16_t{0x0800}, 6, 4, uint16_t{1}, kEdgeMac, 0x0a000001u, {}, target};
    frame.resize(60); // padded as a short frame is
    return frame;
}

TEST_F(ReceiverTest, AnswersArpForItsAddressOnly) {
    EXPECT_TRUE(answer(arp_request(kHost4.value + 1)).empty());
    EXPECT_EQ(report().other_packets, 1u);
    for (const uint16_t vlan : Values{0, 20}) {
        ASSERT_TRUE(receiver_->set_traffic(quiet(vlan)));
        const auto reply = answer(arp_request(kHost4.value, vlan));
        ASSERT_EQ(reply.size(), vlan == 0 ? 42u : 46u);
        const auto* ethernet = wire::overlay<wire::Ethernet>(reply.data());
        EXPECT_EQ(ethernet->destination, kEdgeMac);
        EXPECT_EQ(ethernet->source, receiver_->host_mac());
        if (vlan != 0) {
            EXPECT_EQ(wire::overlay<wire::Vlan>(reply.data() + 14)->vid(), vlan);
        }
        const auto* arp = wire::overlay<wire::Arp>(reply.data() + reply.size() - 28);
        EXPECT_EQ(arp->operation.host(), 2);
        EXPECT_EQ(arp->sender_mac, receiver_->host_mac());
        EXPECT_EQ(arp->sender_ip.host(), kHost4.value);
        EXPECT_EQ(arp->target_mac, kEdgeMac);
        EXPECT_EQ(arp->target_ip.host(), 0x0a000001u);
    }
    EXPECT_EQ(report().arp_replies, 2u);
    EXPECT_FALSE(receiver_->host_mac().is_multicast());
    EXPECT_EQ(receiver_->host_mac().octets[0] & 2, 2) << "locally administered";
    EXPECT_NE(receiver_->host_mac(), sender_->host_mac());
}

TEST_F(ReceiverTest, FloodOfArpRequestsIsBounded) {
    for (int i = 0; i < 1000; ++i)
        give(*receiver_, {packet_of(arp_request(kHost4.value))});
    const auto replies = take(*receiver_, 200);
    EXPECT_EQ(replies.size(), 64u);
    drop(replies);
    EXPECT_FALSE(answer(arp_request(kHost4.value)).empty());
}

TEST_F(ReceiverTest, AReplyWakesWhoRests) {
    ASSERT_TRUE(receiver_->arm(0));
    pollfd wait{receiver_->wait_fd(0), POLLIN, 0};
    give(*receiver_, {packet_of(std::vector<uint8_t>(60, 1))});
    EXPECT_EQ(poll(&wait, 1, 0), 0) << "nothing to send";
    EXPECT_FALSE(answer(arp_request(kHost4.value)).empty());
    EXPECT_EQ(poll(&wait, 1, 0), 1);
    receiver_->disarm(0);
    EXPECT_EQ(poll(&wait, 1, 0), 0);
}

std::vector<uint8_t> solicitation(Ipv6Addr source, Ipv6Addr target, uint8_t hop_limit = 255) {
    std::vector<uint8_t> frame(14 + 40 + 24);
    const Ipv6Addr group = solicited_node_multicast(target);
    *wire::overlay<wire::Ethernet>(frame.data()) = {multicast_mac(group), kEdgeMac,
                                                    wire::kEtherTypeIpv6};
    auto* ip = wire::overlay<wire::Ipv6>(frame.data() + 14);
    ip->version_class_flow = 6u << 28;
    ip->payload_length = uint16_t{24};
    ip->next_header = wire::kProtoIcmpv6;
    ip->hop_limit = hop_limit;
    ip->source = source;
    ip->destination = group;
    auto* icmp = wire::overlay<wire::Icmp>(frame.data() + 54);
    icmp->type = wire::kIcmpv6NeighborSolicitation;
    *wire::overlay<wire::Ipv6Address>(frame.data() + 62) = target;
    const uint64_t sum = pseudo_header_sum(frame.data() + 22, 32, wire::kProtoIcmpv6, 24);
    icmp->checksum.set_raw(wire::checksum_finish(wire::checksum_add(sum, frame.data() + 54, 24)));
    return frame;
}

TEST_F(ReceiverTest, AnswersNeighborSolicitation) {
    const Ipv6Addr asker{uint64_t{0xfe80} << 48, 1};
    const auto reply = answer(solicitation(asker, kHost6));
    ASSERT_EQ(reply.size(), 14u + 40 + 32);
    const auto* ethernet = wire::overlay<wire::Ethernet>(reply.data());
    EXPECT_EQ(ethernet->destination, kEdgeMac);
    EXPECT_EQ(ethernet->source, receiver_->host_mac());
    const auto* ip = wire::overlay<wire::Ipv6>(reply.data() + 14);
    EXPECT_EQ(ip->hop_limit, 255);
    EXPECT_EQ(ip->source.host(), kHost6);
    EXPECT_EQ(ip->destination.host(), asker);
    const auto* icmp = wire::overlay<wire::Icmp>(reply.data() + 54);
    EXPECT_EQ(icmp->type, wire::kIcmpv6NeighborAdvertisement);
    EXPECT_EQ(icmp->rest.host(), 0x60000000u); // solicited, override
    EXPECT_EQ(wire::overlay<wire::Ipv6Address>(reply.data() + 62)->host(), kHost6);
    EXPECT_EQ(reply[78], 2); // target link-layer address, one unit of eight octets
    EXPECT_EQ(reply[79], 1);
    EXPECT_TRUE(std::equal(reply.begin() + 80, reply.end(), receiver_->host_mac().octets.begin()));
    const uint64_t sum = pseudo_header_sum(reply.data() + 22, 32, wire::kProtoIcmpv6, 32);
    EXPECT_EQ(wire::checksum_finish(wire::checksum_add(sum, reply.data() + 54, 32)), 0);
    EXPECT_EQ(report().nd_replies, 1u);
}

TEST_F(ReceiverTest, AnswersDuplicateAddressDetectionToAllNodes) {
    const auto reply = answer(solicitation({}, kHost6));
    ASSERT_EQ(reply.size(), 86u);
    EXPECT_EQ(wire::overlay<wire::Ethernet>(reply.data())->destination,
              (MacAddr{{0x33, 0x33, 0, 0, 0, 1}}));
    EXPECT_EQ(wire::overlay<wire::Ipv6>(reply.data() + 14)->destination.host(),
              (Ipv6Addr{uint64_t{0xff02} << 48, 1}));
    EXPECT_EQ(wire::overlay<wire::Icmp>(reply.data() + 54)->rest.host(), 0x20000000u);
}

TEST_F(ReceiverTest, IgnoresOtherSolicitations) {
    const Ipv6Addr asker{uint64_t{0xfe80} << 48, 1};
    EXPECT_TRUE(answer(solicitation(asker, {kHost6.high, 3})).empty());
    EXPECT_TRUE(answer(solicitation(asker, kHost6, 64)).empty()) << "from another link";
    EXPECT_EQ(report().other_packets, 2u);
    auto spoilt = solicitation(asker, kHost6);
    spoilt[56] ^= 1;
    EXPECT_TRUE(answer(spoilt).empty());
    EXPECT_EQ(report().corrupt_packets, 1u);
}

TEST_F(ReceiverTest, RepliesGoBeforeTraffic) {
    ASSERT_TRUE(receiver_->set_traffic(spec4(100)));
    give(*receiver_, {packet_of(arp_request(kHost4.value))});
    const auto packets = take(*receiver_);
    ASSERT_EQ(packets.size(), 32u);
    EXPECT_EQ(wire::overlay<wire::Ethernet>(octets(packets[0]))->ether_type.host(),
              wire::kEtherTypeArp);
    drop(packets);
    EXPECT_EQ(report().sent_packets, 31u);
}

} // namespace
} // namespace isthmus::sim
