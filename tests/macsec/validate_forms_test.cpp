// Receiving what a SecY may be configured for: confidentiality offsets, another EtherType, tags in
// clear, XPN suites; and batches in which everything is mixed.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

using enum ValidateVerdict;

constexpr uint8_t kOffsets[] = {0, 30, 50};
constexpr uint16_t kEtherTypes[] = {0x88e5, 0x876f, 0x9100, 0xe588};

TEST(ConfidentialityOffset, UserDataShorterEqualAndLonger) {
    for (uint8_t offset : kOffsets) {
        for (std::size_t user : {1, 29, 30, 31, 47, 48, 49, 50, 51, 64, 1500}) {
            FrameRecipe frame;
            frame.confidentiality_offset = offset;
            frame.plain = plain_frame(user);
            auto rx = peer_rx_side();
            rx->binding.confidentiality_offset = offset;
            const Octets octets = build_frame(frame);
            const std::size_t clear = std::min<std::size_t>(user, offset);
            EXPECT_TRUE(std::equal(octets.begin() + 28,
                                   octets.begin() + 28 + static_cast<std::ptrdiff_t>(clear),
                                   frame.plain.begin() + 12));
            const Validated result = rx->receive(octets);
            EXPECT_EQ(result.verdict, ok) << int{offset} << " of " << user;
            EXPECT_EQ(result.frame, frame.plain);
            EXPECT_EQ(rx->counts(), (Counts{.ok = 1, .decrypted = user, .sa_ok = 1}));

            // The octets in clear are authenticated; without any this is one of the tag.
            Octets altered = octets;
            altered[28 + clear - 1] ^= 1;
            rx->sa().replay.start_at(1, 1);
            EXPECT_EQ(rx->receive(altered).verdict, clear == 0 ? no_sci : not_valid);
        }
    }
}

TEST(ConfidentialityOffset, AnotherOffsetDoesNotValidate) {
    for (uint8_t sent : kOffsets) {
        for (uint8_t expected : kOffsets) {
            FrameRecipe frame;
            frame.confidentiality_offset = sent;
            auto rx = peer_rx_side();
            rx->binding.confidentiality_offset = expected;
            EXPECT_EQ(rx->receive(build_frame(frame)).verdict, sent == expected ? ok : not_valid);
        }
    }
}

TEST(ConfidentialityOffset, DoesNotConcernIntegrityOnly) {
    FrameRecipe frame;
    frame.tci = kTciExplicitSci;
    auto rx = peer_rx_side();
    rx->binding.confidentiality_offset = 30;
    EXPECT_EQ(rx->receive(build_frame(frame)).verdict, ok);
    EXPECT_EQ(rx->counts(), (Counts{.ok = 1, .validated = 64, .sa_ok = 1}));
}

TEST(EtherType, OnlyTheOneConfiguredIsASecTag) {
    for (uint16_t configured : kEtherTypes) {
        for (uint16_t sent : kEtherTypes) {
            FrameRecipe frame;
            frame.ether_type = sent;
            auto rx = peer_rx_side();
            rx->binding.ether_type = configured;
            const Validated result = rx->receive(build_frame(frame));
            EXPECT_EQ(result.verdict, sent == configured ? ok : no_tag);
            if (sent != configured) {
                EXPECT_EQ(rx->counts(), Counts{.no_tag = 1});
            }
        }
    }
}

struct ClearRow {
    const char* what;
    uint8_t allowed;
    Octets tags;
    uint8_t tci;
    ValidateVerdict verdict;
};

TEST(VlanInClear, OnlyAsFarAsAllowed) {
    const Octets service = {0x88, 0xa8, 0x00, 0x07};
    const Octets three = {0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3};
    const ClearRow rows[] = {
        {"a tag when not opted in", 0, kTag, kExplicitConfidential, no_tag},
        {"a tag", 1, kTag, kExplicitConfidential, ok},
        {"a tag, integrity only", 1, kTag, kTciExplicitSci, ok},
        {"a tag, no SCI", 1, kTag, kConfidential, ok},
        {"a tag, ES", 1, kTag, kTciEndStation | kConfidential, ok},
        {"an S-tag", 1, service, kExplicitConfidential, ok},
        {"no tag though opted in", 1, {}, kExplicitConfidential, ok},
        {"two tags where one is allowed", 1, kTwoTags, kExplicitConfidential, no_tag},
        {"two tags", 2, kTwoTags, kExplicitConfidential, ok},
        {"one tag where two are allowed", 2, kTag, kExplicitConfidential, ok},
        {"three tags", 2, three, kExplicitConfidential, no_tag},
        {"never more than two", 200, three, kExplicitConfidential, no_tag},
        {"a bad tag behind a tag", 1, kTag, 0xac, bad_tag},
    };
    for (const ClearRow& row : rows) {
        SCOPED_TRACE(row.what);
        for (std::size_t user : {1, 20, 64}) {
            FrameRecipe frame;
            frame.tci = row.tci;
            frame.vlan_tags = row.tags;
            frame.plain = plain_frame(user);
            auto rx = peer_rx_side();
            rx->binding.vlan_in_clear = row.allowed;
            const Validated result = rx->receive(build_frame(frame));
            EXPECT_EQ(result.verdict, row.verdict);
            if (row.verdict == ok) {
                EXPECT_EQ(to_hex(result.frame), to_hex(frame.delivered()));
                const bool encrypted = (row.tci & kTciEncrypted) != 0;
                EXPECT_EQ(rx->counts(), (Counts{.ok = 1,
                                                .validated = encrypted ? 0 : user,
                                                .decrypted = encrypted ? user : 0,
                                                .sa_ok = 1}))
                    << "the octets of a tag in clear are not User Data";
            }
        }
    }
}

