// One punted frame in, the frames and the one counter that must come of it, octet by octet.

#include "known_frames.hpp"
#include "simulated_edge.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

using Counter = uint64_t HostStackCounters::*;
constexpr Counter kArpReplies = &HostStackCounters::arp_replies_sent;
constexpr Counter kAdvertisements = &HostStackCounters::nd_advertisements_sent;
constexpr Counter kEchoReplies = &HostStackCounters::echo_replies_sent;
constexpr Counter kErrors = &HostStackCounters::icmp_errors_sent;
constexpr Counter kSuppressed = &HostStackCounters::icmp_errors_suppressed;
constexpr Counter kIgnored = &HostStackCounters::local_ignored;
constexpr Counter kMalformed = &HostStackCounters::malformed;

struct AnswerRow {
    const char* in;
    LinkId link;
    const char* out; // nullptr: no frame
    Counter counter;
};

class Answers : public testing::TestWithParam<AnswerRow> {};

TEST_P(Answers, FrameAndCounter) {
    const AnswerRow& row = GetParam();
    for (const PuntReason reason : {PuntReason::arp, PuntReason::local, PuntReason::nd}) {
        SimulatedEdge edge;
        edge.receive(row.link, known_frame(row.in), reason);
        const auto port = row.link == kChannel ? PortId{std::size_t{1}} : PortId{std::size_t{0}};
        const auto expected = row.out == nullptr
                                  ? std::vector<SentFrame>{}
                                  : std::vector<SentFrame>{{port, known_frame(row.out)}};
        EXPECT_EQ(edge.sent, expected);
        EXPECT_EQ(edge.stack.counters().*row.counter,
                  row.counter == kAdvertisements ? 4 : 1); // three announcements before
    }
}

