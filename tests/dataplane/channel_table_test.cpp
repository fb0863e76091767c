// What may come in by a channel, row by row, and what a channel without keys does.

#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

using macsec::Sci;

Bytes good_packet() {
    return ipv4({v4("10.2.3.4"), v4("10.1.0.9")}, udp(1, 2, ramp(64)));
}

struct ChannelRow {
    const char* what;
    std::function<Bytes(Testbed&)> frame;
    Drop reason;
    std::function<uint64_t(const control::ChannelInfo&)> counter; // must go up by one; may be null
};

uint64_t not_valid(const control::ChannelInfo& info) {
    return info.rx_scs[0].counters[&macsec::RxScCounters::in_pkts_not_valid];
}
uint64_t bad_tag(const control::ChannelInfo& info) {
    return info.counters[&macsec::SecyCounters::in_pkts_bad_tag];
}
uint64_t no_sci(const control::ChannelInfo& info) {
    return info.counters[&macsec::SecyCounters::in_pkts_no_sci];
}
uint64_t no_tag(const control::ChannelInfo& info) {
    return info.counters[&macsec::SecyCounters::in_pkts_no_tag];
}
uint64_t late(const control::ChannelInfo& info) {
    return info.rx_scs[0].counters[&macsec::RxScCounters::in_pkts_late];
}
uint64_t no_sa(const control::ChannelInfo& info) {
    return info.rx_scs[0].counters[&macsec::RxScCounters::in_pkts_not_using_sa];
}

// A good protected frame with one octet changed (`flip` is XORed in).
std::function<Bytes(Testbed&)> flipped(std::size_t at, uint8_t flip) {
    return [=](Testbed& bed) {
        Bytes frame = bed.protect(bed.peer_frame(good_packet()));
        frame[at] = static_cast<uint8_t>(frame[at] ^ flip);
        return frame;
    };
}
std::function<Bytes(Testbed&)> plain(Bytes packet, uint16_t type = wire::kEtherTypeIpv4) {
    return [=](Testbed& bed) { return bed.peer_frame(packet, type); };
}

// Offsets: 0 DA, 6 SA, 12 EtherType, 14 TCI/AN, 15 SL, 16 PN, 20 SCI, 28 secure data.
std::vector<ChannelRow> channel_rows() {
    return {
        {"plaintext IP", plain(good_packet()), Drop::macsec_no_tag, no_tag},
        {"plaintext ARP",
         [](Testbed&) {
             return ethernet({kBroadcastMac, kPeerMac, kFeatureVlan}, wire::kEtherTypeArp,
                             arp(1, kPeerMac, v4("169.254.0.2"), {}, v4("169.254.0.1")));
         },
         Drop::macsec_no_tag, no_tag},
        {"EAPOL", [](Testbed&) { return ethernet({kCh0Mac}, wire::kEtherTypeEapol, ramp(46)); },
         Drop::uncontrolled_unhandled, nullptr},
        {"version 1", flipped(14, 0x80), Drop::macsec_bad_tag, bad_tag},
        {"ES together with SC", flipped(14, 0x40), Drop::macsec_bad_tag, bad_tag},
        {"SCB together with SC", flipped(14, 0x10), Drop::macsec_bad_tag, bad_tag},
        {"E without C", flipped(14, 0x04), Drop::macsec_not_controlled, nullptr},
        {"SL with reserved bits", flipped(15, 0x80), Drop::macsec_bad_tag, bad_tag},
        // 9.12 cannot tell this from Ethernet padding; the ICV then stands elsewhere.
        {"SL of a long frame", flipped(15, 0x05), Drop::macsec_not_valid, not_valid},
        {"PN 0",
         [](Testbed& bed) {
             Bytes frame = bed.protect(bed.peer_frame(good_packet()));
             std::fill_n(frame.begin() + 16, 4, uint8_t{0});
             return frame;
         },
         Drop::macsec_bad_tag, bad_tag},
        {"SecTAG cut off",
         [](Testbed& bed) {
             Bytes frame = bed.protect(bed.peer_frame(good_packet()));
             frame.resize(20);
             return frame;
         },
         Drop::macsec_bad_tag, bad_tag},
        {"an SCI nobody announced", flipped(27, 0x07), Drop::macsec_no_sci, no_sci},
        {"an AN without SA",
         [](Testbed& bed) { return bed.protect(bed.peer_frame(good_packet()), 2); },
         Drop::macsec_not_using_sa, no_sa},
        {"changed secure data", flipped(40, 0x01), Drop::macsec_not_valid, not_valid},
        {"changed source address", flipped(11, 0x01), Drop::macsec_not_valid, not_valid},
        {"changed ICV",
         [](Testbed& bed) {
             Bytes frame = bed.protect(bed.peer_frame(good_packet()));
             frame.back() ^= 1;
             return frame;
         },
         Drop::macsec_not_valid, not_valid},
        {"one octet missing",
         [](Testbed& bed) {
             Bytes frame = bed.protect(bed.peer_frame(good_packet()));
             frame.pop_back();
             return frame;
         },
         Drop::macsec_not_valid, not_valid},
        {"a frame seen before",
         [](Testbed& bed) {
             const Bytes frame = bed.protect(bed.peer_frame(good_packet()));
             bed.send(kCh0, frame);
             return frame;
         },
         Drop::macsec_late, late},
        {"a good frame of an unknown VLAN",
         [](Testbed& bed) {
             return bed.protect(
                 ethernet({kCh0Mac, kPeerMac, 2000}, wire::kEtherTypeIpv4, good_packet()));
         },
         Drop::no_attachment, nullptr},
        {"a good frame without VLAN",
         [](Testbed& bed) {
             return bed.protect(
                 ethernet({kCh0Mac, kPeerMac, -1}, wire::kEtherTypeIpv4, good_packet()));
         },
         Drop::no_attachment, nullptr},
        {"a good frame that must not come from a channel",
         [](Testbed& bed) {
             return bed.protect(
                 bed.peer_frame(ipv4({v4("10.2.3.4"), v4("10.2.9.9")}, udp(1, 2, {}))));
         },
         Drop::wrong_side, nullptr},
        {"runt", [](Testbed&) { return ramp(13); }, Drop::frame_truncated, nullptr},
        {"longer than the MTU", [](Testbed&) { return ramp(14 + 1500 + 4 + 32 + 1); },
         Drop::frame_oversized, nullptr},
    };
}

