// What the model refuses, row by row: a good attachment with one thing changed.

#include "control/validate.hpp"
#include "tests/packets.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace isthmus::control {
namespace {

using test::v4;
using test::v6;

const EdgeId kEdge(0), kOtherEdge(1);
const ChannelId kCh0(0), kCh1(1), kForeign(2);

LinkAddresses addresses(const char* ipv4, const char* ipv6) {
    LinkAddresses local;
    if (*ipv4 != 0)
        local.ipv4 = std::get<Ipv4Prefix>(parse_interface(ipv4).value());
    if (*ipv6 != 0)
        local.ipv6 = std::get<Ipv6Prefix>(parse_interface(ipv6).value());
    return local;
}
IpPrefix prefix(const char* text) {
    return parse_prefix(text).value();
}

// Ports 0 vpc, 1 and 2 channels, 3 a second VPC port; 4, 5 of another edge.
Model model() {
    Model m;
    Config& c = m.config;
    c.edges = {{"a", "a"}, {"b", "b"}};
    const auto port = [&](const char* name, EdgeId edge) {
        c.ports.push_back({name, edge, "generator", std::nullopt, 1500, true, 0});
    };
    for (const char* name : {"vpc", "p0", "p1", "vpc2"})
        port(name, kEdge);
    port("vpc3", kOtherEdge);
    port("p2", kOtherEdge);
    c.interconnects = {{"ic", kEdge, "b"}, {"ci", kOtherEdge, "a"}};
    const auto channel = [&](const char* name, EdgeId edge, std::size_t ic, std::size_t p) {
        ChannelConfig& made = c.channels.emplace_back();
        made.name = name;
        made.edge = edge;
        made.interconnect = InterconnectId(ic);
        made.port = PortId(p);
    };
    channel("ch0", kEdge, 0, 1);
    channel("ch1", kEdge, 0, 2);
    channel("ch0", kOtherEdge, 1, 5);
    m.channel_admin.assign(3, AdminState::up);
    m.port_enabled.assign(6, true);
    return m;
}

Feature feature(const char* ipv4, const char* peer4, uint16_t vlan) {
    Feature f;
    f.vlan = vlan;
    f.local = addresses(ipv4, "");
    f.peer_ipv4 = v4(peer4);
    return f;
}

Attachment good() {
    Attachment a;
    a.name = "acme";
    a.edge = kEdge;
    a.interconnect = InterconnectId(0);
    a.port = PortId(0);
    a.local = addresses("10.1.0.1/24", "fd00:1::1/64");
    a.features[kCh0] = feature("169.254.0.1/30", "169.254.0.2", 1025);
    a.features[kCh1] = feature("169.254.1.1/30", "169.254.1.2", 1025);
    a.routes[prefix("10.2.0.0/16")] = {Via::channels, {}};
    a.routes[prefix("10.3.0.0/16")] = {Via::vpc, v4("10.1.0.9")};
    a.routes[prefix("fd00:2::/32")] = {Via::blackhole, {}};
    return a;
}

struct ModelRow {
    const char* what;
    std::function<void(Attachment&)> change;
    const char* field;
    ErrorCode code = ErrorCode::invalid;
};

const ModelRow kRows[] = {
    {"no name", [](auto& a) { a.name = ""; }, "name"},
    {"blank in the name", [](auto& a) { a.name = "a b"; }, "name"},
    {"long name", [](auto& a) { a.name = std::string(64, 'x'); }, "name"},
    {"name taken", [](auto& a) { a.name = "other"; }, "name", ErrorCode::conflict},
    {"interconnect of another edge", [](auto& a) { a.interconnect = InterconnectId(1); },
     "interconnect"},
    {"port of another edge", [](auto& a) { a.port = PortId(4); }, "port"},
    {"a channel's port", [](auto& a) { a.port = PortId(1); }, "port"},
    {"VLAN 4095", [](auto& a) { a.vlan = 4095; }, "vlan"},
    {"VLAN taken", [](auto& a) { a.vlan = 7; }, "vlan", ErrorCode::conflict},
    {"MTU over the port's", [](auto& a) { a.mtu = 1501; }, "mtu"},
    {"MTU too small for IPv6", [](auto& a) { a.mtu = 1279; }, "mtu"},
    {"MSS clamp too low",
     [](auto& a) {
         a.mss_clamp = {MssClamp::Mode::value, 535};
     },
     "mss_clamp"},
    {"MSS clamp too high",
     [](auto& a) {
         a.mss_clamp = {MssClamp::Mode::value, 9061};
     },
     "mss_clamp"},
    {"network address", [](auto& a) { a.local = addresses("10.1.0.0/24", ""); }, "addresses"},
    {"broadcast address", [](auto& a) { a.local = addresses("10.1.0.255/24", ""); }, "addresses"},
    {"multicast address", [](auto& a) { a.local = addresses("224.0.0.1/24", ""); }, "addresses"},
    {"loopback address", [](auto& a) { a.local = addresses("127.0.0.1/8", ""); }, "addresses"},
    {"link-local IPv6", [](auto& a) { a.local = addresses("", "fe80::1/64"); }, "addresses"},
    {"whole IPv4 space", [](auto& a) { a.local = addresses("10.1.0.1/0", ""); }, "addresses"},
    {"limit too low",
     [](auto& a) {
         a.egress_limit = Limit{63'999, 10'000, {}, {}};
     },
     "limits.egress.rate_bps"},
    {"limit too high",
     [](auto& a) {
         a.ingress_limit = Limit{400'000'000'001, 10'000, {}, {}};
     },
     "limits.ingress.rate_bps"},
    {"burst too short",
     [](auto& a) {
         a.egress_limit = Limit{1'000'000, 99, {}, {}};
     },
     "limits.egress.burst_us"},
    {"burst too long",
     [](auto& a) {
         a.egress_limit = Limit{1'000'000, 1'000'001, {}, {}};
     },
     "limits.egress.burst_us"},
    {"peak without a DSCP",
     [](auto& a) {
         a.egress_limit = Limit{1'000'000, 5000, 2'000'000, {}};
     },
     "limits.egress.excess_dscp"},
    {"DSCP without a peak",
     [](auto& a) {
         a.egress_limit = Limit{1'000'000, 5000, {}, 8};
     },
     "limits.egress.excess_dscp"},
    {"peak too near the rate",
     [](auto& a) {
         a.ingress_limit = Limit{1'000'000, 5000, 1'063'999, 8};
     },
     "limits.ingress.peak_bps"},
    {"peak too high",
     [](auto& a) {
         a.ingress_limit = Limit{1'000'000, 5000, 400'000'000'001, 8};
     },
     "limits.ingress.peak_bps"},
    {"DSCP of seven bits",
     [](auto& a) {
         a.ingress_limit = Limit{1'000'000, 5000, 2'000'000, 64};
     },
     "limits.ingress.excess_dscp"},
    {"channel of another edge",
     [](auto& a) { a.features[kForeign] = feature("169.254.2.1/30", "169.254.2.2", 1025); },
     "features.ch0"},
    {"reserved feature VLAN", [](auto& a) { a.features[kCh0].vlan = 1024; }, "features.ch0.vlan"},
    {"feature VLAN taken", [](auto& a) { a.features[kCh0].vlan = 2000; }, "features.ch0.vlan",
     ErrorCode::conflict},
    {"feature without address",
     [](auto& a) {
         a.features[kCh0].local = {};
         a.features[kCh0].peer_ipv4.reset();
     },
     "features.ch0.addresses"},
    {"no peer", [](auto& a) { a.features[kCh0].peer_ipv4.reset(); }, "features.ch0.peer_ipv4"},
    {"peer beyond the subnet", [](auto& a) { a.features[kCh0].peer_ipv4 = v4("169.254.9.9"); },
     "features.ch0.peer_ipv4"},
    {"peer is the edge", [](auto& a) { a.features[kCh0].peer_ipv4 = v4("169.254.0.1"); },
     "features.ch0.peer_ipv4"},
    {"peer of a family without address",
     [](auto& a) { a.features[kCh0].peer_ipv6 = v6("fd00::2"); }, "features.ch0.peer_ipv6"},
    {"feature MTU over the port's", [](auto& a) { a.features[kCh0].mtu = 1501; },
     "features.ch0.mtu"},
    {"two links in one subnet",
     [](auto& a) { a.features[kCh1] = feature("169.254.0.3/29", "169.254.0.4", 1025); },
     "addresses", ErrorCode::conflict},
    {"route to the connected subnet",
     [](auto& a) {
         a.routes[prefix("10.1.0.0/24")] = {Via::channels, {}};
     },
     "prefix", ErrorCode::conflict},
    {"next hop beyond the subnet",
     [](auto& a) {
         a.routes[prefix("10.9.0.0/16")] = {Via::vpc, v4("10.2.0.1")};
     },
     "next_hop"},
    {"next hop is the edge",
     [](auto& a) {
         a.routes[prefix("10.9.0.0/16")] = {Via::vpc, v4("10.1.0.1")};
     },
     "next_hop"},
    {"next hop of the other family",
     [](auto& a) {
         a.routes[prefix("10.9.0.0/16")] = {Via::vpc, v6("fd00:1::9")};
     },
     "next_hop"},
    {"no next hop",
     [](auto& a) {
         a.routes[prefix("10.9.0.0/16")] = {Via::vpc, {}};
     },
     "next_hop"},
    {"next hop for channels",
     [](auto& a) {
         a.routes[prefix("10.9.0.0/16")] = {Via::channels, v4("10.1.0.9")};
     },
     "next_hop"},
    {"static neighbour beyond the subnet",
     [](auto& a) {
         a.static_neighbours[{ChannelId{}, v4("10.2.0.1")}] = {{2, 0, 0, 0, 0, 1}};
     },
     "address"},
    {"static neighbour with a group MAC",
     [](auto& a) {
         a.static_neighbours[{ChannelId{}, v4("10.1.0.9")}] = kBroadcastMac;
     },
     "mac"},
    {"static neighbour on a channel without feature",
     [](auto& a) {
         a.features.erase(kCh1);
         a.static_neighbours[{kCh1, v4("169.254.1.2")}] = {{2, 0, 0, 0, 0, 1}};
     },
     "channel"},
};

TEST(Validate, RefusesOneBadThing) {
    Model m = model();
    Attachment other = good();
    other.name = "other";
    other.vlan = 7;
    other.features.clear();
    other.features[kCh0] = feature("169.254.0.1/30", "169.254.0.2", 2000);
    ASSERT_TRUE(check_attachment(m, other, std::nullopt));
    m.add(AttachmentId(0), other);
    for (const ModelRow& row : kRows) {
        SCOPED_TRACE(row.what);
        Attachment spec = good();
        row.change(spec);
        const auto result = check_attachment(m, spec, std::nullopt);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().field, row.field) << result.error().message;
        EXPECT_EQ(result.error().code, row.code);
        EXPECT_FALSE(result.error().message.empty());
    }
}

TEST(Validate, AcceptsWhatIsLegal) {
    Model m = model();
    EXPECT_TRUE(check_attachment(m, good(), std::nullopt));
    Attachment spec = good();
    m.add(AttachmentId(3), spec);
    EXPECT_FALSE(check_attachment(m, spec, std::nullopt)) << "a second one";
    EXPECT_TRUE(check_attachment(m, spec, AttachmentId(3))) << "the same one, replaced";
    // Another customer may have the same addresses on another port or VLAN.
    spec.name = "second";
    spec.port = PortId(3);
    for (auto& [channel, f] : spec.features)
        f.vlan = 1026;
    EXPECT_TRUE(check_attachment(m, spec, std::nullopt));
    spec.local = addresses("10.1.0.0/31", ""); // RFC 3021
    spec.routes.clear();
    EXPECT_TRUE(check_attachment(m, spec, std::nullopt));
}

} // namespace
} // namespace isthmus::control
