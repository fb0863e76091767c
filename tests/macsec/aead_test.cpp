// Engines behind the seam: the known answers, and the tests that stand guard over them.
#include "support.hpp"

#include "macsec/aead_kat.hpp"
#include "macsec/fingerprint.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

TEST(MakeAead, FindsEnginesByName) {
    for (const char* name : {"auto", "openssl"}) {
        const auto aead = make_aead(name);
        ASSERT_TRUE(aead.has_value()) << name;
        EXPECT_EQ((*aead)->name(), "openssl");
    }
}

TEST(MakeAead, RefusesAnUnknownEngineAndNamesTheKnownOnes) {
    for (const char* name : {"", "OpenSSL", "openssl "}) {
        const auto aead = make_aead(name);
        ASSERT_FALSE(aead.has_value());
        EXPECT_EQ(aead.error().code, ErrorCode::invalid);
        EXPECT_EQ(aead.error().field, "engine");
        EXPECT_EQ(aead.error().value, name);
        EXPECT_EQ(aead.error().limit, "one of auto, openssl");
    }
}

enum class Fault { none, wrong_cipher_text, wrong_icv, accepts_all, refuses_all, no_text };

// A sound engine with one fault put in front of it.
class FaultyAead final : public Aead {
  public:
    explicit FaultyAead(Fault fault) : fault_(fault) {}
    [[nodiscard]] std::string_view name() const noexcept override { return "faulty"; }
    [[nodiscard]] Result<std::unique_ptr<AeadKey>>
    make_key(CipherSuite suite, std::span<const uint8_t> sak) const override {
        return engine().make_key(suite, sak);
    }
    void seal(std::span<AeadOp> ops) const noexcept override {
        engine().seal(ops);
        if (fault_ == Fault::wrong_cipher_text)
            ops.back().text[ops.back().text_length - 1] ^= 1;
        if (fault_ == Fault::wrong_icv)
            ops.back().icv[kIcvLength - 1] ^= 1;
    }
    void open(std::span<AeadOp> ops) const noexcept override {
        engine().open(ops);
        for (AeadOp& op : ops) {
            if (fault_ == Fault::accepts_all)
                op.authentic = true;
            if (fault_ == Fault::refuses_all)
                op.authentic = false;
            if (fault_ == Fault::no_text)
                op.text[0] = 0xff;
        }
    }

  private:
    Fault fault_;
};

TEST(KnownAnswerTests, CatchEveryFault) {
    EXPECT_TRUE(run_known_answer_tests(FaultyAead(Fault::none)).has_value());
    for (Fault fault : {Fault::wrong_cipher_text, Fault::wrong_icv, Fault::accepts_all,
                        Fault::refuses_all, Fault::no_text}) {
        const auto tested = run_known_answer_tests(FaultyAead(fault));
        ASSERT_FALSE(tested.has_value()) << static_cast<int>(fault);
        EXPECT_EQ(tested.error().field, "engine");
        EXPECT_EQ(tested.error().value, "faulty");
        EXPECT_NE(tested.error().message.find("known-answer test C.7."), std::string::npos)
            << tested.error().message;
    }
}

TEST(Aead, RefusesSaksOfTheWrongLength) {
    for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
        for (std::size_t length : {0, 15, 16, 17, 24, 31, 32, 33}) {
            const auto made = engine().make_key(suite, Octets(length, 0xa5));
            EXPECT_EQ(made.has_value(), length == sak_length(suite)) << length;
            if (!made) {
                EXPECT_EQ(made.error().field, "sak");
                EXPECT_EQ(made.error().message.find("a5"), std::string::npos);
            }
        }
    }
}

AeadOp op_for(AeadKey& sak, Octets& aad, Octets& text, Octets& icv) {
    AeadOp op;
    op.sak = &sak;
    op.aad = aad.data();
    op.aad_length = static_cast<uint32_t>(aad.size());
    op.text = text.data();
    op.text_length = static_cast<uint32_t>(text.size());
    op.icv = icv.data();
    op.iv.fill(0x42);
    return op;
}

