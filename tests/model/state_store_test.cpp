// Rows of the state file: what comes back, what a failed transaction leaves, and sealed secrets.

#include "control/state_rows.hpp"
#include "control/state_store.hpp"
#include "tests/model/scratch.hpp"
#include "tests/must.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace isthmus::control {
namespace {

using test::DiskFull;
using test::must;
using test::Scratch;

const AttachmentId kSlot(std::size_t{5});
const ChannelId kFirstChannel(std::size_t{0}), kSecondChannel(std::size_t{1});
const macsec::Sci kPeer{0x0200000000990001};

Config config(const std::string& state) {
    return must(parse_config("state = \"" + state + R"("
max_attachments = 8
[[edge]]
name = "aws"
[[port]]
name = "vpc"
device = "net_null0"
[[port]]
name = "p1"
device = "net_null1"
[[port]]
name = "p2"
device = "net_null2"
[[interconnect]]
name = "gcp"
peer = "gcp"
[[channel]]
name = "ch1"
port = "p1"
[[channel]]
name = "ch2"
port = "p2"
cipher_suite = "GCM-AES-128"
)",
                             "test.toml"));
}

IpPrefix saved_prefix(const char* text) {
    return must(parse_prefix(text));
}

Attachment full_attachment() {
    Attachment it;
    it.name = "acme";
    it.edge = EdgeId(std::size_t{0});
    it.interconnect = InterconnectId(std::size_t{0});
    it.port = PortId(std::size_t{0});
    it.vlan = 7;
    it.mtu = 1400;
    it.mss_clamp = {MssClamp::Mode::value, 1200};
    it.local.ipv4 = std::get<Ipv4Prefix>(must(parse_interface("10.1.0.1/24")));
    it.local.ipv6 = std::get<Ipv6Prefix>(must(parse_interface("fd00:1::1/64")));
    it.egress_limit = Limit{1'000'000, 5000, 3'000'000, 0};
    it.ingress_limit = Limit{400'000'000'000, 1000, {}, {}};
    Feature feature;
    feature.vlan = 1030;
    feature.local.ipv4 = std::get<Ipv4Prefix>(must(parse_interface("169.254.0.1/30")));
    feature.peer_ipv4 = must(parse_ipv4("169.254.0.2"));
    feature.mtu = 1300;
    it.features[kSecondChannel] = feature;
    it.routes[saved_prefix("0.0.0.0/0")] = Route{Via::blackhole, {}};
    it.routes[saved_prefix("10.2.0.0/16")] = Route{Via::channels, {}};
    it.routes[saved_prefix("10.3.0.1/32")] = Route{Via::vpc, must(parse_ip("10.1.0.9"))};
    it.routes[saved_prefix("2001:db8::/32")] = Route{Via::vpc, must(parse_ip("fd00:1::9"))};
    it.routes[saved_prefix("::/0")] = Route{Via::channels, {}};
    it.static_neighbours[{ChannelId{}, must(parse_ip("10.1.0.9"))}] = MacAddr{{2, 0, 0, 0, 0, 9}};
    it.static_neighbours[{kSecondChannel, must(parse_ip("169.254.0.2"))}] =
        MacAddr{{2, 0, 0, 0, 0, 8}};
    return it;
}

void expect_same(const Attachment& a, const Attachment& b) {
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(std::tie(a.edge, a.interconnect, a.port, a.vlan, a.mtu),
              std::tie(b.edge, b.interconnect, b.port, b.vlan, b.mtu));
    EXPECT_EQ(a.mss_clamp, b.mss_clamp);
    EXPECT_EQ(a.local, b.local);
    EXPECT_EQ(a.egress_limit, b.egress_limit);
    EXPECT_EQ(a.ingress_limit, b.ingress_limit);
    EXPECT_EQ(a.features, b.features);
    EXPECT_EQ(a.static_neighbours, b.static_neighbours);
    EXPECT_EQ(a.routes.in_order(), b.routes.in_order());
}

TEST(StateRows, OctetsOfRoutesComeBack) {
    for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32", "::/0",
                             "2001:db8::/32", "ff00::1/128"}) {
        const IpPrefix it = saved_prefix(text);
        EXPECT_EQ(prefix_from(RouteOctets(it).octets()), it) << text;
    }
    const std::vector<std::vector<uint8_t>> wrong = {
        {}, {10, 0, 0, 0}, {10, 0, 0, 0, 33}, {10, 0, 0, 1, 8}, std::vector<uint8_t>(17, 0xff)};
    for (const auto& octets : wrong)
        EXPECT_FALSE(prefix_from(octets)) << octets.size();
    EXPECT_EQ(from_hex64("00000000000003e8"), 1000u);
    for (const char* text : {"", "3e8", "00000000000003eg", "-0000000000003e8"})
        EXPECT_FALSE(from_hex64(text)) << text;
}

