// Which frames are the edge's, each sent by the far host over a real interface.
#include "tests/must.hpp"
#include "tests/xdp/far_host.hpp"
#include "xdp/interface.hpp"

namespace isthmus::test {
namespace {

const MacAddr kInterfaceMac = mac("02:aa:00:00:00:01");
const MacAddr kPaeGroup = mac("01:80:c2:00:00:03");
const MacAddr kOtherGroup = mac("01:80:c2:00:00:0e");

IpPrefix interface_address(const char* text) {
    return must(parse_interface(text));
}

Bytes arp(unsigned operation, const char* sender, const char* target) {
    return be16(1) + be16(0x0800) + Bytes{6, 4} + be16(operation) + octets(kFarMac) +
           octets(v4(sender)) + Bytes(6) + octets(v4(target)) + Bytes(18);
}

Bytes ipv4_to(const char* destination) {
    return Bytes{0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0} + octets(v4("198.51.100.1")) +
           octets(v4(destination)) + ramp(26);
}

Bytes ipv6_to(const char* destination, uint8_t next, const Bytes& upper) {
    return Bytes{0x60, 0, 0, 0} + be16(static_cast<unsigned>(upper.size())) + Bytes{next, 255} +
           octets(v6("fd00:1::99")) + octets(v6(destination)) + upper;
}

Bytes neighbour(uint8_t type, const char* target) {
    return Bytes{type, 0, 0, 0, 0, 0, 0, 0} + octets(v6(target)) + Bytes(8);
}

struct Case {
    const char* what;
    const char* verdict;
    Bytes frame;
};

class Steer : public FarHost {
  protected:
    void SetUp() override {
        FarHost::SetUp();
        if (IsSkipped())
            return;
        make_pair();
        ASSERT_TRUE(run("ip link set a0 address 02:aa:00:00:00:01"));
    }

