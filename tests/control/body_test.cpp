#include "control/body.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace isthmus::control {
namespace {

// Two edges; the first has one interconnect with the channels ch1 and ch2, the second has two.
Config make_config() {
    const auto config = parse_config(R"(
edge = [{name = "aws"}, {name = "gcp"}]
interconnect = [{name = "i", edge = "aws"}, {name = "j", edge = "gcp"}, {name = "k", edge = "gcp"}]
port = [{name = "vpc", edge = "aws", device = "generator"}, {name = "p1", edge = "aws", device = "d1"},
        {name = "p2", edge = "aws", device = "d2"}, {name = "other", edge = "gcp", device = "generator"}]
channel = [{name = "ch1", edge = "aws", port = "p1"}, {name = "ch2", edge = "aws", port = "p2"}]
)",
                                     "test");
    EXPECT_TRUE(config) << config.error().message;
    return *config;
}

const Config& config() {
    static const Config kConfig = make_config();
    return kConfig;
}

// The reader's error for a text, or "accepted".
template <class Reader> std::string message_of(const Reader& reader, const std::string& text) {
    const auto body = parse_json(text);
    if (!body)
        return "not JSON: " + text;
    const auto result = reader(*body);
    return result ? "accepted" : result.error().message;
}

struct BodyRow {
    const char* text;
    const char* message;
};

template <class Reader, std::size_t N> void check(const Reader& reader, const BodyRow (&rows)[N]) {
    for (const auto& row : rows)
        EXPECT_EQ(message_of(reader, row.text), row.message) << row.text;
}

const auto kAttachment = [](const JsonValue& body) {
    return read_attachment(body, config(), EdgeId{0});
};

constexpr const char* kWhole =
    R"({"name":"c","interconnect":"i","port":"vpc","vlan":7,"mtu":1400,"mss_clamp":1200,
"addresses":["10.1.0.1/24","fd00:1::1/64"],
"limits":{"egress":{"rate_bps":64000},"ingress":null},
"features":{"ch2":{"vlan":1025,"addresses":["169.254.1.1/30"],"peer_ipv4":"169.254.1.2","mtu":1300}},
"routes":[{"prefix":"10.2.0.0/16","via":"channels"},{"prefix":"::/0","via":"blackhole"},
{"prefix":"10.9.0.0/16","via":"vpc","next_hop":"10.1.0.9"}]})";

TEST(Body, WholeAttachment) {
    const auto body = parse_json(kWhole);
    ASSERT_TRUE(body) << body.error().message;
    const auto spec = kAttachment(*body);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->name, "c");
    EXPECT_EQ(spec->edge, EdgeId{0});
    EXPECT_EQ(spec->interconnect, InterconnectId{0});
    EXPECT_EQ(spec->port, PortId{0});
    EXPECT_EQ(spec->vlan, 7);
    EXPECT_EQ(spec->mtu, 1400);
    EXPECT_EQ(spec->mss_clamp, (MssClamp{MssClamp::Mode::value, 1200}));
    EXPECT_EQ(to_string(*spec->local.ipv4), "10.1.0.1/24");
    EXPECT_EQ(to_string(*spec->local.ipv6), "fd00:1::1/64");
    EXPECT_EQ(spec->egress_limit, (Limit{64000, 5000, {}, {}}));
    EXPECT_FALSE(spec->ingress_limit);
    const Feature& feature = spec->features.at(ChannelId{1});
    EXPECT_EQ(feature.vlan, 1025);
    EXPECT_EQ(feature.mtu, 1300);
    EXPECT_EQ(to_string(*feature.peer_ipv4), "169.254.1.2");
    EXPECT_FALSE(feature.peer_ipv6);
    ASSERT_EQ(spec->routes.size(), 3u);
    EXPECT_EQ(to_string(*spec->routes.at(*parse_prefix("10.9.0.0/16")).next_hop), "10.1.0.9");
}