TEST(StateStore, AnAttachmentComesBack) {
    const Scratch scratch;
    const Config good = config(scratch.path("state.db"));
    Attachment it = full_attachment();
    {
        auto store = must(StateStore::open(good));
        must(store->put_attachment(good, kSlot, it));
        expect_same(must(store->load(good)).model.attachments.at(kSlot), it);
        it.features.clear();
        it.static_neighbours.erase(std::pair(kSecondChannel, must(parse_ip("169.254.0.2"))));
        it.ingress_limit.reset();
        it.mss_clamp = {MssClamp::Mode::automatic, 0};
        must(store->put_parameters(good, kSlot, it));
        const RouteChange change{{{saved_prefix("10.3.0.1/32"), Route{Via::channels, {}}},
                                  {saved_prefix("10.4.0.0/16"), Route{Via::blackhole, {}}}},
                                 {saved_prefix("::/0"), saved_prefix("10.4.0.0/16")}};
        must(store->change_routes(kSlot, change));
        it.routes.erase(saved_prefix("::/0"));
        it.routes[saved_prefix("10.3.0.1/32")] = Route{Via::channels, {}};
        it.routes[saved_prefix("10.4.0.0/16")] = Route{Via::blackhole, {}};
        must(store->put_port(good.ports[1], false));
        must(store->put_channel(good, kFirstChannel, AdminState::drain));
    }
    auto store = must(StateStore::open(good));
    const SavedState saved = must(store->load(good));
    EXPECT_TRUE(saved.unusable.empty());
    expect_same(saved.model.attachments.at(kSlot), it);
    EXPECT_EQ(saved.model.index.named(it.edge, "acme"), kSlot);
    EXPECT_EQ(saved.model.port_enabled, (std::vector<bool>{true, false, true}));
    EXPECT_EQ(saved.model.channel_admin[0], AdminState::drain);
    must(store->erase_attachment(kSlot));
    EXPECT_TRUE(must(store->load(good)).model.attachments.empty());
}

TEST(StateStore, AFullDiskLeavesNothingHalf) {
    const Scratch scratch;
    const Config good = config(scratch.path("state.db"));
    auto store = must(StateStore::open(good));
    Attachment it = full_attachment();
    must(store->put_attachment(good, kSlot, it));
    EXPECT_EQ(store->database().problem(), "");
    {
        const DiskFull full;
        Attachment other = it;
        other.vlan = 8;
        other.routes.clear();
        const auto refused = store->put_attachment(good, kSlot, other);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::no_storage);
        EXPECT_FALSE(store->erase_attachment(kSlot));
        EXPECT_NE(store->database().problem(), "");
        EXPECT_FALSE(store->database().probe());
        expect_same(must(store->load(good)).model.attachments.at(kSlot), it);
    }
    must(store->database().probe());
    EXPECT_EQ(store->database().problem(), "");
    expect_same(must(store->load(good)).model.attachments.at(kSlot), it);
}

