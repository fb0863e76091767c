// Routes and neighbours change under the workers' feet: what is published for it and what is not,
// and that packets keep passing.
#include "testbed.hpp"

#include "tests/must.hpp"

#include <gtest/gtest.h>

#include <random>

namespace isthmus::test {
namespace {

using control::Route;
using control::RouteChange;
using control::Via;

uint32_t below(std::mt19937& random, uint32_t bound) {
    return static_cast<uint32_t>(random() % bound);
}

IpPrefix prefix(const char* text) {
    return must(parse_prefix(text));
}

Bytes to_peer(const char* destination, uint16_t port = 1000) {
    return ipv4({v4("10.1.0.9"), v4(destination)}, udp(port, 9, Bytes(16, 0)));
}
Bytes from_peer(const char* destination, uint16_t port = 1000) {
    return ipv4({v4("10.2.0.5"), v4(destination)}, udp(port, 9, Bytes(16, 0)));
}

std::size_t came_out_of_channels(Testbed& bed) {
    return bed.received(kCh0).size() + bed.received(kCh1).size();
}

TEST(LiveRoutes, ARouteNeedsNoPublication) {
    Testbed bed;
    const uint64_t generation = bed.control().status().generation;
    const AttachmentId id = bed.attachment();
    bed.send(kVpc, bed.host_frame(to_peer("10.9.0.1")));
    EXPECT_EQ(bed.drops(Drop::no_route), 1u);
    must(bed.control().change_routes(id, {{{prefix("10.9.0.0/16"), {Via::channels, {}}}}, {}}));
    bed.send(kVpc, bed.host_frame(to_peer("10.9.0.1")));
    EXPECT_EQ(came_out_of_channels(bed), 1u);
    must(bed.control().change_routes(id, {{{prefix("10.9.0.0/16"), {Via::blackhole, {}}}}, {}}));
    bed.send(kVpc, bed.host_frame(to_peer("10.9.0.1")));
    EXPECT_EQ(bed.drops(Drop::blackhole), 1u);
    must(bed.control().change_routes(id, {{}, {prefix("10.9.0.0/16")}}));
    bed.send(kVpc, bed.host_frame(to_peer("10.9.0.1")));
    EXPECT_EQ(bed.drops(Drop::no_route), 2u);
    EXPECT_EQ(bed.control().status().generation, generation);
    EXPECT_FALSE(bed.control().change_routes(id, {{}, {prefix("10.9.0.0/16")}}));
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(LiveRoutes, ANewNextHopIsPublishedOnce) {
    Testbed bed;
    const AttachmentId id = bed.attachment();
    const MacAddr gateway{{2, 0xaa, 0, 0, 0, 7}};
    const uint64_t generation = bed.control().status().generation;
    const Route via{Via::vpc, v4("10.1.0.20")};
    must(bed.control().change_routes(id, {{{prefix("10.20.0.0/16"), via}}, {}}));
    EXPECT_EQ(bed.control().status().generation, generation + 1);
    must(bed.control().change_routes(id, {{{prefix("10.21.0.0/16"), via}}, {}}));
    EXPECT_EQ(bed.control().status().generation, generation + 1);
    // The next hop is wanted, so it is asked for without any traffic.
    bed.settle();
    EXPECT_FALSE(bed.received(kVpc).empty()) << "an ARP request";
    bed.send(kVpc, ethernet({kVpcMac, gateway, -1}, wire::kEtherTypeArp,
                            arp(2, gateway, v4("10.1.0.20"), kVpcMac, v4("10.1.0.1"))));
    bed.settle();
    for (const char* destination : {"10.20.0.1", "10.21.0.1", "10.1.0.20"})
        bed.send(kCh0, bed.protect(bed.peer_frame(from_peer(destination))));
    const auto out = bed.received(kVpc);
    ASSERT_EQ(out.size(), 3u);
    for (const Bytes& frame : out)
        EXPECT_TRUE(std::equal(gateway.octets.begin(), gateway.octets.end(), frame.begin()));
    EXPECT_EQ(bed.total_drops(), 0u);
}

TEST(LiveRoutes, ANeighbourChangesItsOwnVrfOnly) {
    TestbedOptions options;
    options.neighbours = false;
    Testbed bed(std::move(options));
    const uint64_t generation = bed.control().status().generation;
    bed.send(kVpc, ethernet({kBroadcastMac, kHostMac, -1}, wire::kEtherTypeArp,
                            arp(1, kHostMac, v4("10.1.0.9"), {}, v4("10.1.0.1"))));
    bed.settle();
    EXPECT_GT(bed.control().status().generation, generation);
    (void)bed.received(kVpc);
    bed.send(kCh0, bed.protect(bed.peer_frame(from_peer("10.1.0.9"))));
    EXPECT_EQ(bed.received(kVpc).size(), 1u);
    // Forgotten again: a packet has to wait.
    must(bed.control().remove_neighbour({bed.attachment(), {}}, v4("10.1.0.9")));
    (void)bed.received(kVpc);
    bed.send(kCh0, bed.protect(bed.peer_frame(from_peer("10.1.0.9"))));
    EXPECT_TRUE(bed.received(kVpc).empty());
    const auto punted = bed.accounting().punted;
    EXPECT_GT(punted[static_cast<std::size_t>(control::PuntReason::unresolved)], 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(LiveRoutes, NothingIsLostWhileEverythingChanges) {
    TestbedOptions options;
    options.workers = 3;
    Testbed bed(std::move(options));
    control::ControlPlane& control = bed.control();
    const AttachmentId id = bed.attachment();
    std::mt19937 random(11);
    std::size_t sent = 0, out_of_channels = 0, out_of_vpc = 0;
    control::Attachment churn = control.model().attachments.at(id);
    churn.name = "churn";
    churn.vlan = 200;
    churn.routes.clear();
    churn.features.clear();
    churn.static_neighbours.clear();
    std::optional<AttachmentId> churned;
    uint8_t an = 0;
    for (int round = 0; round < 1500; ++round) {
        for (uint16_t n = 0; n < 8; ++n, ++sent) {
            bed.send_later(kVpc, bed.host_frame(to_peer(
                                     "10.2.0.5", static_cast<uint16_t>(below(random, 5000)))));
            bed.send_later(kCh0, bed.protect(bed.peer_frame(from_peer("10.1.0.9")), 0, n % 3));
        }
        // Routes above, beside and below those in use, which stay.
        const auto length = static_cast<uint8_t>(17 + below(random, 8));
        const Ipv4Prefix more{
            masked(Ipv4Addr{v4("10.2.128.0").value | below(random, 0x8000)}, length), length};
        const Route to = below(random, 2) != 0
                             ? Route{Via::blackhole, {}}
                             : Route{Via::vpc, Ipv4Addr{v4("10.1.0.32").value + below(random, 16)}};
        if (control.model().attachments.at(id).routes.contains(more))
            must(control.change_routes(id, {{}, {more}}));
        else
            must(control.change_routes(id, {{{more, to}}, {}}));
        must(control.change_routes(id, {{{prefix("10.2.0.0/17"), {Via::channels, {}}}}, {}}));
        if (round % 7 == 0)
            must(control.set_limits(id, control::Limit{100'000'000'000, 5000, {}, {}},
                                    std::optional<control::Limit>{}));
        if (round % 20 == 0) {
            if (churned)
                must(control.remove_attachment(*churned));
            churned = churned ? std::nullopt : std::optional(must(control.add_attachment(churn)));
        }
        if (round % 100 == 50) {
            const auto next = static_cast<uint8_t>((an + 1) % macsec::kAssociationNumbers);
            must(control.set_channel_admin(kChannel1, control::AdminState::drain));
            must(bed.add_tx_sa(kChannel1, next, Bytes(32, static_cast<uint8_t>(round / 7))));
            must(control.set_channel_admin(kChannel1, control::AdminState::up));
            must(control.remove_tx_sa(kChannel1, next));
        }
        bed.run_workers();
        out_of_channels += came_out_of_channels(bed);
        for (const Bytes& frame : bed.received(kVpc))
            out_of_vpc += frame[12] == 0x08 && frame[13] == 0x00; // not the edge's own ARP
    }
    EXPECT_EQ(out_of_channels, sent);
    EXPECT_EQ(out_of_vpc, sent);
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    // What the changes have replaced is not kept.
    bed.settle();
    EXPECT_LT(dataplane::process_fib_arena().retired_pieces(), 100u);
}

} // namespace
} // namespace isthmus::test