TEST(Body, AttachmentErrorsCarryThePath) {
    const BodyRow rows[] = {
        {"[]", "body: a list is not allowed, expected an object with name, interconnect, port, "
               "vlan, mtu, mss_clamp, addresses, limits, features, routes"},
        {R"({"nam":1})", "nam: unknown field, expected one of name, interconnect, port, vlan, mtu, "
                         "mss_clamp, addresses, limits, features, routes"},
        {R"({"name":"c","addresses":[]})", "port: the field is missing"},
        {R"({"name":"c","port":"vpc"})", "addresses: the field is missing"},
        {R"({"port":"vpc","addresses":[]})", "name: the field is missing"},
        {R"({"name":1,"port":"vpc","addresses":[]})", "name: 1 is not allowed, expected a name"},
        {R"({"name":"c","port":"other","addresses":[]})",
         "port: other is not allowed, expected the name of a port of this edge"},
        {R"({"name":"c","port":"vpc","interconnect":"j","addresses":[]})",
         "interconnect: j is not allowed, expected the name of an interconnect of this edge"},
        {R"({"name":"c","port":"vpc","vlan":4095,"addresses":[]})",
         "vlan: 4095 is not allowed, expected 0..4094"},
        {R"({"name":"c","port":"vpc","vlan":-1,"addresses":[]})",
         "vlan: -1 is not allowed, expected 0..4094"},
        {R"({"name":"c","port":"vpc","vlan":1.0,"addresses":[]})",
         "vlan: 1.0 is not allowed, expected 0..4094"},
        {R"({"name":"c","port":"vpc","vlan":"1","addresses":[]})",
         "vlan: 1 is not allowed, expected 0..4094"},
        {R"({"name":"c","port":"vpc","mtu":9101,"addresses":[]})",
         "mtu: 9101 is not allowed, expected 576..9100"},
        {R"({"name":"c","port":"vpc","mss_clamp":535,"addresses":[]})",
         "mss_clamp: 535 is not allowed, expected 'off', 'auto' or 536..9060"},
        {R"({"name":"c","port":"vpc","mss_clamp":9061,"addresses":[]})",
         "mss_clamp: 9061 is not allowed, expected 'off', 'auto' or 536..9060"},
        {R"({"name":"c","port":"vpc","mss_clamp":"1400","addresses":[]})",
         "mss_clamp: 1400 is not allowed, expected 'off', 'auto' or 536..9060"},
        {R"({"name":"c","port":"vpc","mss_clamp":null,"addresses":[]})",
         "mss_clamp: null is not allowed, expected 'off', 'auto' or 536..9060"},
        {R"({"name":"c","port":"vpc","addresses":["10.0.0.1"]})",
         "addresses[0]: 10.0.0.1 is not allowed, expected an address with its prefix length, like "
         "10.1.0.1/24"},
        {R"({"name":"c","port":"vpc","addresses":["10.0.0.1/24","10.0.1.1/24"]})",
         "addresses[1]: 10.0.1.1/24 is not allowed, expected one address of each family"},
        {R"({"name":"c","port":"vpc","addresses":["10.0.0.1/24",1]})",
         "addresses[1]: 1 is not allowed, expected an address with its prefix length"},
        {R"({"name":"c","port":"vpc","addresses":[],"limits":{"egress":{"rate_bps":63999}}})",
         "limits.egress.rate_bps: 63999 is not allowed, expected 64000..400000000000"},
        {R"({"name":"c","port":"vpc","addresses":[],"limits":{"up":null}})",
         "limits.up: unknown field, expected one of egress, ingress"},
        {R"({"name":"c","port":"vpc","addresses":[],"features":{"ch9":{}}})",
         "features.ch9: ch9 is not allowed, expected the name of a channel of this edge"},
        {R"({"name":"c","port":"vpc","addresses":[],"features":{"ch1":{"addresses":[]}}})",
         "features.ch1.vlan: the field is missing"},
        {R"({"name":"c","port":"vpc","addresses":[],
             "features":{"ch1":{"vlan":1024,"addresses":[]}}})",
         "features.ch1.vlan: 1024 is not allowed, expected 1025..4094"},
        {R"({"name":"c","port":"vpc","addresses":[],
             "features":{"ch1":{"vlan":1025,"addresses":[],"peer_ipv4":"::1"}}})",
         "features.ch1.peer_ipv4: ::1 is not allowed, expected an IPv4 address"},
        {R"({"name":"c","port":"vpc","addresses":[],"routes":[{"prefix":"10.0.0.0/8"}]})",
         "routes[0].via: the field is missing"},
        {R"({"name":"c","port":"vpc","addresses":[],"routes":[
             {"prefix":"::/0","via":"channels"},{"prefix":"10.0.0.1/8","via":"channels"}]})",
         "routes[1].prefix: 10.0.0.1/8 is not allowed, expected no bits set beyond the prefix "
         "length"},
        {R"({"name":"c","port":"vpc","addresses":[],"routes":[
             {"prefix":"::/0","via":"channels"},{"prefix":"0::0/0","via":"blackhole"}]})",
         "routes[1].prefix: ::/0 is not allowed, expected each prefix once"},
    };
    check(kAttachment, rows);
}

