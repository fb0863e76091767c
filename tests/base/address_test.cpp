// Text forms of addresses, and what is refused.

#include "isthmus/address.hpp"
#include "isthmus/wire.hpp"

#include <gtest/gtest.h>

namespace isthmus {
namespace {

TEST(Address, TextForms) {
    for (const char* text :
         {"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "fd00:1::9", "2001:db8::1:0:0:1"})
        EXPECT_EQ(to_string(parse_ip(text).value()), text);
    EXPECT_EQ(to_string(parse_mac("02:AA:bb:00:0f:f0").value()), "02:aa:bb:00:0f:f0");
    for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/16"})
        EXPECT_EQ(to_string(parse_prefix(text).value()), text);
    EXPECT_EQ(to_string(parse_interface("10.1.0.1/24").value()), "10.1.0.1/24");
}

TEST(Address, RefusesEverythingElse) {
    for (const char* text : {"", "10.1.2", "10.1.2.3.4", "10.1.2.256", "010.1.2.3 ", "fd00::1::2",
                             "g::", "10.1.2.3/24", "fe80::1%eth0"})
        EXPECT_FALSE(parse_ip(text)) << text;
    EXPECT_FALSE(parse_ip(std::string_view("10.1.2.3\0x", 10)));
    for (const char* text : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8x",
                             "10.0.0.0/", "fd00::/129", "10.0.0.1/8", "fd00::1/16"})
        EXPECT_FALSE(parse_prefix(text)) << text;
    for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01",
                             "02:00:00:00:00:01:", "0200.0000.0001xxx"})
        EXPECT_FALSE(parse_mac(text)) << text;
    const auto error = parse_prefix("10.0.0.0/33", "routes[2].prefix").error();
    EXPECT_EQ(error.code, ErrorCode::invalid);
    EXPECT_EQ(error.field, "routes[2].prefix");
    EXPECT_EQ(error.value, "10.0.0.0/33");
    EXPECT_EQ(error.limit, "a prefix length of 0..32");
}

TEST(Address, MasksEveryLength) {
    const Ipv6Addr ones{~uint64_t{0}, ~uint64_t{0}};
    for (int length = 0; length <= 128; ++length) {
        const Ipv6Addr net = masked(ones, static_cast<uint8_t>(length));
        EXPECT_EQ(__builtin_popcountll(net.high) + __builtin_popcountll(net.low), length);
        EXPECT_TRUE(contains(Ipv6Prefix{net, static_cast<uint8_t>(length)}, ones));
    }
    for (int length = 0; length <= 32; ++length)
        EXPECT_EQ(__builtin_popcount(masked(Ipv4Addr{~0u}, static_cast<uint8_t>(length)).value),
                  length);
}

TEST(Address, DerivedAddresses) {
    const MacAddr mac = parse_mac("02:00:5e:10:20:30").value();
    EXPECT_EQ(to_string(link_local_from(mac)), "fe80::5eff:fe10:2030");
    const Ipv6Addr addr = parse_ipv6("fd00:1::12:3456").value();
    EXPECT_EQ(to_string(solicited_node_multicast(addr)), "ff02::1:ff12:3456");
    EXPECT_EQ(to_string(multicast_mac(solicited_node_multicast(addr))), "33:33:ff:12:34:56");
    EXPECT_TRUE(link_local_from(mac).is_link_local());
    EXPECT_FALSE(addr.is_link_local());
}

// RFC 1071, section 3: the example's words, whole and in pieces.
TEST(Wire, InternetChecksum) {
    const uint8_t octets[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    const uint16_t whole = wire::checksum_finish(wire::checksum_add(0, octets, 8));
    EXPECT_EQ(__builtin_bswap16(whole), static_cast<uint16_t>(~0xddf2));
    const uint64_t part = wire::checksum_add(0, octets, 4);
    EXPECT_EQ(wire::checksum_finish(wire::checksum_add(part, octets + 4, 4)), whole);
    EXPECT_EQ(__builtin_bswap16(wire::checksum_finish(wire::checksum_add(0, octets, 3))),
              static_cast<uint16_t>(~(0x0001 + 0xf200)));
}

} // namespace
} // namespace isthmus
