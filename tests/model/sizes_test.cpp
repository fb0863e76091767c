// The arithmetic of MTUs: what a port carries beside an IP packet, counted once, and what follows
// for an attachment.

#include "control/compile.hpp"
#include "control/pn_store.hpp"
#include "control/sizes.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

Config config(uint16_t vpc, uint16_t first, uint16_t second) {
    Config made;
    made.edges = {{"a", "a"}};
    made.interconnects = {{"ic", EdgeId(0), "b"}};
    for (const uint16_t mtu : {vpc, first, second})
        made.ports.push_back({"p", EdgeId(0), "", std::nullopt, mtu, true, 0});
    for (std::size_t n = 0; n < 2; ++n) {
        ChannelConfig& channel = made.channels.emplace_back();
        channel.name = "ch";
        channel.edge = EdgeId(0);
        channel.interconnect = InterconnectId(0);
        channel.port = PortId(n + 1);
    }
    return made;
}

Attachment attachment(uint16_t mtu, std::vector<uint16_t> features) {
    Attachment made;
    made.edge = EdgeId(0);
    made.interconnect = InterconnectId(0);
    made.port = PortId(0);
    made.mtu = mtu;
    for (std::size_t n = 0; n < features.size(); ++n)
        made.features[ChannelId(n)].mtu = features[n];
    return made;
}

TEST(Sizes, OfPorts) {
    Config made = config(1500, 9100, 8500);
    made.channels[1].protect_frames = false;
    made.channels[1].validate_frames = macsec::ValidateFrames::null;
    const PortSizes vpc = port_sizes(made, PortId(0));
    EXPECT_FALSE(vpc.channel.valid());
    EXPECT_EQ(vpc.l2_payload(), 1500u + 4);
    EXPECT_EQ(vpc.max_frame(), 1500u + 4 + 14);
    const PortSizes channel = port_sizes(made, PortId(1));
    EXPECT_EQ(channel.channel, ChannelId(0));
    EXPECT_EQ(channel.sectag, 16);
    EXPECT_EQ(channel.icv, 16);
    EXPECT_EQ(channel.l2_payload(), 9100u + 4 + 16 + 16);
    EXPECT_EQ(channel.max_frame(), 9100u + 4 + 16 + 16 + 14);
    EXPECT_EQ(port_sizes(made, PortId(2)).max_frame(), 8500u + 4 + 14) << "without MACsec";
    EXPECT_EQ(largest_mtu(made), 9100);
}

struct SizeRow {
    uint16_t vpc_port, first_port, second_port, attachment;
    std::vector<uint16_t> features;
    uint16_t egress, ingress;
};

TEST(Sizes, OfAttachments) {
    const SizeRow rows[] = {
        {1500, 1500, 1500, 1500, {1500, 1500}, 1500, 1500},
        {9100, 9100, 9100, 9100, {8500, 1400}, 1400, 9100},
        {9100, 9100, 9100, 1460, {8500, 8500}, 8500, 1460},
        {1500, 9100, 9100, 1500, {9000, 9000}, 1500, 1500},
        {9100, 8500, 9100, 9100, {8500, 8500}, 8500, 8500},
        {9100, 8500, 9100, 9100, {8500}, 8500, 8500},
    };
    for (const SizeRow& row : rows) {
        const Config made = config(row.vpc_port, row.first_port, row.second_port);
        Attachment spec = attachment(row.attachment, row.features);
        AttachmentSizes sizes = attachment_sizes(made, spec);
        EXPECT_EQ(sizes.egress_mtu, row.egress);
        EXPECT_EQ(sizes.ingress_mtu, row.ingress);
        EXPECT_EQ(sizes.clamp, MssLimits{});
        spec.mss_clamp.mode = MssClamp::Mode::automatic;
        const uint16_t least = std::min(row.egress, row.ingress);
        EXPECT_EQ(
            attachment_sizes(made, spec).clamp,
            (MssLimits{static_cast<uint16_t>(least - 40), static_cast<uint16_t>(least - 60)}));
        spec.mss_clamp = {MssClamp::Mode::value, 1000};
        EXPECT_EQ(attachment_sizes(made, spec).clamp, (MssLimits{1000, 1000}));
    }
    const AttachmentSizes lonely = attachment_sizes(config(1500, 1500, 1500), attachment(1500, {}));
    EXPECT_FALSE(lonely.egress_mtu || lonely.ingress_mtu);
}

// A meter counts a packet before it is cut, so its bucket must hold what the wider side sends.
TEST(Sizes, MetersHoldWhatTheWiderPortCarries) {
    Model model;
    model.config = config(1500, 1500, 9100);
    model.port_enabled.assign(3, true);
    model.channel_admin.assign(2, AdminState::up);
    const auto aead = macsec::make_aead("openssl").value();
    const auto store = std::move(*PnStore::open("none"));
    ChannelSecys secys;
    for (const ChannelConfig& channel : model.config.channels)
        secys.push_back(
            std::make_unique<ChannelSecy>(channel, MacAddr{{2, 0, 0, 0, 0, 1}}, 1, *aead, *store));
    Attachment spec = attachment(1500, {1500, 1500});
    spec.ingress_limit = Limit{64'000, 100, {}, {}};
    spec.mss_clamp.mode = MssClamp::Mode::automatic;
    model.attachments[AttachmentId(0)] = spec;
    VrfCache cache;
    const std::vector<PortFacts> facts(3);
    const auto state = compile({model, facts, secys, {}, cache, 1'000'000'000, 1});
    const auto& made = state->attachments[0];
    EXPECT_EQ(made.ingress.rate.committed.burst_q6,
              dataplane::MeterRate::from(64'000, 100, 9100, 1'000'000'000).committed.burst_q6);
    EXPECT_TRUE(state->clamps_mss);
    EXPECT_EQ(made.egress.most_mss_ipv4, 1460);
    EXPECT_EQ(made.ingress.most_mss_ipv6, 1440);
}

} // namespace
} // namespace isthmus::control