TEST(Body, AttachmentOfEdgeWithTwoInterconnects) {
    const auto reader = [](const JsonValue& body) {
        return read_attachment(body, config(), EdgeId{1});
    };
    const BodyRow rows[] = {
        {R"({"name":"c","port":"other","addresses":[]})",
         "interconnect: the field is missing, the edge has not exactly one"},
        {R"({"name":"c","port":"other","interconnect":"k","addresses":[]})", "accepted"},
    };
    check(reader, rows);
}

TEST(Body, AttachmentUnderAName) {
    const auto reader = [](const JsonValue& body) {
        return read_attachment(body, config(), EdgeId{0}, "c");
    };
    const BodyRow rows[] = {
        {R"({"port":"vpc","addresses":[]})", "accepted"},
        {R"({"name":"c","port":"vpc","addresses":[]})", "accepted"},
        {R"({"name":"d","port":"vpc","addresses":[]})",
         "name: d is not allowed, expected c, the name in the path"},
    };
    check(reader, rows);
}

TEST(Body, Routes) {
    const BodyRow rows[] = {
        {R"({"prefix":"10.0.0.0/8","via":"channels"})", "accepted"},
        {R"({"prefix":"10.0.0.0/8","via":"vpx"})",
         "via: vpx is not allowed, expected 'channels', 'vpc' or 'blackhole'"},
        {R"({"prefix":"10.0.0.0/8","via":"vpc"})", "next_hop: the field is missing, via is 'vpc'"},
        {R"({"next_hop":"10.1.0.1","prefix":"10.0.0.0/8","via":"vpc"})", "accepted"},
        {R"({"prefix":"10.0.0.0/8","via":"blackhole","next_hop":"10.1.0.1"})",
         "next_hop: 10.1.0.1 is not allowed, expected no next_hop unless via is 'vpc'"},
        {R"({"prefix":"10.0.0.0/33","via":"channels"})",
         "prefix: 10.0.0.0/33 is not allowed, expected a prefix length of 0..32"},
    };
    check(read_route, rows);
    const BodyRow without_prefix[] = {
        {R"({"via":"channels"})", "accepted"},
        {R"({"prefix":"10.0.0.0/8","via":"channels"})",
         "prefix: unknown field, expected one of via, next_hop"},
    };
    check(read_route_via, without_prefix);
    const BodyRow changes[] = {
        {"{}", "accepted"},
        {R"({"add":[{"prefix":"::/0","via":"channels"}],"remove":["10.0.0.0/8"]})", "accepted"},
        {R"({"add":[{"prefix":"::/0","via":"channels"}],"remove":["::/0"]})",
         "remove[0]: ::/0 is not allowed, expected a prefix that is not added as well"},
        {R"({"remove":["::/0","::/0"]})", "remove[1]: ::/0 is not allowed, expected each prefix "
                                          "once"},
        {R"({"remove":["x"]})",
         "remove[0]: x is not allowed, expected a prefix like 10.0.0.0/8 or fd00::/16"},
        {R"({"add":{}})", "add: an object is not allowed, expected a list"},
    };
    check(read_route_change, changes);
}

