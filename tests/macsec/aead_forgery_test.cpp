// Nothing that was altered is accepted, and what was altered spoils nothing else.
#include "aead_reference.hpp"

#include <algorithm>
#include <deque>

namespace isthmus::macsec::test {
namespace {

class AeadForgery : public EngineTest {
  protected:
    bool opens(Packet& packet, AeadKey& sak) {
        AeadOp op = packet.op(sak);
        op.authentic = true;
        aead().open(std::span(&op, 1));
        return op.authentic;
    }
    std::mt19937 random_{77};
};

TEST_P(AeadForgery, EveryBitOfTheIcv) {
    for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
        const Octets sak = test_sak(suite);
        const auto expanded = key_for(sak);
        for (std::size_t text : {0, 46, 64, 300, 1400}) {
            const Case c = make_case(random_, sak, 28, text);
            Packet packet(c, 0, 28);
            for (std::size_t bit = 0; bit < 8 * kIcvLength; ++bit) {
                packet.load(c.sealed, c.icv);
                packet.icv()[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
                ASSERT_FALSE(opens(packet, *expanded)) << "bit " << bit << ", text " << text;
            }
            packet.load(c.sealed, c.icv);
            ASSERT_TRUE(opens(packet, *expanded));
            ASSERT_TRUE(packet.holds(c.plain));
        }
    }
}

TEST_P(AeadForgery, EveryOctetOfTextAadAndIv) {
    const Octets sak = test_sak(CipherSuite::gcm_aes_256);
    const auto expanded = key_for(sak);
    for (auto [aad, text] : {std::pair(28, 46), {28, 130}, {20, 64}, {78, 1040}, {400, 0}}) {
        const Case c = make_case(random_, sak, aad, text);
        Packet packet(c, 3, 28);
        const auto expect_refused = [&](uint8_t& octet, const char* what, std::size_t at) {
            packet.load(c.sealed, c.icv);
            const uint8_t flipped = static_cast<uint8_t>(1 << random_() % 8);
            octet ^= flipped;
            EXPECT_FALSE(opens(packet, *expanded)) << what << " octet " << at;
            octet ^= flipped;
        };
        for (std::size_t i = 0; i < c.aad.size(); ++i)
            expect_refused(packet.aad()[i], "AAD", i);
        for (std::size_t i = 0; i < c.iv.size(); ++i)
            expect_refused(packet.iv()[i], "IV", i);
        for (std::size_t i = 0; i < c.plain.size(); ++i)
            expect_refused(packet.text()[i], "text", i);
        packet.load(c.sealed, c.icv);
        EXPECT_TRUE(opens(packet, *expanded));
    }
}

// Octets that are moved from the AAD to the text and back keep their order, but not the lengths.
TEST_P(AeadForgery, LengthsAreAuthenticated) {
    const Octets sak = test_sak();
    const auto expanded = key_for(sak);
    const Case c = make_case(random_, sak, 32, 64);
    Packet packet(c, 0, 0);
    for (auto [aad, text] : {std::pair(16, 64), {31, 64}, {32, 48}, {32, 63}, {32, 0}, {0, 64}}) {
        packet.load(c.sealed, c.icv);
        AeadOp op = packet.op(*expanded);
        op.aad_length = static_cast<uint32_t>(aad);
        op.text_length = static_cast<uint32_t>(text);
        aead().open(std::span(&op, 1));
        EXPECT_FALSE(op.authentic) << aad << " " << text;
    }
}

// Genuine, forged and foreign packets in random order: the verdict is each packet's own.
TEST_P(AeadForgery, ForgedBetweenGenuine) {
    const Octets saks[] = {test_sak(CipherSuite::gcm_aes_128, 1),
                           test_sak(CipherSuite::gcm_aes_128, 2),
                           test_sak(CipherSuite::gcm_aes_256, 3)};
    std::vector<std::unique_ptr<AeadKey>> expanded;
    for (const Octets& sak : saks)
        expanded.push_back(key_for(sak));
    for (int round = 0; round < 200; ++round) {
        const std::size_t count = 1 + random_() % 70;
        std::deque<Case> cases;
        std::deque<Packet> packets; // operations point into them
        std::vector<AeadOp> ops;
        std::vector<bool> genuine;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t which = random_() % std::size(saks);
            const std::size_t text = round % 2 == 0 ? random_() % 130 : random_() % 1500;
            const Case& c = cases.emplace_back(make_case(random_, saks[which], 28, text));
            Packet& packet = packets.emplace_back(c, i % 64, 7 * i % 64);
            packet.load(c.sealed, c.icv);
            const std::size_t forgery = random_() % 8;
            genuine.push_back(forgery >= 4 || (forgery == 1 && text == 0));
            if (forgery == 0)
                packet.icv()[random_() % kIcvLength] ^= 0x80;
            if (forgery == 1 && text != 0)
                packet.text()[random_() % text] ^= 1;
            if (forgery == 2)
                packet.aad()[random_() % 28] ^= 4;
            ops.push_back(packet.op(*expanded[which]));
            if (forgery == 3)
                ops.back().sak = expanded[(which + 1) % std::size(saks)].get();
        }
        aead().open(ops);
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(ops[i].authentic, genuine[i]) << round << " " << i;
            if (genuine[i]) {
                ASSERT_TRUE(packets[i].holds(cases[i].plain)) << round << " " << i;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Engines, AeadForgery, ::testing::ValuesIn(all_engine_names()),
                         [](const auto& row) { return row.param; });

} // namespace
} // namespace isthmus::macsec::test
