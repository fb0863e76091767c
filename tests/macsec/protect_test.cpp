// Secure frame generation: the frame itself, packet numbers, and failing closed.
#include "support.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace isthmus::macsec::test {
namespace {

constexpr std::size_t kLongestUserData = 1600;

TEST(Protect, RoundTripOfEveryLength) {
    for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
        TxSide tx(kPeerSci, suite, 1);
        RxSide rx;
        rx.add_sc(kPeerSci);
        rx.add_sa(1, test_sak(suite), 1, suite);
        for (std::size_t user = 2; user <= kLongestUserData; ++user) {
            const Octets plain = plain_frame(user, static_cast<uint32_t>(user));
            const Octets sealed = tx.protect(plain);
            ASSERT_EQ(sealed.size(), plain.size() + kMacsecOverhead);
            ASSERT_EQ(sealed[15], user < 48 ? user : 0) << "Short Length";
            const Validated opened = rx.validate(sealed);
            ASSERT_EQ(opened.verdict, ValidateVerdict::ok) << user;
            ASSERT_EQ(opened.frame, plain) << user;
        }
        EXPECT_EQ(rx.sa().next_pn.get(), kLongestUserData);
        EXPECT_EQ(tx.sa->next_pn.get(), kLongestUserData);
    }
}

// The other way round, and against frames that the code under test did not make.
TEST(Protect, MakesTheFramesOfTheReference) {
    for (std::size_t user : {2, 15, 16, 47, 48, 49, 1500}) {
        FrameRecipe recipe;
        recipe.an = 2;
        recipe.pn = 0x01020304;
        recipe.plain = plain_frame(user);
        TxSide tx(kPeerSci, CipherSuite::gcm_aes_128, 2, 0x01020304);
        EXPECT_EQ(to_hex(tx.protect(recipe.plain)), to_hex(build_frame(recipe))) << user;
    }
}

TEST(Protect, PaddedShortFramesAreRestored) {
    TxSide tx;
    auto rx = peer_rx_side();
    for (std::size_t user = 2; user < 48; ++user) {
        const Octets plain = plain_frame(user);
        Octets wire = tx.protect(plain);
        wire.resize(std::max<std::size_t>(wire.size(), 60) + 4, 0xee);
        const Validated opened = rx->validate(wire);
        ASSERT_EQ(opened.verdict, ValidateVerdict::ok) << user;
        EXPECT_EQ(opened.frame, plain);
    }
}

// A burst of equal frames under `binding`, in exact-size memory.
std::deque<HeapFrame> make_burst(std::size_t count, const TxBinding* binding,
                                 std::vector<ProtectFrame>& frames) {
    std::deque<HeapFrame> memories;
    for (std::size_t i = 0; i < count; ++i) {
        HeapFrame& memory = memories.emplace_back(plain_frame(60), kSecTagLength, kIcvLength);
        frames.push_back({memory.data(), memory.length(), binding});
    }
    return memories;
}

uint32_t pn_of(const ProtectFrame& frame) {
    const Be32* pn = reinterpret_cast<const Be32*>(frame.frame + 16);
    return pn->host();
}

TEST(Protect, StopsAfterTheLastPacketNumber) {
    TxSide tx(kPeerSci, CipherSuite::gcm_aes_128, 0, 0xfffffffd);
    std::vector<ProtectFrame> frames;
    auto memories = make_burst(6, &tx.binding, frames);
    const Octets before(frames[3].frame, frames[3].frame + frames[3].length);
    protect(engine(), frames);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(frames[i].verdict, ProtectVerdict::ok);
        EXPECT_EQ(pn_of(frames[i]), 0xfffffffd + i);
    }
    for (std::size_t i = 3; i < 6; ++i)
        EXPECT_EQ(frames[i].verdict, ProtectVerdict::pn_exhausted);
    EXPECT_EQ(frames[3].frame, memories[3].data()) << "a refused frame stays as it was";
    EXPECT_EQ(Octets(frames[3].frame, frames[3].frame + frames[3].length), before);
    EXPECT_EQ(tx.sa->next_pn.get(), 0x100000000u);
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 3u);
    EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), 180u);

    // And it stays stopped: no call later begins at 0 or 1 again.
    for (int again = 0; again < 3; ++again) {
        std::vector<ProtectFrame> more;
        auto more_memories = make_burst(2, &tx.binding, more);
        protect(engine(), more);
        EXPECT_EQ(more[0].verdict, ProtectVerdict::pn_exhausted);
        EXPECT_EQ(more[1].verdict, ProtectVerdict::pn_exhausted);
        EXPECT_EQ(tx.sa->next_pn.get(), 0x100000000u);
    }
}

TEST(Protect, FailsClosedWithoutSa) {
    TxSide tx;
    const TxBinding no_sa{&tx.sc, nullptr};
    const TxBinding no_sc{nullptr, tx.sa.get()};
    const Octets plain = plain_frame(60);
    for (const TxBinding* binding : {&no_sa, &no_sc, static_cast<const TxBinding*>(nullptr)}) {
        std::vector<ProtectFrame> frames;
        auto memories = make_burst(3, binding, frames);
        protect(engine(), frames);
        for (const ProtectFrame& frame : frames) {
            EXPECT_EQ(frame.verdict, ProtectVerdict::no_tx_sa);
            EXPECT_EQ(Octets(frame.frame, frame.frame + frame.length), plain);
        }
    }
    EXPECT_EQ(tx.sa->next_pn.get(), 1u);
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 0u);
}

TEST(Protect, MixedBatchKeepsPacketNumbersPerSa) {
    constexpr Sci kSecondSci{0x02aabbccdd0e0002};
    TxSide first(kPeerSci, CipherSuite::gcm_aes_128, 0, 1);
    TxSide second(kSecondSci, CipherSuite::gcm_aes_256, 3, 500);
    const TxBinding none{};
    RxSide rx;
    rx.add_sc(kPeerSci);
    rx.add_sa(0);
    rx.add_sc(kSecondSci);
    rx.add_sa(3, test_sak(CipherSuite::gcm_aes_256), 1, CipherSuite::gcm_aes_256);

    std::vector<ProtectFrame> frames;
    auto memories = make_burst(kBurstMax, &first.binding, frames);
    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i].tx = i % 3 == 0 ? &first.binding : i % 3 == 1 ? &second.binding : &none;
    protect(engine(), frames);
    uint32_t first_pn = 1;
    uint32_t second_pn = 500;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        if (i % 3 == 2) {
            EXPECT_EQ(frames[i].verdict, ProtectVerdict::no_tx_sa);
            continue;
        }
        ASSERT_EQ(frames[i].verdict, ProtectVerdict::ok);
        EXPECT_EQ(pn_of(frames[i]), i % 3 == 0 ? first_pn++ : second_pn++);
        const Octets wire(frames[i].frame, frames[i].frame + frames[i].length);
        EXPECT_EQ(rx.validate(wire).verdict, ValidateVerdict::ok);
    }
    EXPECT_EQ(first.sc.counters.out_pkts_encrypted.get(), 22u);
    EXPECT_EQ(second.sc.counters.out_pkts_encrypted.get(), 21u);
    EXPECT_EQ(second.sc.counters.out_octets_encrypted.get(), 21u * 60u);
    EXPECT_EQ(second.sa->out_pkts_encrypted.get(), 21u);
}

} // namespace
} // namespace isthmus::macsec::test
