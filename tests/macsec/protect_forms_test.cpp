// Secure frame generation in every form that a SecY may be configured for, against frames that the
// code under test did not make.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

constexpr std::size_t kLongestUserData = 1600;
constexpr uint8_t kForms[] = {kTciExplicitSci, kTciEndStation, kTciSingleCopyBroadcast,
                              kTciEndStation | kTciSingleCopyBroadcast, 0};

// The SCI that a form of tag stands for.
Sci sci_of(uint8_t form) {
    return (form & kTciSingleCopyBroadcast) != 0 ? kSingleCopySci : kPeerSci;
}

TEST(Protect, RoundTripOfEveryLength) {
    for (CipherSuite suite : kCipherSuites) {
        for (uint8_t protection : {uint8_t{0}, kConfidential}) {
            TxSide tx(kPeerSci, suite, 1);
            tx.binding.format.tci = kTciExplicitSci | protection;
            RxSide rx(suite);
            rx.add_sc(kPeerSci);
            rx.add_sa(1);
            for (std::size_t user = 1; user <= kLongestUserData; ++user) {
                const Octets plain = plain_frame(user, static_cast<uint32_t>(user));
                const Octets sealed = tx.protect(plain);
                ASSERT_EQ(sealed.size(), plain.size() + kMacsecOverhead);
                ASSERT_EQ(sealed[15], user < 48 ? user : 0) << "Short Length";
                const Validated opened = rx.receive(sealed);
                ASSERT_EQ(opened.verdict, ValidateVerdict::ok) << user;
                ASSERT_EQ(opened.frame, plain) << user;
            }
            EXPECT_EQ(rx.sa().replay.next_pn(), kLongestUserData + 1);
            EXPECT_EQ(tx.sa->pn->next(), kLongestUserData + 1);
        }
    }
}

void compare(const FrameRecipe& recipe, CipherSuite suite) {
    const bool encrypted = (recipe.tci & kTciEncrypted) != 0;
    const auto user = recipe.plain.size() - 12;
    TxSide tx(recipe.sci, suite, recipe.an, recipe.pn, recipe.sak);
    tx.binding.format = {recipe.tci, recipe.confidentiality_offset,
                         static_cast<uint8_t>(recipe.vlan_tags.size() / 4), recipe.ether_type};
    ASSERT_EQ(to_hex(tx.protect(recipe.delivered())), to_hex(build_frame(recipe)))
        << "TCI " << int{recipe.tci} << ", offset " << int{recipe.confidentiality_offset} << ", "
        << user << " octets";
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), encrypted ? 1u : 0u);
    EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), encrypted ? user : 0u);
    EXPECT_EQ(tx.sc.counters.out_pkts_protected.get(), encrypted ? 0u : 1u);
    EXPECT_EQ(tx.sc.counters.out_octets_protected.get(), encrypted ? 0u : user);
    EXPECT_EQ(tx.sa->counters.out_pkts_encrypted.get(), encrypted ? 1u : 0u);
    EXPECT_EQ(tx.sa->counters.out_pkts_protected.get(), encrypted ? 0u : 1u);
    EXPECT_EQ(tx.secy.out_pkts_untagged.get() + tx.secy.out_pkts_too_long.get(), 0u);
}

TEST(Protect, EveryTagFormat) {
    for (CipherSuite suite : kCipherSuites) {
        FrameRecipe recipe;
        recipe.sak = test_sak(suite);
        recipe.xpn = test_xpn(suite);
        recipe.an = 2;
        recipe.pn = is_xpn(suite) ? 0x1'0000'0000 : 0x0102'0304; // PN field 0 with XPN
        for (uint8_t form : kForms) {
            recipe.sci = sci_of(form);
            for (uint8_t protection : {uint8_t{0}, kConfidential}) {
                recipe.tci = form | protection;
                for (const Octets& tags : {Octets{}, kTag, kTwoTags}) {
                    recipe.vlan_tags = tags;
                    for (uint16_t ether_type : {uint16_t{0x88e5}, uint16_t{0x876f}}) {
                        recipe.ether_type = ether_type;
                        for (std::size_t user : {1, 2, 15, 16, 47, 48, 49, 1500, 9000}) {
                            recipe.plain = plain_frame(user);
                            compare(recipe, suite);
                        }
                    }
                }
            }
        }
    }
}

TEST(Protect, ConfidentialityOffsets) {
    for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
        FrameRecipe recipe;
        recipe.sak = test_sak(suite);
        for (uint8_t offset : {uint8_t{30}, uint8_t{50}}) {
            recipe.confidentiality_offset = offset;
            for (uint8_t tci : {kExplicitConfidential, kConfidential, kTciExplicitSci}) {
                recipe.tci = tci;
                for (std::size_t user : {1, 29, 30, 31, 47, 48, 49, 50, 51, 1500}) {
                    recipe.plain = plain_frame(user);
                    compare(recipe, suite);
                }
            }
        }
    }
}

// A tag that the format does not leave in clear is User Data like everything else.
TEST(Protect, VlanTagsThatAreNotLeftInClear) {
    for (uint8_t allowed : {uint8_t{0}, uint8_t{1}}) {
        FrameRecipe recipe;
        recipe.plain = with_tags(plain_frame(60), kTwoTags);
        if (allowed == 1) {
            recipe.vlan_tags.assign(kTwoTags.begin(), kTwoTags.begin() + 4);
            recipe.plain.erase(recipe.plain.begin() + 12, recipe.plain.begin() + 16);
        }
        TxSide tx;
        tx.binding.format.vlan_in_clear = allowed;
        EXPECT_EQ(to_hex(tx.protect(recipe.delivered())), to_hex(build_frame(recipe)));
        EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), 68u - 4 * allowed);
    }
}

// Nothing is left to protect behind the tag: it stays inside, as User Data is at least one octet.
TEST(Protect, ATagAloneIsUserData) {
    TxSide tx;
    tx.binding.format.vlan_in_clear = 1;
    FrameRecipe recipe;
    recipe.plain = with_tags(plain_frame(0), kTag);
    EXPECT_EQ(to_hex(tx.protect(recipe.plain)), to_hex(build_frame(recipe)));
}

TEST(Protect, PaddedShortFramesAreRestored) {
    TxSide tx;
    auto rx = peer_rx_side();
    for (std::size_t user = 1; user < 48; ++user) {
        const Octets plain = plain_frame(user);
        Octets wire = tx.protect(plain);
        wire.resize(std::max<std::size_t>(wire.size(), 60) + 4, 0xee);
        const Validated opened = rx->receive(wire);
        ASSERT_EQ(opened.verdict, ValidateVerdict::ok) << user;
        EXPECT_EQ(opened.frame, plain);
    }
}

} // namespace
} // namespace isthmus::macsec::test