TEST(Body, LimitsKeepNullAndAbsentApart) {
    const auto limits = read_limits(*parse_json(R"({"egress":null})"));
    ASSERT_TRUE(limits);
    ASSERT_TRUE(limits->egress.has_value());
    EXPECT_FALSE(limits->egress->has_value());
    EXPECT_FALSE(limits->ingress.has_value());
    const BodyRow rows[] = {
        {R"({"egress":{"burst_us":100}})", "egress.rate_bps: the field is missing"},
        {R"({"egress":{"rate_bps":400000000001}})",
         "egress.rate_bps: 400000000001 is not allowed, expected 64000..400000000000"},
        {R"({"ingress":{"rate_bps":64000,"burst_us":99}})",
         "ingress.burst_us: 99 is not allowed, expected 100..1000000"},
        {R"({"ingress":5})",
         "ingress: 5 is not allowed, expected an object with rate_bps, burst_us, peak_bps, "
         "excess_dscp"},
    };
    check(read_limits, rows);
}

const std::string kSak(64, 'a');

TEST(Body, TransmitSa) {
    const auto sa = read_tx_sa(
        *parse_json(R"({"an":3,"sak":")" + kSak.substr(0, 60) + R"(0fF0","next_pn":4294967295})"),
        macsec::CipherSuite::gcm_aes_256);
    ASSERT_TRUE(sa) << sa.error().message;
    EXPECT_EQ(sa->an, 3);
    EXPECT_EQ(sa->pn, 4294967295u);
    ASSERT_EQ(sa->sak.size(), 32u);
    EXPECT_EQ(sa->sak[0], 0xaa);
    EXPECT_EQ(sa->sak[30], 0x0f);
    EXPECT_EQ(sa->sak[31], 0xf0);
}

// Whatever is wrong with it, the SAK is in no error.
TEST(Body, SakIsNeverShown) {
    const auto reader = [](const JsonValue& body) {
        return read_tx_sa(body, macsec::CipherSuite::gcm_aes_128);
    };
    const BodyRow rows[] = {
        {R"({"an":0,"sak":"00112233445566778899aabbccddeeff00"})",
         "sak: a length of 34 is not allowed, expected 32 hexadecimal digits for GCM-AES-128"},
        {R"({"an":0,"sak":"00112233445566778899aabbccddeefg"})",
         "sak: the text given is not allowed, expected 32 hexadecimal digits for GCM-AES-128"},
        {R"({"an":0,"sak":12345})",
         "sak: this type is not allowed, expected 32 hexadecimal digits for GCM-AES-128"},
        {R"({"an":4,"sak":"00112233445566778899aabbccddeeff"})",
         "an: 4 is not allowed, expected 0..3"},
        {R"({"an":0,"sak":"00112233445566778899aabbccddeeff","next_pn":0})",
         "next_pn: 0 is not allowed, expected 1..4294967295"},
        {R"({"an":0,"sak":"00112233445566778899aabbccddeeff","lowest_pn":1})",
         "lowest_pn: unknown field, expected one of an, sak, next_pn, salt, ssci"},
        {R"({"an":0})", "sak: the field is missing"},
    };
    check(reader, rows);
}

