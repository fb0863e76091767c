// Every engine against one-shot calls of libcrypto: the same octets, the same verdict.
#include "aead_reference.hpp"

#include <algorithm>

namespace isthmus::macsec::test {
namespace {

class AeadDifferential : public EngineTest {
  protected:
    struct Sak {
        Octets octets;
        std::unique_ptr<AeadKey> expanded;
    };
    std::vector<Sak> saks(std::size_t count) {
        std::vector<Sak> made;
        for (std::size_t i = 0; i < count; ++i) {
            Octets octets(i % 2 == 0 ? 16 : 32);
            for (uint8_t& octet : octets)
                octet = static_cast<uint8_t>(random_());
            made.push_back({octets, key_for(octets)});
        }
        return made;
    }
    std::size_t below(std::size_t limit) { return random_() % limit; }

    // A batch of cases that use these SAKs in turn.
    void agree(const std::vector<Sak>& keys,
               const std::vector<std::pair<std::size_t, std::size_t>>& aad_and_text,
               std::size_t alignment = 0) {
        std::vector<Case> cases;
        std::vector<AeadKey*> expanded;
        for (std::size_t i = 0; i < aad_and_text.size(); ++i) {
            const Sak& sak = keys[i % keys.size()];
            cases.push_back(
                make_case(random_, sak.octets, aad_and_text[i].first, aad_and_text[i].second));
            expanded.push_back(sak.expanded.get());
        }
        expect_agreement(aead(), cases, expanded, alignment);
    }

    std::mt19937 random_{20240229};
};

TEST_P(AeadDifferential, EveryTextLengthInUniformBursts) {
    for (const bool is_256 : {false, true}) {
        auto keys = saks(2);
        keys.erase(keys.begin() + (is_256 ? 0 : 1));
        for (std::size_t text = 0; text <= 600 && !HasFatalFailure(); ++text)
            for (std::size_t aad : {20, 28})
                agree(keys, std::vector(9, std::pair(aad, text)), text);
    }
}

TEST_P(AeadDifferential, EveryAlignment) {
    const auto keys = saks(2);
    for (std::size_t alignment = 0; alignment < 64 && !HasFatalFailure(); ++alignment)
        agree(keys,
              {{28, 46},
               {28, 46},
               {28, 64},
               {28, 64},
               {20, 100},
               {28, 127},
               {28, 333},
               {28, 1400},
               {28, 1400},
               {29, 1999},
               {2000, 0},
               {78, 1450}},
              alignment);
}

TEST_P(AeadDifferential, EveryAadLength) {
    const auto keys = saks(3);
    for (std::size_t aad = 0; aad <= 100 && !HasFatalFailure(); ++aad)
        agree(keys, {{aad, 0},
                     {aad, 1},
                     {aad, 46},
                     {aad, 64},
                     {aad, 64},
                     {aad, 65},
                     {aad, 128},
                     {aad, 200},
                     {aad, 300},
                     {aad, 1700}});
}

// Where the powers of H end and the hash is reduced on the way, and the longest frames.
TEST_P(AeadDifferential, LongTextAndLongAad) {
    const auto keys = saks(2);
    for (std::size_t base : {512, 1024, 1536, 1744, 1792, 2048, 3584, 5376, 7168, 8960, 9180})
        for (std::size_t i = 0; i <= 36 && !HasFatalFailure(); ++i)
            agree(keys, {{28, base + i},
                         {28, base + i},
                         {base + i, 0},
                         {base + i, 0},
                         {base + i, 16 * i},
                         {20, base + i}});
}

// Nothing about one operation may depend on its neighbours.
TEST_P(AeadDifferential, MixedBatches) {
    const auto keys = saks(5);
    for (int round = 0; round < 400 && !HasFatalFailure(); ++round) {
        std::vector<std::pair<std::size_t, std::size_t>> shapes(1 + below(100));
        const std::size_t kind = below(4);
        for (auto& [aad, text] : shapes) {
            aad = below(3) != 0 ? 28 : below(2) != 0 ? 20 : below(101);
            text = kind == 0 ? below(130) : kind == 1 ? below(1500) : below(601);
            if (kind == 3 && below(8) == 0)
                (below(2) == 0 ? aad : text) = below(9217);
        }
        agree(keys, shapes, below(64));
    }
}

TEST_P(AeadDifferential, RunsOfKeysInABatch) {
    const auto keys = saks(6);
    std::vector<Case> cases;
    std::vector<AeadKey*> expanded;
    for (std::size_t run = 1; run < 12; ++run)
        for (std::size_t i = 0; i < run; ++i) {
            const Sak& sak = keys[run % keys.size()];
            cases.push_back(make_case(random_, sak.octets, 28, 40 + 2 * i));
            expanded.push_back(sak.expanded.get());
        }
    expect_agreement(aead(), cases, expanded);
}

TEST_P(AeadDifferential, NoTextAndNoAadMayBeNull) {
    const auto keys = saks(2);
    for (const Sak& sak : keys) {
        const Case c = make_case(random_, sak.octets, 0, 0);
        std::array<uint8_t, kIcvLength> icv{};
        AeadOp op{};
        op.sak = sak.expanded.get();
        op.icv = icv.data();
        op.iv = c.iv;
        aead().seal(std::span(&op, 1));
        EXPECT_EQ(icv, c.icv);
        aead().open(std::span(&op, 1));
        EXPECT_TRUE(op.authentic);
        icv[3] ^= 0x10;
        aead().open(std::span(&op, 1));
        EXPECT_FALSE(op.authentic);
    }
}

TEST_P(AeadDifferential, AcceptsAnEmptyBatch) {
    aead().seal({});
    aead().open({});
}

INSTANTIATE_TEST_SUITE_P(Engines, AeadDifferential, ::testing::ValuesIn(all_engine_names()),
                         [](const auto& row) { return row.param; });

} // namespace
} // namespace isthmus::macsec::test
