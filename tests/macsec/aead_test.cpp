// Engines behind the seam: the known answers, and the tests that stand guard over them.
#include "support.hpp"

#include "macsec/aead_kat.hpp"
#include "macsec/cpu.hpp"
#include "macsec/fingerprint.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

TEST(MakeAead, FindsEnginesByName) {
    for (std::string_view name : {"ipsec_mb", "openssl"}) {
        const auto aead = make_aead(name);
        ASSERT_TRUE(aead.has_value()) << name;
        EXPECT_EQ((*aead)->name(), name);
    }
}

TEST(MakeAead, TakesTheFastestThatTheCpuCanRun) {
    const auto aead = make_aead("auto");
    ASSERT_TRUE(aead.has_value());
    EXPECT_EQ((*aead)->name(), cpu_features().vaes_256 ? "vaes" : "ipsec_mb");
    EXPECT_EQ(make_aead("vaes").has_value(), cpu_features().vaes_256);
    EXPECT_EQ(make_aead("vaes512").has_value(), cpu_features().vaes_512);
}

TEST(MakeAead, RefusesAnUnknownEngineAndNamesTheKnownOnes) {
    for (const char* name : {"", "OpenSSL", "openssl "}) {
        const auto aead = make_aead(name);
        ASSERT_FALSE(aead.has_value());
        EXPECT_EQ(aead.error().code, ErrorCode::invalid);
        EXPECT_EQ(aead.error().field, "engine");
        EXPECT_EQ(aead.error().value, name);
        EXPECT_EQ(aead.error().limit, "one of auto, vaes, ipsec_mb, openssl");
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
        EXPECT_NE(tested.error().message.find("known-answer test "), std::string::npos)
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
    AeadOp op{};
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
    Octets aad = random_octets(64 + kAeadSlack, 1);
    Octets text;
    Octets icv(kIcvLength);
    AeadOp op = op_for(*sak, aad, text, icv);
    op.aad_length = 64;
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

} // namespace
} // namespace isthmus::macsec::test
