// IPv4 fragmentation: how packets are cut, and what becomes of the pieces in both directions.

#include "dataplane/ipv4_fragments.hpp"
#include "tests/dataplane/allocation_count.hpp"
#include "tests/dataplane/fragments.hpp"
#include "tests/dataplane/testbed.hpp"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <gtest/gtest.h>

#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

constexpr std::size_t kTagged = 18, kUntagged = 14;

Bytes packet_of(std::size_t length, uint16_t flags_fragment = 0, const Bytes& options = {},
                bool from_remote = false) {
    Ipv4Spec spec{from_remote ? kRemote4 : kHost4, from_remote ? kHost4 : kRemote4};
    spec.flags_fragment = flags_fragment;
    spec.options = options;
    Bytes data(length - 20 - options.size());
    for (std::size_t i = 0; i < data.size(); ++i) // no period that a fragment could hide
        data[i] = static_cast<uint8_t>(i * 7 + i / 256);
    return ipv4(spec, data);
}

// Router alert and a stream identifier have the copied flag, record route and timestamp do not.
const Bytes kNone;
const Bytes kAlert{148, 4, 0, 0};
const Bytes kRecord{7, 7, 4, 0, 0, 0, 0, 0};
const Bytes kMixed = Bytes{7, 3, 4, 1} + kAlert + Bytes{1, 136, 4, 0, 9, 68, 4, 5, 0, 0, 0, 0};
const Bytes kLongest = Bytes{130, 11} + ramp(9) + Bytes{7, 29, 4} + Bytes(26, 0);

std::vector<Bytes> pieces(const Bytes& packet, uint16_t mtu) {
    const auto plan =
        dataplane::plan_fragments(packet.data(), static_cast<uint16_t>(packet.size()), mtu);
    std::vector<Bytes> out(plan.count);
    for (uint16_t n = 1; n < plan.count; ++n) {
        out[n].resize(mtu);
        out[n].resize(dataplane::write_fragment(plan, packet.data(), n, out[n].data()));
    }
    out[0] = packet;
    out[0].resize(dataplane::keep_first_fragment(plan, out[0].data()));
    return out;
}

TEST(Ipv4Fragments, EveryLengthComesTogetherAgain) {
    for (const uint16_t mtu : std::initializer_list<uint16_t>{576, 577, 583, 1280, 1500, 8500})
        for (const Bytes& options : {kNone, kAlert, kRecord, kMixed, kLongest})
            for (const std::size_t over : {1u, 2u, 7u, 8u, 9u, 500u, 515u, 516u, 517u, 1000u}) {
                const Bytes packet = packet_of(mtu + over, 0, options);
                const auto out = pieces(packet, mtu);
                ASSERT_GE(out.size(), 2u);
                ASSERT_EQ(reassemble(out, mtu), packet) << mtu << " + " << over;
            }
}

TEST(Ipv4Fragments, OptionsFollowTheirCopyFlag) {
    const auto of_second = [](const Bytes& options) {
        const auto out = pieces(packet_of(1000, 0, options), 600);
        EXPECT_EQ(Bytes(out[0].begin() + 20,
                        out[0].begin() + 20 + static_cast<std::ptrdiff_t>(options.size())),
                  options)
            << "the first has all of them";
        const auto end = static_cast<std::ptrdiff_t>(header4(out[1]));
        return Bytes(out[1].begin() + 20, out[1].begin() + end);
    };
    EXPECT_EQ(of_second(kNone), kNone);
    EXPECT_EQ(of_second(kAlert), kAlert);
    EXPECT_EQ(of_second(kRecord), kNone);
    EXPECT_EQ(of_second(kMixed), (kAlert + Bytes{136, 4, 0, 9}));
    EXPECT_EQ(of_second(kLongest), (Bytes{130, 11} + ramp(9) + Bytes{0}));
    EXPECT_EQ(of_second(Bytes{0, 148, 4, 0}), kNone) << "behind the end of the list";
}

// Of a packet that is a fragment: offsets go on from its own, and only the end of the last one
// ends.
TEST(Ipv4Fragments, FragmentsOfFragments) {
    for (const uint16_t field : std::initializer_list<uint16_t>{0x2000, 0x2010, 0x0010, 0x3000}) {
        const Bytes packet = packet_of(20 + 1600, field);
        const auto out = pieces(packet, 700);
        ASSERT_EQ(out.size(), 3u);
        EXPECT_EQ(offset4(out[0]), (field & 0x1fffu) * 8);
        EXPECT_EQ(more4(out[2]), (field & 0x2000) != 0);
        EXPECT_EQ(reassemble(out, 700), packet);
    }
}