TEST(Aead, SealsAndOpensWithoutText) {
    const Octets sak_octets = test_sak();
    auto sak = engine().make_key(CipherSuite::gcm_aes_128, sak_octets).value().release();
    const std::unique_ptr<AeadKey> owner(sak);
    Octets aad = random_octets(64, 1);
    Octets text;
    Octets icv(kIcvLength);
    AeadOp op = op_for(*sak, aad, text, icv);
    engine().seal(std::span(&op, 1));
    engine().open(std::span(&op, 1));
    EXPECT_TRUE(op.authentic);
    aad[5] ^= 1;
    engine().open(std::span(&op, 1));
    EXPECT_FALSE(op.authentic);
    aad[5] ^= 1;
    engine().open(std::span(&op, 1));
    EXPECT_TRUE(op.authentic) << "a forged frame must not spoil the SAK for the next one";
}

TEST(Aead, AcceptsAnEmptyBatch) {
    engine().seal({});
    engine().open({});
}

TEST(Fingerprint, IsTheHeadOfSha256) {
    // FIPS 180-2 appendix B.1: SHA-256 of "abc" begins ba7816bf 8f01cfea.
    const std::string_view abc = "abc";
    EXPECT_EQ(fingerprint({reinterpret_cast<const uint8_t*>(abc.data()), abc.size()}),
              "ba7816bf8f01cfea");
}

struct BadSa {
    const char* field;
    uint8_t an;
    std::size_t sak_length;
    uint64_t pn;
};

TEST(MakeSa, RefusesWhatTheStandardDoesNotAllow) {
    constexpr BadSa kRows[] = {
        {"an", 4, 16, 1},           {"an", 255, 16, 1},        {"pn", 0, 16, 0},
        {"pn", 0, 16, 0x100000000}, {"pn", 0, 16, UINT64_MAX}, {"sak", 0, 0, 1},
        {"sak", 0, 15, 1},          {"sak", 0, 32, 1},
    };
    for (const BadSa& row : kRows) {
        const Octets sak(row.sak_length, 0xa5);
        const auto tx = make_tx_sa(engine(), CipherSuite::gcm_aes_128, row.an, sak, row.pn);
        const auto rx = make_rx_sa(engine(), CipherSuite::gcm_aes_128, row.an, sak, row.pn);
        ASSERT_FALSE(tx.has_value() || rx.has_value()) << row.field;
        const bool pn = std::string_view(row.field) == "pn";
        EXPECT_EQ(tx.error().field, pn ? "next_pn" : row.field);
        EXPECT_EQ(rx.error().field, pn ? "lowest_pn" : row.field);
        EXPECT_EQ(tx.error().code, ErrorCode::invalid);
        EXPECT_EQ(tx.error().message.find("a5a5"), std::string::npos) << "shows the SAK";
    }
}

TEST(MakeSa, StartsWhereItIsTold) {
    for (uint64_t pn : {uint64_t{1}, uint64_t{77}, uint64_t{0xffffffff}}) {
        const auto tx = make_tx_sa(engine(), CipherSuite::gcm_aes_256, 3,
                                   test_sak(CipherSuite::gcm_aes_256), pn);
        ASSERT_TRUE(tx.has_value());
        EXPECT_EQ((*tx)->next_pn.get(), pn);
        EXPECT_EQ((*tx)->last_pn, 0xffffffffu);
        EXPECT_EQ((*tx)->an, 3);
        const auto rx = make_rx_sa(engine(), CipherSuite::gcm_aes_256, 2,
                                   test_sak(CipherSuite::gcm_aes_256), pn);
        ASSERT_TRUE(rx.has_value());
        EXPECT_EQ((*rx)->next_pn.get(), pn);
        EXPECT_EQ((*rx)->lowest_pn.get(), pn);
        EXPECT_EQ((*rx)->an, 2);
    }
}

} // namespace
} // namespace isthmus::macsec::test
