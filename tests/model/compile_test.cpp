// From a model to a forwarding state, without DPDK: what each destination leads to, which channels
// carry traffic, and that tables are shared while nothing in them changes.

#include "control/compile.hpp"
#include "tests/packets.hpp"

#include <gtest/gtest.h>

#include <set>

namespace isthmus::control {
namespace {

using dataplane::index_of;
using dataplane::Target;
using dataplane::target_of;
using test::v4;
using test::v6;

class Compile : public testing::Test {
  protected:
    void SetUp() override {
        Config& c = model_.config;
        c.edges = {{"a", "a"}};
        c.interconnects = {{"ic", EdgeId(0), "b"}};
        c.ports.push_back({"vpc", EdgeId(0), "", std::nullopt, 1500, true, 0});
        for (std::size_t n = 0; n < 4; ++n) {
            c.ports.push_back({"p", EdgeId(0), "", std::nullopt, 1500, true, 0});
            ChannelConfig& channel = c.channels.emplace_back();
            channel.name = "ch";
            channel.edge = EdgeId(0);
            channel.interconnect = InterconnectId(0);
            channel.port = PortId(n + 1);
            channel.cipher_suite = macsec::CipherSuite::gcm_aes_128;
        }
        model_.port_enabled.assign(5, true);
        model_.channel_admin.assign(4, AdminState::up);
        ports_.assign(5, {MacAddr{{2, 0, 0, 0, 0, 1}}, true});
        aead_ = macsec::make_aead("auto").value();
        for (std::size_t n = 0; n < 4; ++n) {
            secys_.push_back(std::make_unique<ChannelSecy>(c.channels[n], ports_[n + 1].mac, 1,
                                                           *aead_, *store_));
            const std::vector<uint8_t> sak(16, uint8_t(n));
            ASSERT_TRUE(secys_[n]->add_tx_sa({0, sak, {}, {}}));
        }
        Attachment a;
        a.name = "acme";
        a.edge = EdgeId(0);
        a.interconnect = InterconnectId(0);
        a.port = PortId(0);
        a.local.ipv4 = Ipv4Prefix{v4("10.1.0.1"), 24};
        a.local.ipv6 = Ipv6Prefix{v6("fd00:1::1"), 64};
        Feature f;
        f.vlan = 1025;
        f.local.ipv4 = Ipv4Prefix{v4("169.254.2.1"), 30};
        f.peer_ipv4 = v4("169.254.2.2");
        a.features[ChannelId(2)] = f;
        a.routes[parse_prefix("10.0.0.0/8").value()] = {Via::channels, {}};
        a.routes[parse_prefix("10.3.0.0/16").value()] = {Via::vpc, v4("10.1.0.9")};
        a.routes[parse_prefix("10.4.0.0/16").value()] = {Via::blackhole, {}};
        a.routes[parse_prefix("::/0").value()] = {Via::channels, {}};
        model_.attachments[AttachmentId(3)] = a;
    }
    std::unique_ptr<const dataplane::ForwardingState> run() {
        return compile({model_, ports_, secys_, neighbours_, cache_, 1'000'000'000, 7});
    }
    static Target look_up(const dataplane::ForwardingState& state, const char* addr) {
        const auto ip = parse_ip(addr).value();
        if (const auto* four = std::get_if<Ipv4Addr>(&ip))
            return target_of(value_at(state, *four));
        const Ipv6Addr six = std::get<Ipv6Addr>(ip);
        dataplane::FibValue value = dataplane::kNoRoute;
        dataplane::Fib6::lookup_bulk(*state.fibs, *state.attachments[3].egress.fib6, &six, &value,
                                     1);
        return target_of(value);
    }
    static dataplane::FibValue value_at(const dataplane::ForwardingState& state, Ipv4Addr addr) {
        dataplane::FibValue value = dataplane::kNoRoute;
        dataplane::Fib4::lookup_bulk(*state.fibs, *state.attachments[3].ingress.fib4, &addr, &value,
                                     1);
        return value;
    }
    static std::set<uint8_t> used(const dataplane::ForwardingState& state) {
        const auto& buckets = state.interconnects[0].buckets;
        return {buckets.begin(), buckets.end()};
    }

    Model model_;
    std::vector<PortFacts> ports_;
    std::unique_ptr<macsec::Aead> aead_;
    std::unique_ptr<PnStore> store_ = std::move(*PnStore::open("none"));
    ChannelSecys secys_;
    NeighbourMacs neighbours_;
    VrfCache cache_;
};

TEST_F(Compile, DestinationsLeadWhereTheyShould) {
    neighbours_[{AttachmentId(3), {}}][v4("10.1.0.7")] = MacAddr{{2, 0, 0, 0, 0, 7}};
    const auto state = run();
    EXPECT_EQ(state->generation, 7u);
    const std::pair<const char*, Target> rows[] = {
        {"10.2.0.1", Target::channels},    {"10.4.0.1", Target::blackhole},
        {"10.3.0.1", Target::vpc},         {"10.1.0.1", Target::local},
        {"10.1.0.7", Target::vpc},         {"10.1.0.8", Target::connected},
        {"10.1.0.0", Target::broadcast},   {"10.1.0.255", Target::broadcast},
        {"169.254.2.1", Target::local},    {"169.254.2.2", Target::member},
        {"169.254.2.3", Target::none},     {"192.0.2.1", Target::none},
        {"fd00:1::1", Target::local},      {"fd00:1::9", Target::connected},
        {"2001:db8::1", Target::channels},
    };
    for (const auto& [addr, target] : rows)
        EXPECT_EQ(look_up(*state, addr), target) << addr;
    const auto& attachment = state->attachments[3];
    EXPECT_EQ(index_of(value_at(*state, v4("169.254.2.2"))), 2u) << "its channel's place";
    const auto* adjacencies = attachment.ingress.adjacencies;
    const auto& known = adjacencies[index_of(value_at(*state, v4("10.1.0.7")))];
    EXPECT_TRUE(known.hop.resolved);
    const auto& asked = adjacencies[index_of(value_at(*state, v4("10.3.0.1")))];
    EXPECT_FALSE(asked.hop.resolved);
    EXPECT_EQ(std::get<Ipv4Addr>(asked.next_hop), v4("10.1.0.9"));
    EXPECT_EQ((*state->ports[0].vlans)[0], 3);
    EXPECT_EQ((*state->ports[0].vlans)[1], AttachmentId::kNone);
    EXPECT_EQ((*state->channels[2].vlans)[1025], 3);
    const auto features = attachment.features();
    ASSERT_EQ(features.size(), 4u);
    EXPECT_FALSE(features[0].has_ipv4 || features[0].has_ipv6);
    EXPECT_TRUE(features[2].has_ipv4 && !features[2].has_ipv6);
    EXPECT_EQ(features[2].next_hop4, v4("169.254.2.2"));
}

TEST_F(Compile, OnlyUsableChannelsAreChosen) {
    EXPECT_EQ(used(*run()), (std::set<uint8_t>{0, 1, 2, 3}));
    model_.channel_admin[0] = AdminState::drain;
    ports_[2].link_up = false; // channel 1
    ASSERT_TRUE(secys_[2]->remove_tx_sa(0));
    EXPECT_EQ(used(*run()), (std::set<uint8_t>{3}));
    EXPECT_TRUE(run()->channels[0].accept) << "a draining channel still receives";
    EXPECT_EQ(run()->channels[2].tx[0].sa, nullptr) << "fail closed";
    model_.channel_admin[3] = AdminState::down;
    EXPECT_EQ(used(*run()), (std::set<uint8_t>{dataplane::kNoMember}));
    EXPECT_FALSE(run()->channels[3].accept);
}

TEST_F(Compile, FlowsAreSharedOutByCapacity) {
    const auto share = [this](uint8_t member) {
        const auto state = run();
        const auto& buckets = state->interconnects[0].buckets;
        return std::count(buckets.begin(), buckets.end(), member);
    };
    EXPECT_EQ(share(0), 256);
    model_.config.channels[0].capacity_mbps *= 5;
    EXPECT_EQ(share(0), 640);
    EXPECT_EQ(share(3), 128);
    model_.channel_admin[0] = AdminState::drain;
    EXPECT_NEAR(static_cast<double>(share(3)), 341, 1);
}

TEST_F(Compile, LimitsBecomeMeterRates) {
    model_.attachments[AttachmentId(3)].egress_limit = Limit{1'000'000, 5000, 3'000'000, 10};
    model_.attachments[AttachmentId(3)].ingress_limit = Limit{1'000'000, 5000, {}, {}};
    const auto state = run();
    const auto& [egress, ingress] = state->attachments[3];
    EXPECT_EQ(egress.rate.committed.tsc_per_byte_q20, ingress.rate.committed.tsc_per_byte_q20);
    EXPECT_EQ(egress.rate.excess_dscp, 10);
    EXPECT_TRUE(egress.rate.excess.limited());
    EXPECT_FALSE(ingress.rate.excess.limited());
}

TEST_F(Compile, TablesAreSharedUntilTheyChange) {
    const auto first = run();
    model_.channel_admin[0] = AdminState::down;
    const auto second = run();
    EXPECT_EQ(first->attachments[3].egress.fib4, second->attachments[3].egress.fib4);
    cache_.erase(AttachmentId(3));
    EXPECT_NE(run()->attachments[3].egress.fib4, second->attachments[3].egress.fib4);
}

TEST_F(Compile, LinksFollowTheModel) {
    auto links = make_links(model_, ports_, secys_);
    ASSERT_EQ(links.size(), 2u);
    EXPECT_EQ(links[0].id, (LinkId{AttachmentId(3), {}}));
    EXPECT_EQ(links[0].wanted, std::vector<IpAddr>{v4("10.1.0.9")});
    EXPECT_EQ(links[1].id, (LinkId{AttachmentId(3), ChannelId(2)}));
    EXPECT_EQ(links[1].vlan, 1025);
    EXPECT_EQ(links[1].wanted, std::vector<IpAddr>{v4("169.254.2.2")});
    ASSERT_TRUE(secys_[2]->remove_tx_sa(0));
    EXPECT_EQ(make_links(model_, ports_, secys_).size(), 1u) << "nothing can be sent there";
}

} // namespace
} // namespace isthmus::control