std::vector<Bytes> opened(Testbed& bed) {
    std::vector<Bytes> packets;
    bool both[2] = {false, false};
    for (const PortId port : {kCh0, kCh1})
        for (const Bytes& frame : bed.received(port)) {
            const auto plain = bed.open(frame);
            EXPECT_TRUE(plain) << "protected, with a packet number of its own";
            if (plain)
                packets.emplace_back(plain->begin() + kTagged, plain->end());
            both[port == kCh1] = true;
        }
    EXPECT_FALSE(both[0] && both[1]) << "one channel for all fragments";
    return packets;
}

std::vector<Bytes> at_vpc(Testbed& bed) {
    std::vector<Bytes> packets;
    for (const Bytes& frame : bed.received(kVpc))
        packets.emplace_back(frame.begin() + kUntagged, frame.end());
    return packets;
}

TestbedOptions narrow(uint16_t mtu) {
    TestbedOptions options;
    options.mtu = 9100;
    options.feature_mtu = mtu;
    options.attachment_mtu = mtu;
    return options;
}

// All sizes around each boundary, both directions, whole packets and fragments, with options.
TEST(Fragments, BothDirections) {
    for (const uint16_t mtu : std::initializer_list<uint16_t>{1280, 1500, 8500}) {
        Testbed bed(narrow(mtu));
        uint64_t cut = 0, made = 0;
        for (const std::size_t length :
             {64u,   65u,   1279u, 1280u, 1281u, 1287u, 1288u, 1289u, 1499u, 1500u, 1501u,
              2535u, 2540u, 2541u, 2980u, 2981u, 8499u, 8500u, 8501u, 9000u, 9099u, 9100u})
            for (const uint16_t field : std::initializer_list<uint16_t>{0x0000, 0x2010, 0x0010})
                for (const Bytes& options : {kNone, kMixed, kLongest}) {
                    if ((length - 20 - options.size()) % 8 != 0 && field == 0x2010)
                        continue; // only the last fragment has such a length
                    SCOPED_TRACE(testing::Message() << mtu << ": " << length << " field " << field
                                                    << " options " << options.size());
                    if (length < 20 + options.size())
                        continue;
                    const Bytes out = packet_of(length, field, options);
                    bed.send(kVpc, bed.host_frame(out));
                    auto got = opened(bed);
                    ASSERT_EQ(got.size() > 1, length > mtu);
                    ASSERT_EQ(reassemble(got, mtu), forwarded4(out));
                    const std::size_t count = got.size();
                    const Bytes in = packet_of(length, field, options, true);
                    bed.send(kCh0, bed.protect(bed.peer_frame(in)));
                    got = at_vpc(bed);
                    ASSERT_EQ(got.size(), count);
                    ASSERT_EQ(reassemble(got, mtu), forwarded4(in));
                    cut += count > 1 ? 2 : 0;
                    made += count > 1 ? 2 * count : 0;
                }
        const auto sum = bed.accounting();
        EXPECT_EQ(sum.unaccounted(), 0);
        EXPECT_EQ(sum.fragmented, cut);
        EXPECT_EQ(sum.fragments, made);
        EXPECT_EQ(bed.total_drops(), 0u);
        const auto counters = bed.control().attachment_counters(bed.attachment());
        EXPECT_EQ(counters.egress.tx_packets, counters.egress.rx_packets + made / 2 - cut / 2);
        EXPECT_EQ(counters.ingress.tx_packets, counters.ingress.rx_packets + made / 2 - cut / 2);
    }
}

