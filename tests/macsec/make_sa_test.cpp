// The limits of an SA, and where it starts.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

struct SaRow {
    const char* field; // nullptr: it is made
    CipherSuite suite;
    uint8_t an;
    std::size_t sak_length;
    uint64_t pn;
    bool xpn;
};

TEST(SaLimits, RefuseWhatTheStandardDoesNotAllow) {
    using enum CipherSuite;
    const SaRow rows[] = {
        {nullptr, gcm_aes_128, 3, 16, 0xffff'ffff, false},
        {nullptr, gcm_aes_256, 0, 32, 1, false},
        {nullptr, gcm_aes_xpn_128, 0, 16, 0x1'0000'0000, true},
        {nullptr, gcm_aes_xpn_256, 0, 32, last_pn(gcm_aes_xpn_256), true},
        {"an", gcm_aes_128, 4, 16, 1, false},
        {"an", gcm_aes_128, 255, 16, 1, false},
        {"pn", gcm_aes_128, 0, 16, 0, false},
        {"pn", gcm_aes_128, 0, 16, 0x1'0000'0000, false},
        {"pn", gcm_aes_128, 0, 16, UINT64_MAX, false},
        {"pn", gcm_aes_xpn_128, 0, 16, 0, true},
        {"pn", gcm_aes_xpn_128, 0, 16, UINT64_MAX, true},
        {"sak", gcm_aes_128, 0, 0, 1, false},
        {"sak", gcm_aes_128, 0, 15, 1, false},
        {"sak", gcm_aes_128, 0, 32, 1, false},
        {"sak", gcm_aes_xpn_256, 0, 16, 1, true},
        {"salt", gcm_aes_128, 0, 16, 1, true},
        {"salt", gcm_aes_xpn_256, 0, 32, 1, false},
    };
    for (const SaRow& row : rows) {
        const Octets sak(row.sak_length, 0xa5);
        const SaSpec spec{row.suite, row.an, sak, kPeerSci,
                          row.xpn ? std::optional(kTestXpn) : std::nullopt};
        const auto tx = make_tx_sa(
            engine(), spec,
            std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, row.pn, UINT64_MAX));
        const auto rx = make_rx_sa(engine(), spec, row.pn);
        ASSERT_EQ(tx.has_value(), row.field == nullptr);
        ASSERT_EQ(rx.has_value(), row.field == nullptr);
        if (row.field == nullptr) {
            EXPECT_EQ((*tx)->pn->next(), row.pn);
            EXPECT_EQ((*tx)->an, row.an);
            EXPECT_EQ(pn_state(**rx), (PnState{row.pn, row.pn}));
            EXPECT_EQ((*rx)->an, row.an);
            continue;
        }
        const bool of_pn = std::string_view(row.field) == "pn";
        EXPECT_EQ(tx.error().field, of_pn ? "next_pn" : row.field);
        EXPECT_EQ(rx.error().field, of_pn ? "lowest_pn" : row.field);
        EXPECT_EQ(tx.error().message.find("a5a5"), std::string::npos) << "shows the SAK";
    }
}

TEST(IvBase, OfBothKinds) {
    EXPECT_EQ(to_hex(make_iv_base({0x12153524c0895e81}, std::nullopt).octets),
              "12153524c0895e8100000000");
    // IEEE 802.1AE Annex C, of the XPN suites, without its packet number.
    EXPECT_EQ(to_hex(make_iv_base(kPeerSci, kTestXpn).octets), "9c00290248de86a21c66fa6d");
}

} // namespace
} // namespace isthmus::macsec::test