    void check(const std::vector<Case>& rows) {
        for (const Case& row : rows) {
            SCOPED_TRACE(row.what);
            const uint64_t before = count(row.verdict);
            const bool edge = !std::string_view(row.verdict).starts_with("kernel");
            far_send(row.frame);
            const auto got = receive(1, edge ? 2000 : 20);
            EXPECT_EQ(count(row.verdict), before + 1);
            ASSERT_EQ(got.size(), edge ? 1u : 0u);
            if (edge) {
                EXPECT_EQ(got[0], row.frame);
            }
        }
    }
};

const Bytes kPayload = ramp(46);

TEST_F(Steer, ChannelTakesMacsecAndWhatItPassesInClear) {
    auto wanted = request();
    wanted.channel = {0x88e5, {0x888e, 0x88b5}, {kPaeGroup}};
    open(wanted);
    const std::vector<dataplane::PortLink> links = {{1025, {interface_address("10.0.0.1/30")}}};
    port_->follow_links(links);
    check({
        {"MACsec to the edge", "macsec", ethernet(kEdgeMac, 0x88e5, kPayload)},
        {"MACsec to somebody else", "macsec", ethernet(kFarMac, 0x88e5, kPayload)},
        {"MACsec behind a tag in clear", "macsec",
         tagged(kEdgeMac, 0x8100, 1025, 0x88e5, kPayload)},
        {"EAPOL", "clear", ethernet(kPaeGroup, 0x888e, kPayload)},
        {"the second protocol in clear", "clear", ethernet(kEdgeMac, 0x88b5, kPayload)},
        {"a group in clear", "clear", ethernet(kPaeGroup, 0x8809, kPayload)},
        {"another group", "kernel", ethernet(kOtherGroup, 0x88cc, kPayload)},
        {"a feature's VLAN", "vlan", tagged(kEdgeMac, 0x8100, 1025, 0x0800, kPayload)},
        {"another VLAN", "kernel", tagged(kEdgeMac, 0x8100, 1026, 0x0800, kPayload)},
        {"untagged IP", "kernel", ethernet(kEdgeMac, 0x0800, ipv4_to("10.0.0.1"))},
        {"untagged ARP", "kernel", ethernet(kBroadcastMac, 0x0806, arp(1, "10.0.0.2", "10.0.0.1"))},
    });
}

TEST_F(Steer, ChannelWithAnotherEtherTypeTakesThatOne) {
    auto wanted = request();
    wanted.channel = {0x9999, {}, {}};
    open(wanted);
    check({
        {"the configured type", "macsec", ethernet(kEdgeMac, 0x9999, kPayload)},
        {"the standard's", "kernel", ethernet(kEdgeMac, 0x88e5, kPayload)},
        {"EAPOL", "kernel", ethernet(kPaeGroup, 0x888e, kPayload)},
    });
}

TEST_F(Steer, VpcTakesTheVlansOfItsAttachmentsWhole) {
    open(request());
    const std::vector<dataplane::PortLink> links = {{100, {interface_address("10.1.0.1/24")}},
                                                    {4094, {}}};
    port_->follow_links(links);
    check({
        {"VLAN of an attachment", "vlan", tagged(kEdgeMac, 0x8100, 100, 0x0800, kPayload)},
        {"with priority and DEI", "vlan", tagged(kEdgeMac, 0x8100, 0xf064, 0x0800, kPayload)},
        {"broadcast in it", "vlan", tagged(kBroadcastMac, 0x8100, 100, 0x0806, kPayload)},
        {"the last VLAN", "vlan", tagged(kEdgeMac, 0x8100, 4094, 0x86dd, kPayload)},
        {"two tags", "vlan", tagged(kEdgeMac, 0x8100, 100, 0x8100, kPayload)},
        {"another VLAN", "kernel", tagged(kEdgeMac, 0x8100, 101, 0x0800, kPayload)},
        {"a service tag", "kernel", tagged(kEdgeMac, 0x88a8, 100, 0x0800, kPayload)},
        {"untagged to the edge", "kernel", ethernet(kEdgeMac, 0x0800, ipv4_to("10.1.0.1"))},
        {"MACsec", "kernel", ethernet(kEdgeMac, 0x88e5, kPayload)},
        {"EAPOL", "kernel", ethernet(kPaeGroup, 0x888e, kPayload)},
    });
}

std::vector<Case> neighbour_cases() {
    const MacAddr group = multicast_mac(solicited_node_multicast(v6("fd00:1::1")));
    const MacAddr all = mac("33:33:00:00:00:01");
    return {
        {"ARP for the edge", "arp",
         ethernet(kBroadcastMac, 0x0806, arp(1, "10.1.0.9", "10.1.0.1"))},
        {"answer to the edge", "arp", ethernet(kEdgeMac, 0x0806, arp(2, "10.1.0.9", "10.1.0.1"))},
        {"a neighbour announces itself", "arp",
         ethernet(kBroadcastMac, 0x0806, arp(1, "10.1.0.9", "10.1.0.9"))},
        {"a stranger announces itself", "kernel",
         ethernet(kBroadcastMac, 0x0806, arp(1, "10.9.0.9", "10.9.0.9"))},
        {"ARP for another host", "kernel",
         ethernet(kBroadcastMac, 0x0806, arp(1, "10.1.0.9", "10.1.0.8"))},
        {"solicitation of the edge", "nd",
         ethernet(group, 0x86dd, ipv6_to("ff02::1:ff00:1", 58, neighbour(135, "fd00:1::1")))},
        {"of its link-local address", "nd",
         ethernet(group, 0x86dd,
                  ipv6_to("ff02::1:ff54:1", 58, neighbour(135, "fe80::49:53ff:fe54:1")))},
        {"solicitation of another host", "kernel",
         ethernet(group, 0x86dd, ipv6_to("ff02::1:ff00:1", 58, neighbour(135, "fd00:1::2")))},
        {"a neighbour's advertisement", "nd",
         ethernet(all, 0x86dd, ipv6_to("ff02::1", 58, neighbour(136, "fd00:1::77")))},
        {"a stranger's", "kernel",
         ethernet(all, 0x86dd, ipv6_to("ff02::1", 58, neighbour(136, "fd00:7::77")))},
        {"router advertisement", "kernel",
         ethernet(all, 0x86dd, ipv6_to("ff02::1", 58, neighbour(134, "fd00:1::1")))},
        {"multicast UDP", "kernel", ethernet(all, 0x86dd, ipv6_to("ff02::1", 17, ramp(32)))},
        {"broadcast IPv4", "kernel", ethernet(kBroadcastMac, 0x0800, ipv4_to("255.255.255.255"))},
    };
}

const std::vector<dataplane::PortLink> kUntagged = {
    {0, {interface_address("10.1.0.1/24"), interface_address("fd00:1::1/64")}}};

TEST_F(Steer, UntaggedVpcTakesWhatIsForItsMacAndItsAddresses) {
    open(request());
    port_->follow_links(kUntagged);
    check(neighbour_cases());
    check({
        {"IPv4 to the edge's MAC", "unicast", ethernet(kEdgeMac, 0x0800, ipv4_to("203.0.113.1"))},
        {"IPv6 to it", "unicast", ethernet(kEdgeMac, 0x86dd, ipv6_to("fd00:2::1", 17, ramp(30)))},
        {"anything to it", "unicast", ethernet(kEdgeMac, 0x88b5, kPayload)},
        {"behind a priority tag", "unicast",
         tagged(kEdgeMac, 0x8100, 0xe000, 0x0800, ipv4_to("203.0.113.1"))},
        {"to the interface's MAC", "kernel",
         ethernet(kInterfaceMac, 0x0800, ipv4_to("203.0.113.1"))},
        {"a VLAN", "kernel", tagged(kEdgeMac, 0x8100, 100, 0x0800, kPayload)},
    });
}

TEST_F(Steer, WithTheInterfacesMacTheKernelKeepsItsAddresses) {
    ASSERT_TRUE(run("ip address add 192.0.2.1/24 dev a0"));
    auto wanted = request();
    wanted.mac.reset();
    open(wanted);
    EXPECT_EQ(port_->mac(), kInterfaceMac);
    port_->follow_links(kUntagged);
    check({
        {"to the kernel", "kernel", ethernet(kInterfaceMac, 0x0800, ipv4_to("192.0.2.1"))},
        {"to be forwarded", "unicast", ethernet(kInterfaceMac, 0x0800, ipv4_to("203.0.113.1"))},
        {"to the edge", "unicast", ethernet(kInterfaceMac, 0x0800, ipv4_to("10.1.0.1"))},
        {"ARP for the kernel", "kernel",
         ethernet(kBroadcastMac, 0x0806, arp(1, "192.0.2.9", "192.0.2.1"))},
        {"neither IP nor ARP", "kernel", ethernet(kInterfaceMac, 0x88b5, kPayload)},
    });
    ASSERT_TRUE(run("ip address add 192.0.2.77/24 dev a0"));
    for (int tick = 0; tick < 10; ++tick)
        EXPECT_EQ(port_->take_event(), "");
    check({{"an address that came later", "kernel",
            ethernet(kInterfaceMac, 0x0800, ipv4_to("192.0.2.77"))}});
}

TEST_F(Steer, FollowsLinksThatComeAndGo) {
    open(request());
    const Bytes in_vlan = tagged(kEdgeMac, 0x8100, 100, 0x0800, kPayload);
    const Bytes ask = ethernet(kBroadcastMac, 0x0806, arp(1, "10.1.0.9", "10.1.0.1"));
    for (int round = 0; round < 3; ++round) {
        check({{"no VLAN", "kernel", in_vlan}, {"no address", "kernel", ask}});
        const std::vector<dataplane::PortLink> vlan = {{100, {}}};
        port_->follow_links(vlan);
        check({{"the VLAN", "vlan", in_vlan}, {"no address", "kernel", ask}});
        port_->follow_links(kUntagged);
        check({{"VLAN gone", "kernel", in_vlan}, {"the address", "arp", ask}});
        port_->follow_links({});
    }
}

TEST_F(Steer, TruncatedFramesPassToTheKernel) {
    open(request());
    const std::vector<dataplane::PortLink> links = {{100, {}}, kUntagged[0]};
    port_->follow_links(links);
    // A veth carries frames without padding, from 14 octets on.
    const std::vector<Case> whole = {
        {"ARP", "kernel_short", ethernet(kBroadcastMac, 0x0806, arp(1, "10.1.0.9", "10.1.0.1"))},
        {"tag", "kernel_short", tagged(kEdgeMac, 0x8100, 100, 0x0800, kPayload)}};
    const std::size_t needed[] = {14 + 28, 18};
    for (std::size_t n = 0; n < whole.size(); ++n)
        for (std::size_t length = 14; length < needed[n]; ++length) {
            Case row = whole[n];
            row.frame.resize(length);
            check({row});
        }
    Case nd{"ND", "kernel",
            ethernet(mac("33:33:ff:00:00:01"), 0x86dd,
                     ipv6_to("ff02::1:ff00:1", 58, neighbour(135, "fd00:1::1")))};
    for (std::size_t length = 14; length < 14 + 40 + 24; ++length) {
        Case row = nd;
        row.frame.resize(length);
        row.verdict = length < 14 + 40 ? "kernel_short" : "kernel";
        check({row});
    }
}

TEST_F(Steer, TakesEverythingIfAskedTo) {
    open(request(",frames=all"));
    check({
        {"service tag", "all_frames", tagged(kEdgeMac, 0x88a8, 100, 0x8100, kPayload)},
        {"ARP", "all_frames", ethernet(kBroadcastMac, 0x0806, arp(1, "1.2.3.4", "1.2.3.5"))},
        {"shortest", "all_frames", ethernet(kBroadcastMac, 0x1234, {})},
    });
}

} // namespace
} // namespace isthmus::test