constexpr AnswerRow kArp[] = {
    {"arp_request", kVpc, "arp_reply_out", kArpReplies},
    {"arp_request_padded", kVpc, "arp_reply_out", kArpReplies},
    {"arp_channel", kChannel, "arp_channel_out", kArpReplies},
    {"arp_probe", kVpc, "arp_probe_out", kArpReplies},
    {"arp_other", kVpc, nullptr, kIgnored},
    {"arp_conflict", kVpc, nullptr, kIgnored},
    {"arp_stranger", kVpc, nullptr, kIgnored},
    {"arp_subnet_broadcast", kVpc, nullptr, kIgnored},
    {"arp_request", kChannel, nullptr, kIgnored},
    {"arp_request", LinkId{}, nullptr, kIgnored},
    {"arp_bad_operation", kVpc, nullptr, kMalformed},
    {"arp_bad_hardware", kVpc, nullptr, kMalformed},
    {"arp_group_sender", kVpc, nullptr, kMalformed},
};
constexpr AnswerRow kNd[] = {
    {"ns", kVpc, "ns_out", kAdvertisements},
    {"ns_link_local", kVpc, "ns_link_local_out", kAdvertisements},
    {"ns_from_link_local", kVpc, "ns_from_link_local_out", kAdvertisements},
    {"ns_unicast", kVpc, "ns_out", kAdvertisements},
    {"ns_two_options", kVpc, "ns_out", kAdvertisements},
    {"ns_dad", kVpc, "ns_dad_out", kAdvertisements},
    {"ns_channel", kChannel, "ns_channel_out", kAdvertisements},
    {"ns_other", kVpc, nullptr, kIgnored},
    {"ns_conflict", kVpc, nullptr, kIgnored},
    {"ns_stranger", kVpc, nullptr, kIgnored},
    {"ns", kChannel, nullptr, kIgnored},
    {"ns_dad_with_option", kVpc, nullptr, kMalformed},
    {"ns_dad_unicast", kVpc, nullptr, kMalformed},
    {"ns_hop_limit", kVpc, nullptr, kMalformed},
    {"ns_checksum", kVpc, nullptr, kMalformed},
    {"ns_code", kVpc, nullptr, kMalformed},
    {"ns_multicast_target", kVpc, nullptr, kMalformed},
    {"ns_option_zero", kVpc, nullptr, kMalformed},
    {"ns_option_long", kVpc, nullptr, kMalformed},
    {"ns_option_rest", kVpc, nullptr, kMalformed},
    {"ns_option_group_mac", kVpc, nullptr, kMalformed},
    {"ns_fragment_header", kVpc, nullptr, kMalformed},
    {"na_multicast_solicited", kVpc, nullptr, kMalformed},
    {"na_solicited", kVpc, nullptr, kIgnored}, // nobody asked
    {"rs", kVpc, nullptr, kIgnored},
    {"ra", kVpc, nullptr, kIgnored},
};
constexpr AnswerRow kPing[] = {
    {"ping4", kVpc, "ping4_out", kEchoReplies},
    {"ping4_odd_padded", kVpc, "ping4_odd_padded_out", kEchoReplies},
    {"ping4_options", kVpc, "ping4_out", kEchoReplies},
    {"ping4_dscp", kVpc, "ping4_dscp_out", kEchoReplies},
    {"ping4_channel", kChannel, "ping4_channel_out", kEchoReplies},
    {"ping4_vpc_side", kChannel, "ping4_vpc_side_out", kEchoReplies},
    {"ping6", kVpc, "ping6_out", kEchoReplies},
    {"ping6_link_local", kVpc, "ping6_link_local_out", kEchoReplies},
    {"ping6_vpc_side", kChannel, "ping6_vpc_side_out", kEchoReplies},
    {"ping6_options", kVpc, "ping6_out", kEchoReplies},
    {"ping6_atomic_fragment", kVpc, "ping6_out", kEchoReplies},
    {"ping4_other", kVpc, nullptr, kIgnored},
    {"ping4_channel", kOtherTenant, nullptr, kIgnored}, // another VRF
    {"ping4_reply", kVpc, nullptr, kIgnored},
    {"ping4_fragment", kVpc, nullptr, kIgnored},
    {"ping4_last_fragment", kVpc, nullptr, kIgnored},
    {"ping4_broadcast_frame", kVpc, nullptr, kIgnored},
    {"ping4_from_us", kVpc, nullptr, kIgnored},
    {"ping4_from_loopback", kVpc, nullptr, kIgnored},
    {"ping4_from_broadcast", kVpc, nullptr, kIgnored},
    {"ping4_huge", kVpc, nullptr, kIgnored},
    {"ping4_checksum", kVpc, nullptr, kMalformed},
    {"ping4_header_checksum", kVpc, nullptr, kMalformed},
    {"ping6_other_link_local", kChannel, nullptr, kIgnored},
    {"ping6_fragment", kVpc, nullptr, kIgnored},
    {"ping6_source_route", kVpc, nullptr, kIgnored},
    {"ping6_group", kVpc, nullptr, kIgnored},
    {"ping6_checksum", kVpc, nullptr, kMalformed},
    {"tcp4", kVpc, nullptr, kIgnored},
    {"udp4", kChannel, "udp4_out", kErrors},
    {"udp6", kChannel, "udp6_out", kErrors},
    {"udp4_short", kVpc, nullptr, kMalformed},
    {"stacked_tags", kVpc, nullptr, kMalformed},
    {"not_ip", kVpc, nullptr, kMalformed},
};

std::string row_name(const testing::TestParamInfo<AnswerRow>& info) {
    return std::string(info.param.in) + "_" + std::to_string(info.index);
}
INSTANTIATE_TEST_SUITE_P(Arp, Answers, testing::ValuesIn(kArp), row_name);
INSTANTIATE_TEST_SUITE_P(Nd, Answers, testing::ValuesIn(kNd), row_name);
INSTANTIATE_TEST_SUITE_P(Ping, Answers, testing::ValuesIn(kPing), row_name);

struct NoticeRow {
    const char* in;
    Notice notice;
    uint16_t mtu;
    const char* out; // nullptr: suppressed
};

class Notices : public testing::TestWithParam<NoticeRow> {};

TEST_P(Notices, FrameAndCounter) {
    const NoticeRow& row = GetParam();
    SimulatedEdge edge;
    edge.receive_notice(row.notice, known_frame(row.in), row.mtu);
    if (row.out == nullptr) {
        EXPECT_TRUE(edge.sent.empty());
        EXPECT_EQ(edge.stack.counters().*kSuppressed, 1);
    } else {
        ASSERT_EQ(edge.sent.size(), 1);
        EXPECT_EQ(edge.sent[0].octets, known_frame(row.out));
        EXPECT_EQ(edge.stack.counters().*kErrors, 1);
    }
}