TEST(Body, ChannelsAndKeys) {
    const BodyRow channel[] = {
        {R"({"admin_state":"drain"})", "accepted"},
        {R"({"admin_state":"off"})",
         "admin_state: off is not allowed, expected 'up', 'drain' or 'down'"},
        {"{}", "admin_state: the field is missing"},
    };
    check(read_channel_admin, channel);
    const BodyRow port[] = {
        {R"({"admin_state":"down"})", "accepted"},
        {R"({"admin_state":"drain"})", "admin_state: drain is not allowed, expected 'up' or "
                                       "'down'"},
    };
    check(read_port_admin, port);
    const BodyRow encoding[] = {
        {R"({"encoding_an":3})", "accepted"},
        {R"({"encoding_an":4})", "encoding_an: 4 is not allowed, expected 0..3"}};
    check(read_encoding_an, encoding);
    const BodyRow sc[] = {
        {R"({"sci":"0200000000010001"})", "accepted"},
        {R"({"sci":"020000000001001"})",
         "sci: 020000000001001 is not allowed, expected 16 hexadecimal digits"},
        {R"({"sci":"020000000001000g"})",
         "sci: 020000000001000g is not allowed, expected 16 hexadecimal digits"},
    };
    check(read_rx_sc, sc);
    EXPECT_EQ(parse_sci("020000000001000A")->value, 0x020000000001000au);
    EXPECT_EQ(*parse_an("3"), 3);
    for (const char* bad : {"", "4", "00", "-1", "a"})
        EXPECT_FALSE(parse_an(bad)) << bad;
}

TEST(Body, Neighbours) {
    const auto reader = [](const JsonValue& body) {
        return read_neighbour(body, config(), EdgeId{0});
    };
    const BodyRow rows[] = {
        {R"({"mac":"02:00:00:00:00:01"})", "accepted"},
        {R"({"mac":"02:00:00:00:00:01","channel":"ch2"})", "accepted"},
        {R"({"mac":"02:00:00:00:00:01","channel":"ch3"})",
         "channel: ch3 is not allowed, expected the name of a channel of this edge"},
        {R"({"mac":"02:00"})",
         "mac: 02:00 is not allowed, expected six octets like 02:00:00:00:00:01"},
    };
    check(reader, rows);
    EXPECT_FALSE(reader(*parse_json(rows[0].text))->channel.valid());
    EXPECT_EQ(reader(*parse_json(rows[1].text))->channel, ChannelId{1});
}

TEST(Body, Traffic) {
    const auto spec = read_traffic(*parse_json(R"({"tag":7,"vlan":5,"addresses":["10.1.0.2"],
        "streams":[{"source":"10.1.0.2","destination":"10.2.0.2","rate_bps":1000,"flows":3,
        "sizes":[{"ip_bytes":64,"weight":7},{"ip_bytes":1500}]}]})"));
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->tag, 7u);
    EXPECT_EQ(spec->vlan, 5);
    ASSERT_EQ(spec->streams.size(), 1u);
    EXPECT_EQ(spec->streams[0].flows, 3);
    EXPECT_EQ(spec->streams[0].sizes[1].weight, 1);
    const BodyRow rows[] = {
        {R"({"tag":1,"addresses":[],"streams":[]})", "accepted"},
        {R"({"tag":4294967296,"addresses":[],"streams":[]})",
         "tag: 4294967296 is not allowed, expected 0..4294967295"},
        {R"({"tag":1,"addresses":["x"],"streams":[]})",
         "addresses[0]: x is not allowed, expected an IPv4 or IPv6 address"},
        {R"({"tag":1,"addresses":[],"streams":[{"source":"::1","destination":"1.2.3.4",
             "sizes":[]}]})",
         "streams[0].destination: 1.2.3.4 is not allowed, expected an address of the source's "
         "family"},
        {R"({"tag":1,"addresses":[],"streams":[{"source":"::1","destination":"::2",
             "sizes":[{"ip_bytes":63}]}]})",
         "streams[0].sizes[0].ip_bytes: 63 is not allowed, expected 64..9100"},
    };
    check(read_traffic, rows);
}

} // namespace
} // namespace isthmus::control
