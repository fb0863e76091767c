// Packet numbers that end: what is sent, what is told, and where the traffic goes.

#include "tests/dataplane/testbed.hpp"
#include "tests/model/scratch.hpp"
#include "tests/must.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

using control::ChannelConfig;
using control::ChannelInfo;
using macsec::CipherSuite;

constexpr uint16_t kFlows = 64;

// One packet of each flow; returns what came out of the channels.
std::pair<std::vector<Bytes>, std::vector<Bytes>> spread(Testbed& bed) {
    for (uint16_t port = 0; port < kFlows; ++port)
        bed.send(kVpc,
                 bed.host_frame(ipv4({v4("10.1.0.9"), v4("10.2.3.4")}, udp(port, 2, ramp(64)))));
    return {bed.received(kCh0), bed.received(kCh1)};
}
bool all_protected(const std::vector<Bytes>& frames) {
    return std::all_of(frames.begin(), frames.end(),
                       [](const Bytes& frame) { return frame[12] == 0x88 && frame[13] == 0xe5; });
}
void expect_said(const Testbed& bed, std::size_t count, const std::string& text) {
    EXPECT_EQ(std::count_if(
                  bed.said().begin(), bed.said().end(),
                  [&](const std::string& event) { return event.find(text) != std::string::npos; }),
              static_cast<std::ptrdiff_t>(count))
        << text;
}

class PacketNumbersEnd : public testing::TestWithParam<CipherSuite> {};
INSTANTIATE_TEST_SUITE_P(Suites, PacketNumbersEnd,
                         testing::Values(CipherSuite::gcm_aes_256, CipherSuite::gcm_aes_xpn_256));

TEST_P(PacketNumbersEnd, TheChannelClosesAndANewSaOpensIt) {
    constexpr uint64_t kLeft = 10;
    const CipherSuite suite = GetParam();
    TestbedOptions options;
    options.configure = [suite](ChannelConfig& channel) { channel.cipher_suite = suite; };
    Testbed bed(std::move(options));
    const auto channel = [&] { return bed.control().channel_info(kChannel0); };
    const auto both = spread(bed);
    ASSERT_GT(both.first.size(), kLeft + 4);
    ASSERT_TRUE(bed.add_tx_sa(kChannel0, 1, Bytes(32, 0x11), last_pn(suite) - kLeft + 1));
    ASSERT_TRUE(bed.control().set_encoding_an(kChannel0, 1));
    EXPECT_TRUE(channel().tx_sas[1].pending_exhaustion);

    const auto end = spread(bed);
    EXPECT_EQ(end.first.size(), kLeft);
    EXPECT_EQ(end.second.size(), both.second.size());
    EXPECT_TRUE(all_protected(end.first));
    EXPECT_EQ(bed.drops(Drop::macsec_pn_exhausted), both.first.size() - kLeft);
    EXPECT_EQ(channel().reason, "transmit SA is exhausted");
    EXPECT_TRUE(channel().tx_sas[1].exhausted);
    const uint64_t dropped = bed.total_drops();

    bed.settle(); // a control tick: the buckets move
    const auto moved = spread(bed);
    EXPECT_TRUE(moved.first.empty());
    EXPECT_EQ(moved.second.size(), kFlows);
    EXPECT_TRUE(all_protected(moved.second));
    EXPECT_EQ(bed.total_drops(), dropped) << "fail closed, but nothing more is lost";
    for (int n = 0; n < 3; ++n)
        bed.settle();
    expect_said(bed, 2, "edge/ch0: transmit SA 1");
    expect_said(bed, 1, "needs a successor");
    expect_said(bed, 1, "is exhausted");
    EXPECT_EQ(channel().pn_pending_exhaustion, 1u);
    EXPECT_EQ(channel().pn_exhausted, 1u);
    EXPECT_EQ(bed.control().channel_info(kChannel1).pn_pending_exhaustion, 0u);

    ASSERT_TRUE(bed.add_tx_sa(kChannel0, 2, Bytes(32, 0x12)));
    EXPECT_FALSE(channel().usable) << "the new SA does not encode yet";
    ASSERT_TRUE(bed.control().set_encoding_an(kChannel0, 2));
    EXPECT_TRUE(channel().usable);
    (void)bed.received(kCh0); // announcements
    const auto again = spread(bed);
    EXPECT_EQ(again.first.size(), both.first.size()) << "the same flows come back";
    EXPECT_EQ(again.second.size(), both.second.size());
    EXPECT_TRUE(all_protected(again.first));
    EXPECT_EQ(bed.total_drops(), dropped);
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

// Both at once: the event of the first is not told again with that of the second.
TEST(PacketNumbers, NearTheEndIsToldInTime) {
    TestbedOptions options;
    options.configure = [](ChannelConfig& channel) { channel.pn_threshold = 30; };
    Testbed bed(std::move(options));
    EXPECT_TRUE(bed.said().empty());
    for (int n = 0; n < 3; ++n) {
        (void)spread(bed);
        bed.settle();
    }
    expect_said(bed, 1, "channel edge/ch0: transmit SA 0");
    expect_said(bed, 1, "channel edge/ch1: transmit SA 0");
    expect_said(bed, 2, "needs a successor: next packet number");
    EXPECT_TRUE(bed.control().channel_info(kChannel0).usable);
    EXPECT_EQ(bed.total_drops(), 0u);
}

// A disk that takes nothing: the SA goes on to its reservation and no further; the other channel's
// SA has enough reserved and goes on.
TEST(PacketNumbers, WithoutStoreAChannelStopsAtItsReservation) {
    const Scratch scratch;
    TestbedOptions options;
    options.store = must(control::StateStore::open(scratch.path("state.db")));
    control::PnStore& store = options.store->packet_numbers();
    Testbed bed(std::move(options));
    const auto channel = [&] { return bed.control().channel_info(kChannel0); };
    const std::size_t flows = spread(bed).first.size();
    const uint64_t reserved = flows + 10;
    store.set_chunk_for_test(reserved);
    ASSERT_TRUE(bed.add_tx_sa(kChannel0, 1, Bytes(32, 0x11)));
    ASSERT_TRUE(bed.control().set_encoding_an(kChannel0, 1));
    EXPECT_EQ(channel().tx_sas[1].pn_limit, reserved);
    {
        const DiskFull full;
        EXPECT_EQ(spread(bed).first.size(), flows);
        bed.settle();
        EXPECT_TRUE(channel().usable) << "what is reserved may be used";
        EXPECT_EQ(spread(bed).first.size(), 10u);
        bed.settle();
        EXPECT_FALSE(channel().usable);
        EXPECT_EQ(channel().reason,
                  "transmit SA has used all packet numbers that could be reserved");
        EXPECT_EQ(channel().pn_exhausted, 0u);
        const auto moved = spread(bed);
        EXPECT_TRUE(moved.first.empty());
        EXPECT_EQ(moved.second.size(), kFlows) << "the other channel goes on";
        expect_said(bed, 1, "packet numbers cannot be recorded");
        const auto refused = bed.add_tx_sa(kChannel1, 1, Bytes(32, 0x12));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::no_storage);
    }
    bed.settle();
    EXPECT_TRUE(channel().usable) << "there is room again";
    EXPECT_FALSE(spread(bed).first.empty());
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

} // namespace
} // namespace isthmus::test