TEST(StateStore, AnErrorInsideTakesAllBack) {
    auto store = must(StateStore::open("none"));
    Database& database = store->database();
    const auto add = [&](const char* name) {
        return database.transact(
            [&] { return database.run("INSERT INTO ports VALUES (?, 1)", std::string(name)); });
    };
    const auto count = [&] {
        Query query(database, "SELECT count(*) FROM ports");
        return query.next() ? query.integer(0) : -1;
    };
    EXPECT_FALSE(database.transact([&]() -> Result<void> {
        must(add("a"));
        return invalid_value("field", "value", "another");
    }));
    EXPECT_EQ(count(), 0);
    EXPECT_THROW((void)database.transact([&]() -> Result<void> {
        must(add("a"));
        throw std::bad_alloc();
    }),
                 std::bad_alloc);
    EXPECT_EQ(count(), 0);
    must(add("a"));
    EXPECT_FALSE(add("a")) << "twice";
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(database.problem(), "") << "no matter of the disk";
    EXPECT_FALSE(store->keeps());
}

class Sealed : public testing::Test {
  protected:
    const std::vector<uint8_t> secret_ = std::vector<uint8_t>(32, 0x5e);
};

TEST_F(Sealed, OpensForItsOwnerOnly) {
    const SecretBox box(std::array<uint8_t, 32>{1}), other(std::array<uint8_t, 32>{2});
    const auto sealed = box.seal(secret_, "owner");
    EXPECT_NE(sealed, box.seal(secret_, "owner")) << "a nonce of its own";
    const auto opened = box.open(sealed, "owner");
    ASSERT_TRUE(opened);
    EXPECT_TRUE(std::equal(opened->begin(), opened->end(), secret_.begin(), secret_.end()));
    EXPECT_FALSE(box.open(sealed, "another"));
    EXPECT_FALSE(other.open(sealed, "owner"));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] ^= 1;
        EXPECT_FALSE(box.open(changed, "owner")) << i;
    }
    for (std::size_t size = 0; size < sealed.size(); ++size)
        EXPECT_FALSE(box.open(std::span(sealed).first(size), "owner")) << size;
}

TEST_F(Sealed, SasComeBackWithTheirKey) {
    const Scratch scratch;
    Config good = config(scratch.path("state.db"));
    good.secrets_key_path = scratch.path("key");
    std::ofstream(good.secrets_key_path) << std::string(64, 'a');
    ASSERT_FALSE(StateStore::open(good)) << "open to others";
    std::filesystem::permissions(good.secrets_key_path, std::filesystem::perms::owner_read);
    const macsec::XpnParameters xpn{{1, 2, 3}, 9};
    {
        auto store = must(StateStore::open(good));
        must(store->database().transact([&]() -> Result<void> {
            must(store->add_tx_sa(good, kFirstChannel, {2, secret_, {}, xpn}));
            must(store->add_tx_sa(good, kFirstChannel, {3, secret_, {}, xpn}));
            must(store->add_rx_sc(good, kFirstChannel, kPeer));
            return store->add_rx_sa(good, kFirstChannel, kPeer, {1, secret_, 77, xpn, false});
        }));
        must(store->note_received(good, {{kFirstChannel, kPeer, 1, 0xfedcba9876543210}}));
    }
    auto store = must(StateStore::open(good));
    const SavedState saved = must(store->load(good));
    ASSERT_EQ(saved.tx_sas.size(), 2u);
    EXPECT_TRUE(saved.tx_sas[0].active) << "the first one encodes";
    EXPECT_FALSE(saved.tx_sas[1].active);
    ASSERT_EQ(saved.rx_sas.size(), 1u);
    const SavedSa& rx = saved.rx_sas[0];
    EXPECT_EQ(std::tuple(rx.channel, rx.sci, rx.an, rx.active, rx.next_pn),
              std::tuple(kFirstChannel, kPeer, 1, false, 0xfedcba9876543210));
    EXPECT_EQ(rx.xpn, xpn);
    EXPECT_TRUE(std::equal(rx.sak.begin(), rx.sak.end(), secret_.begin(), secret_.end()));
    EXPECT_EQ(must(store->forget_sas()), 3u);
    EXPECT_TRUE(must(store->load(good)).tx_sas.empty());
}

} // namespace
} // namespace isthmus::control