// What the vendor form gives up: a tag in clear can be altered on the way, added or removed.
TEST(VlanInClear, IsNotAuthenticated) {
    FrameRecipe frame;
    frame.vlan_tags = kTag;
    for (const Octets& tags : {Octets{0x81, 0x00, 0x0f, 0xff}, Octets{}, kTwoTags}) {
        Octets octets = build_frame(frame);
        octets.erase(octets.begin() + 12, octets.begin() + 16);
        auto rx = peer_rx_side();
        rx->binding.vlan_in_clear = 2;
        const Validated result = rx->receive(with_tags(octets, tags));
        EXPECT_EQ(result.verdict, ok);
        EXPECT_EQ(to_hex(result.frame), to_hex(with_tags(frame.plain, tags)));
    }
}

// Everything behind the tags is.
TEST(VlanInClear, TheRestIsAuthenticated) {
    for (const Octets& tags : {kTag, kTwoTags}) {
        FrameRecipe frame;
        frame.vlan_tags = tags;
        const Octets genuine = build_frame(frame);
        for (std::size_t at = 0; at < genuine.size(); ++at) {
            if (at >= 12 && at < 12 + tags.size())
                continue;
            auto rx = peer_rx_side();
            rx->binding.vlan_in_clear = 2;
            Octets forged = genuine;
            forged[at] ^= 1;
            EXPECT_NE(rx->receive(forged).verdict, ok) << at;
        }
    }
}

// Frames that are delivered though nothing vouches for them come out whole too.
TEST(VlanInClear, CheckAndDisabledModes) {
    FrameRecipe frame;
    frame.tci = kTciExplicitSci;
    frame.vlan_tags = kTwoTags;
    FrameRecipe forged = frame;
    forged.sak = test_sak(CipherSuite::gcm_aes_128, 99);
    FrameRecipe stranger = frame;
    stranger.sci = kOtherSci;
    for (auto mode : {ValidateFrames::check, ValidateFrames::disabled}) {
        for (const FrameRecipe& sent : {frame, forged, stranger}) {
            auto rx = peer_rx_side();
            rx->binding.vlan_in_clear = 2;
            rx->binding.validate_frames = mode;
            const Validated result = rx->receive(build_frame(sent));
            EXPECT_EQ(result.verdict, ok);
            EXPECT_EQ(to_hex(result.frame), to_hex(frame.delivered()));
        }
    }
}

TEST(Xpn, PnFieldZeroAndTheWrap) {
    for (CipherSuite suite : {CipherSuite::gcm_aes_xpn_128, CipherSuite::gcm_aes_xpn_256}) {
        for (uint64_t upper : {uint64_t{1}, uint64_t{2}, uint64_t{0xb0df459c}}) {
            RxSide rx(suite);
            rx.add_sc(kPeerSci);
            rx.add_sa(0, {}, (upper << 32) - 2);
            for (uint64_t pn = (upper << 32) - 2; pn != (upper << 32) + 3; ++pn) {
                FrameRecipe frame;
                frame.sak = test_sak(suite);
                frame.xpn = kTestXpn;
                frame.pn = pn;
                const Validated result = rx.receive(build_frame(frame));
                EXPECT_EQ(result.verdict, ok) << pn;
                EXPECT_EQ(result.frame, frame.plain);
            }
            EXPECT_EQ(pn_state(rx.sa()), (PnState{(upper << 32) + 3, (upper << 32) + 3}));
            EXPECT_EQ(rx.counts(), (Counts{.ok = 5, .decrypted = 320, .sa_ok = 5}));
        }
    }
}

