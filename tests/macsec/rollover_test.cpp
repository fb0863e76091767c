// A SAK is replaced while frames of the old one are still on their way.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

TEST(Rollover, OldAndNewAnInOneBurst) {
    for (CipherSuite suite : kCipherSuites) {
        TxSide old_tx(kPeerSci, suite, 1, 1, test_sak(suite, 1));
        TxSide new_tx(kPeerSci, suite, 2, 1, test_sak(suite, 2));
        RxSide rx(suite);
        rx.add_sc(kPeerSci);
        RxSa& old_sa = rx.add_sa(1, test_sak(suite, 1));
        RxSa& new_sa = rx.add_sa(2, test_sak(suite, 2));
        std::vector<Octets> frames;
        for (std::size_t i = 0; i < kBurstMax; ++i)
            frames.push_back((i % 3 == 0 ? old_tx : new_tx).protect(plain_frame(60)));
        for (const Validated& result : rx.receive_burst(frames)) {
            EXPECT_EQ(result.verdict, ValidateVerdict::ok);
            EXPECT_EQ(result.frame, plain_frame(60));
        }
        EXPECT_EQ(pn_state(old_sa), (PnState{23, 23}));
        EXPECT_EQ(pn_state(new_sa), (PnState{43, 43})) << "each SA has packet numbers of its own";
        EXPECT_EQ(rx.counts(0, 0), (Counts{.ok = 64, .decrypted = 64 * 60, .sa_ok = 22}));
        EXPECT_EQ(rx.counts(0, 1), (Counts{.ok = 64, .decrypted = 64 * 60, .sa_ok = 42}));
    }
}

// One SC sends under one AN and then another, in one burst: the change of encodingSA.
TEST(Rollover, TransmitScCountsOn) {
    TxSide tx;
    const Octets plain = plain_frame(60);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(tx.protect(plain)[14] & kTciAnMask, 0);
    const auto old_sa = std::move(tx.sa);
    const Octets sak = test_sak(CipherSuite::gcm_aes_128, 2);
    ASSERT_TRUE(tx.set_sa({CipherSuite::gcm_aes_128, 1, sak, kPeerSci, {}},
                          std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1, 9)));
    const Octets first = tx.protect(plain);
    EXPECT_EQ(first[14] & kTciAnMask, 1);
    EXPECT_EQ(to_hex(std::span(first).subspan(16, 4)), "00000001");
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 4u) << "of the SC: goes on";
    EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), 240u);
    EXPECT_EQ(old_sa->counters.out_pkts_encrypted.get(), 3u);
    EXPECT_EQ(tx.sa->counters.out_pkts_encrypted.get(), 1u);
}

// Disabling receive on the old SA, and deleting it, ends its frames; the SC's counters stay.
TEST(Rollover, OldSaOutOfUse) {
    TxSide old_tx(kPeerSci, CipherSuite::gcm_aes_128, 0);
    auto rx = peer_rx_side();
    EXPECT_EQ(rx->receive(old_tx.protect(plain_frame(60))).verdict, ValidateVerdict::ok);
    rx->set_in_use(kPeerSci, 0, false);
    EXPECT_EQ(rx->receive(old_tx.protect(plain_frame(60))).verdict, ValidateVerdict::not_using_sa);
    EXPECT_EQ(
        rx->counts(),
        (Counts{.ok = 1, .not_using_sa = 1, .decrypted = 60, .sa_ok = 1, .sa_not_using_sa = 1}));
    // The same AN with a new SAK: a new SA with counters and packet numbers of its own.
    const Octets sak = test_sak(CipherSuite::gcm_aes_128, 2);
    TxSide new_tx(kPeerSci, CipherSuite::gcm_aes_128, 0, 1, sak);
    rx->add_sa(0, sak);
    EXPECT_EQ(rx->receive(new_tx.protect(plain_frame(60))).verdict, ValidateVerdict::ok);
    EXPECT_EQ(rx->counts(0, 1), (Counts{.ok = 2, .not_using_sa = 1, .decrypted = 120, .sa_ok = 1}));
    EXPECT_EQ(rx->receive(old_tx.protect(plain_frame(60))).verdict, ValidateVerdict::not_valid);
}

} // namespace
} // namespace isthmus::macsec::test