TEST(ChannelTable, BadFrames) {
    Testbed bed;
    for (const ChannelRow& row : channel_rows()) {
        SCOPED_TRACE(row.what);
        const Bytes frame = row.frame(bed);
        (void)bed.received(kVpc);
        const uint64_t before = bed.drops(row.reason);
        const uint64_t total = bed.total_drops();
        const auto info = bed.control().channel_info(kChannel0);
        bed.send(kCh0, frame);
        EXPECT_EQ(bed.drops(row.reason), before + 1) << describe(row.reason).name;
        EXPECT_EQ(bed.total_drops(), total + 1);
        if (row.counter) {
            EXPECT_EQ(row.counter(bed.control().channel_info(kChannel0)), row.counter(info) + 1);
        }
        EXPECT_TRUE(bed.received(kVpc).empty());
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
        seen_drop_reasons().insert(row.reason);
    }
}

TEST(ChannelTable, ChangedFramesLeaveTheReplayStateAlone) {
    Testbed bed;
    Bytes forged = bed.protect(bed.peer_frame(good_packet()));
    forged[16] = 0x7f; // a packet number far ahead
    bed.send(kCh0, forged);
    bed.send(kCh0, bed.protect(bed.peer_frame(good_packet())));
    EXPECT_EQ(bed.received(kVpc).size(), 1u);
}

TEST(ChannelTable, WithoutKeysNothingIsSentOrAccepted) {
    TestbedOptions options;
    options.keys = false;
    Testbed bed(std::move(options));
    EXPECT_EQ(bed.control().channel_info(kChannel0).reason, "no transmit SA");
    bed.send(kVpc, bed.host_frame(ipv4({v4("10.1.0.9"), v4("10.2.3.4")}, udp(1, 2, {}))));
    EXPECT_EQ(bed.drops(Drop::no_channel), 1u);
    seen_drop_reasons().insert(Drop::no_channel);
    bed.send(kCh0, bed.protect(bed.peer_frame(good_packet())));
    EXPECT_EQ(bed.drops(Drop::macsec_no_sci), 1u);
    ASSERT_TRUE(bed.dataplane().inject(kCh0, bed.peer_frame(good_packet())));
    bed.run_workers();
    EXPECT_EQ(bed.drops(Drop::macsec_no_tx_sa), 1u);
    seen_drop_reasons().insert(Drop::macsec_no_tx_sa);
    bed.settle(); // the host stack announces and asks; none of it leaves in clear
    EXPECT_TRUE(bed.received(kCh0).empty() && bed.received(kCh1).empty());
    EXPECT_TRUE(bed.received(kVpc).size() <= 2); // ICMP errors to the host
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(ChannelTable, ExhaustedPacketNumbersStopTheSa) {
    Testbed bed;
    for (const ChannelId channel : {kChannel0, kChannel1}) {
        ASSERT_TRUE(bed.add_tx_sa(channel, 1, Bytes(32, 0x11), 0xfffffffe));
        ASSERT_TRUE(bed.control().set_encoding_an(channel, 1));
    }
    for (int n = 0; n < 3; ++n)
        bed.send(kVpc, bed.host_frame(ipv4({v4("10.1.0.9"), v4("10.2.3.4")}, udp(1, 2, {}))));
    EXPECT_EQ(bed.received(kCh0).size() + bed.received(kCh1).size(), 2u);
    EXPECT_EQ(bed.drops(Drop::macsec_pn_exhausted), 1u);
    seen_drop_reasons().insert(Drop::macsec_pn_exhausted);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(ChannelTable, PlaintextOnlyWhereConfigured) {
    TestbedOptions options;
    options.configure = [](control::ChannelConfig& channel) {
        channel.protect_frames = false;
        channel.validate_frames = macsec::ValidateFrames::null;
    };
    Testbed bed(std::move(options));
    const auto sent = [&] {
        uint64_t sum = 0;
        for (const ChannelId channel : {kChannel0, kChannel1})
            sum += bed.control()
                       .channel_info(channel)
                       .counters[&macsec::SecyCounters::out_pkts_untagged];
        return sum;
    };
    const uint64_t before = sent(); // announcements
    bed.send(kCh0, bed.peer_frame(good_packet()));
    EXPECT_EQ(bed.received(kVpc).size(), 1u);
    bed.send(kCh0, bed.protect(bed.peer_frame(good_packet())));
    EXPECT_EQ(bed.drops(Drop::macsec_unexpected), 1u);
    seen_drop_reasons().insert(Drop::macsec_unexpected);
    bed.send(kVpc, bed.host_frame(ipv4({v4("10.1.0.9"), v4("10.2.3.4")}, udp(1, 2, {}))));
    auto out = bed.received(kCh0);
    for (auto& more : bed.received(kCh1))
        out.push_back(more);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0][12] << 8 | out[0][13], wire::kEtherTypeVlan);
    EXPECT_EQ(sent(), before + 1);
    EXPECT_FALSE(bed.add_tx_sa(kChannel0, 0, edge_sak()));
}

} // namespace
} // namespace isthmus::test