// A straggler from before the wrap, once lowestPN is behind it, is taken for a number of the next
// turn, which its ICV denies (10.6.2).
TEST(Xpn, StragglerBehindTheWrapIsNotValid) {
    RxSide rx(CipherSuite::gcm_aes_xpn_128);
    rx.add_sc(kPeerSci);
    rx.add_sa(0, {}, 0x1'0000'0001);
    FrameRecipe frame;
    frame.sak = test_sak(CipherSuite::gcm_aes_xpn_128);
    frame.xpn = kTestXpn;
    frame.pn = 0xffff'fff0;
    EXPECT_EQ(rx.receive(build_frame(frame)).verdict, not_valid);
    EXPECT_EQ(pn_state(rx.sa()), (PnState{0x1'0000'0001, 0x1'0000'0001}));
}

TEST(Xpn, SaltSsciAndUpperHalfAreInTheIv) {
    FrameRecipe genuine;
    genuine.sak = test_sak(CipherSuite::gcm_aes_xpn_128);
    genuine.xpn = kTestXpn;
    genuine.pn = 0x5'0000'0005;
    std::vector<FrameRecipe> forged(4, genuine);
    forged[0].xpn->salt[11] ^= 1;
    forged[1].xpn->salt[0] ^= 1;
    forged[2].xpn->ssci ^= 1;
    forged[3].pn ^= uint64_t{1} << 40;
    for (const FrameRecipe& frame : forged) {
        RxSide rx(CipherSuite::gcm_aes_xpn_128);
        rx.add_sc(kPeerSci);
        rx.add_sa(0, {}, 0x5'0000'0001);
        EXPECT_EQ(rx.receive(build_frame(frame)).verdict, not_valid);
        EXPECT_EQ(rx.receive(build_frame(genuine)).verdict, ok);
    }
}

// SAs of two SCs and two suites, refused frames of every kind between them, in one call and in
// order.
TEST(Validate, MixedBatch) {
    RxSide rx;
    rx.add_sc(kPeerSci);
    rx.add_sa(0, test_sak());
    rx.add_sa(1, test_sak(CipherSuite::gcm_aes_128, 5));
    rx.add_sc(kOtherSci);
    rx.add_sa(3, test_sak(CipherSuite::gcm_aes_128, 6));
    rx.binding.vlan_in_clear = 1;

    std::vector<Octets> frames;
    std::vector<Octets> plains;
    std::vector<ValidateVerdict> verdicts;
    const auto add = [&](ValidateVerdict verdict, const FrameRecipe& frame) {
        frames.push_back(build_frame(frame));
        plains.push_back(frame.delivered());
        verdicts.push_back(verdict);
    };
    for (uint32_t pn = 1; pn <= 6; ++pn) {
        FrameRecipe frame;
        frame.pn = pn;
        frame.plain = plain_frame(30 + 100 * pn, pn);
        add(ok, frame);
        FrameRecipe forged = frame;
        forged.pn = pn + 1000;
        forged.sak = test_sak(CipherSuite::gcm_aes_128, 77);
        add(not_valid, forged);
        frame.an = 1;
        frame.sak = test_sak(CipherSuite::gcm_aes_128, 5);
        frame.vlan_tags = kTag;
        add(ok, frame);
        frame.tci = 0x24; // C without E
        frame.pn = pn + 1;
        add(not_valid, frame);
        FrameRecipe other;
        other.sci = kOtherSci;
        other.an = 3;
        other.pn = pn;
        other.tci = kTciExplicitSci;
        other.sak = test_sak(CipherSuite::gcm_aes_128, 6);
        add(ok, other);
        add(late, other);
        other.an = 2;
        add(not_using_sa, other);
        other.tci = 0xac;
        add(bad_tag, other);
    }
    const auto results = rx.receive_burst(frames);
    for (std::size_t i = 0; i < results.size(); ++i) {
        ASSERT_EQ(results[i].verdict, verdicts[i]) << i;
        if (verdicts[i] == ok) {
            EXPECT_EQ(to_hex(results[i].frame), to_hex(plains[i])) << i;
        }
    }
    EXPECT_EQ(rx.sc(0).counters.in_pkts_ok.get(), 12u);
    EXPECT_EQ(rx.sc(1).counters.in_pkts_ok.get(), 6u);
    EXPECT_EQ(rx.sc(1).counters.in_pkts_late.get(), 6u);
    EXPECT_EQ(rx.sc(1).counters.in_octets_validated.get(), 12u * 64u);
    EXPECT_EQ(rx.sa(0).counters.in_pkts_not_valid.get(), 6u);
    EXPECT_EQ(rx.sa(1).counters.in_pkts_not_valid.get(), 6u);
    for (std::size_t sa = 0; sa < 3; ++sa) {
        EXPECT_EQ(rx.sa(sa).counters.in_pkts_ok.get(), 6u);
        EXPECT_EQ(rx.sa(sa).replay.next_pn(), 7u);
    }
}

} // namespace
} // namespace isthmus::macsec::test