TEST(Fragments, ABurstOfThemOverflowsNothing) {
    Testbed bed(narrow(1280));
    const Bytes out = packet_of(9100), in = packet_of(9100, 0, kLongest, true);
    for (int n = 0; n < 64; ++n) {
        bed.send_later(kVpc, bed.host_frame(n % 3 == 0 ? packet_of(100) : out));
        bed.send_later(kCh0, bed.protect(bed.peer_frame(in)));
    }
    bed.run_workers();
    const auto got = opened(bed);
    EXPECT_EQ(got.size(), 22u + 42u * 8u) << "1256 octets of 9080 each, and what was short";
    std::vector<Bytes> some;
    for (const Bytes& packet : got)
        if (packet.size() > 100)
            some.push_back(packet);
    EXPECT_EQ(reassemble({some.begin(), some.begin() + 8}, 1280), forwarded4(out));
    EXPECT_EQ(reassemble({some.end() - 8, some.end()}, 1280), forwarded4(out));
    EXPECT_EQ(at_vpc(bed).size(), 64u * 8u);
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Fragments, WithoutBuffersThePacketIsDropped) {
    Testbed bed(narrow(1500));
    const Bytes frame = bed.host_frame(packet_of(9100));
    bed.send_later(kVpc, frame);
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* packet = rte_pktmbuf_alloc(jumbo_pool()))
        taken.push_back(packet);
    rte_pktmbuf_free(taken.back()); // one is not enough
    taken.pop_back();
    bed.run_workers();
    EXPECT_EQ(bed.drops(Drop::fragment_no_buffer), 1u);
    seen_drop_reasons().insert(Drop::fragment_no_buffer);
    EXPECT_TRUE(opened(bed).empty());
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
    EXPECT_EQ(bed.accounting().fragmented, 0u);
    EXPECT_EQ(rte_mempool_avail_count(jumbo_pool()), 2u) << "nothing is leaked";
    rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
    bed.send(kVpc, frame);
    EXPECT_EQ(opened(bed).size(), 7u);
}

TEST(Fragments, KeepTheDscpOfTheExcessRate) {
    Testbed bed(narrow(1500));
    control::Limit limit;
    limit.rate_bps = 64'000; // its bucket holds two packets of the largest port MTU
    limit.peak_bps = 100'000'000;
    limit.excess_dscp = 10;
    ASSERT_TRUE(bed.control().set_limits(bed.attachment(), limit, {}));
    for (int n = 0; n < 3; ++n) {
        bed.send(kVpc, bed.host_frame(packet_of(9100)));
        for (const Bytes& packet : opened(bed))
            EXPECT_EQ(packet[1], n < 2 ? 0 : 10 << 2) << n;
    }
    EXPECT_EQ(bed.total_drops(), 0u);
}

// Each waits for the neighbour by itself.
TEST(Fragments, WaitForTheNextHop) {
    TestbedOptions options = narrow(1500);
    options.neighbours = false;
    Testbed bed(std::move(options));
    const Bytes in = packet_of(4000, 0, {}, true);
    bed.send(kCh0, bed.protect(bed.peer_frame(in)));
    bed.settle();
    (void)bed.received(kVpc);
    bed.send(kVpc, ethernet({kVpcMac, kHostMac, -1}, wire::kEtherTypeArp,
                            arp(2, kHostMac, kHost4, kVpcMac, v4("10.1.0.1"))));
    bed.settle();
    auto got = at_vpc(bed);
    std::erase_if(got, [](const Bytes& packet) { return packet[0] >> 4 != 4; });
    EXPECT_EQ(got.size(), 3u);
    EXPECT_EQ(reassemble(got, 1500), forwarded4(in));
    EXPECT_EQ(bed.accounting().fragments, 3u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Fragments, OfManyWorkers) {
    TestbedOptions options = narrow(1500);
    options.workers = 3;
    Testbed bed(std::move(options));
    for (uint16_t id = 0; id < 60; ++id) {
        Ipv4Spec spec{kHost4, Ipv4Addr{kRemote4.value + id}};
        spec.flags_fragment = 0;
        spec.id = id;
        const Bytes out = ipv4(spec, ramp(5000));
        std::swap(spec.from, spec.to);
        const Bytes in = ipv4(spec, ramp(5000));
        bed.send(kVpc, bed.host_frame(out));
        EXPECT_EQ(reassemble(opened(bed), 1500), forwarded4(out));
        bed.send(kCh0, bed.protect(bed.peer_frame(in), 0, id % 3));
        EXPECT_EQ(reassemble(at_vpc(bed), 1500), forwarded4(in));
    }
    EXPECT_EQ(bed.total_drops(), 0u);
    EXPECT_EQ(bed.accounting().fragmented, 120u);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(Fragments, AreMadeWithoutAllocating) {
    if (!allocations_are_counted())
        GTEST_SKIP() << "AddressSanitizer's allocator is in the way; the release build counts";
    Testbed bed(narrow(1500));
    const Bytes frame = bed.host_frame(packet_of(9100));
    uint64_t allocated = 0;
    for (int round = 0; round < 50; ++round) {
        for (int n = 0; n < 64; ++n)
            bed.send_later(kVpc, frame);
        const uint64_t before = allocations();
        bed.run_workers();
        allocated += allocations() - before;
        (void)bed.received(kCh0);
        (void)bed.received(kCh1);
    }
    EXPECT_EQ(allocated, 0u);
    EXPECT_EQ(bed.accounting().fragmented, 3200u);
}

} // namespace
} // namespace isthmus::test