constexpr NoticeRow kNoticeRows[] = {
    {"transit4", Notice::time_exceeded, 0, "time4_out"},
    {"transit4_padded", Notice::time_exceeded, 0, "time4_out"},
    {"transit4", Notice::net_unreachable, 0, "net4_out"},
    {"transit4", Notice::host_unreachable, 0, "host4_out"},
    {"big4", Notice::packet_too_big, 1400, "big4_out"},
    {"transit6", Notice::time_exceeded, 0, "time6_out"},
    {"transit6", Notice::net_unreachable, 0, "net6_out"},
    {"transit6", Notice::host_unreachable, 0, "host6_out"},
    {"big6", Notice::packet_too_big, 1400, "big6_out"},
    {"big6", Notice::packet_too_big, 900, "big6_min_out"},
    {"mute6_group", Notice::packet_too_big, 1400, "told6_group_too_big_out"},
    {"mute6_group", Notice::time_exceeded, 0, nullptr},
    {"transit4", Notice::none, 0, nullptr},
    {"mute4_error", Notice::time_exceeded, 0, nullptr},
    {"mute4_unknown_icmp", Notice::time_exceeded, 0, nullptr},
    {"mute4_fragment", Notice::time_exceeded, 0, nullptr},
    {"mute4_group", Notice::time_exceeded, 0, nullptr},
    {"mute4_group", Notice::packet_too_big, 1400, nullptr},
    {"mute4_group_frame", Notice::time_exceeded, 0, nullptr},
    {"mute4_broadcast", Notice::time_exceeded, 0, nullptr},
    {"mute4_subnet_broadcast", Notice::time_exceeded, 0, nullptr},
    {"mute4_source_zero", Notice::time_exceeded, 0, nullptr},
    {"mute4_source_own", Notice::time_exceeded, 0, nullptr},
    {"mute4_source_group", Notice::time_exceeded, 0, nullptr},
    {"mute6_error", Notice::time_exceeded, 0, nullptr},
    {"mute6_error_behind_options", Notice::time_exceeded, 0, nullptr},
    {"mute6_redirect", Notice::time_exceeded, 0, nullptr},
    {"mute6_fragment", Notice::time_exceeded, 0, nullptr},
    {"mute6_source_none", Notice::time_exceeded, 0, nullptr},
};
INSTANTIATE_TEST_SUITE_P(All, Notices, testing::ValuesIn(kNoticeRows), [](const auto& row) {
    return std::string(row.param.in) + "_" + std::to_string(row.index);
});

TEST(NoticeRate, PerLinkAndOverall) {
    SimulatedEdge edge;
    const auto flood = [&](int packets, LinkId in) {
        const uint64_t before = edge.stack.counters().icmp_errors_sent;
        for (int i = 0; i < packets; ++i)
            edge.receive_notice(Notice::time_exceeded, known_frame("transit4"), 0, in);
        return edge.stack.counters().icmp_errors_sent - before;
    };
    EXPECT_EQ(flood(500, kVpc), 20);
    EXPECT_EQ(edge.stack.counters().icmp_errors_suppressed, 480);
    EXPECT_EQ(flood(500, kOtherTenant), 20); // a bucket of its own
    edge.pass(100 * kMillisecond);
    EXPECT_EQ(flood(500, kVpc), 10); // 100 per second
    edge.pass(kSecond);
    EXPECT_EQ(flood(500, kVpc), 20); // never more than the burst
}

TEST(NoticeRate, OverallBucketBoundsManyLinks) {
    std::vector<Link> links;
    for (std::size_t i = 0; i < 50; ++i) {
        links.push_back(default_links()[0]);
        links.back().id.attachment = AttachmentId{i};
        links.back().vlan = static_cast<uint16_t>(i + 1);
    }
    SimulatedEdge edge(links);
    for (const Link& link : links)
        for (int i = 0; i < 30; ++i)
            edge.receive_notice(Notice::time_exceeded, known_frame("transit4"), 0, link.id);
    EXPECT_EQ(edge.stack.counters().icmp_errors_sent, 100);
}

TEST(Sending, FullPortIsCounted) {
    SimulatedEdge edge;
    edge.port_full = true;
    edge.receive(kVpc, known_frame("ping4"));
    EXPECT_EQ(edge.stack.counters().send_failed, 1);
    EXPECT_EQ(edge.stack.counters().echo_replies_sent, 0);
}

} // namespace
} // namespace isthmus::control
