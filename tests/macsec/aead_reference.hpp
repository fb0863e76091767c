#pragma once
// What tests of the AES-GCM engines share: every engine of this CPU, packets in memory whose edges
// are watched, and the reference, one-shot calls of libcrypto.

#include "support.hpp"

#include "macsec/aead.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace isthmus::macsec::test {

// All engines of the build and their forms.
[[nodiscard]] std::vector<std::string> all_engine_names();

// Runs each test with each engine; skips those that this CPU can not run.
class EngineTest : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override;
    [[nodiscard]] const Aead& aead() const { return *aead_; }
    [[nodiscard]] std::unique_ptr<AeadKey> key_for(const Octets& sak) const;

  private:
    std::unique_ptr<Aead> aead_;
};

// What one operation is made of, and what the reference makes of it.
struct Case {
    Octets sak;
    std::array<uint8_t, 12> iv{};
    Octets aad;
    Octets plain;
    Octets sealed;
    std::array<uint8_t, kIcvLength> icv{};
};
[[nodiscard]] Case make_case(std::mt19937& random, const Octets& sak, std::size_t aad_length,
                             std::size_t text_length);

// AAD, text and ICV in blocks of memory of their own with the slack of the contract and nothing
// more, so that AddressSanitizer sees the first octet beyond; before them as many octets as the
// alignment wants.
class Packet {
  public:
    Packet(const Case& from, std::size_t aad_alignment, std::size_t text_alignment);

    void load(const Octets& text, const std::array<uint8_t, kIcvLength>& icv);
    [[nodiscard]] AeadOp op(AeadKey& sak);
    [[nodiscard]] bool holds(const Octets& text) const;
    [[nodiscard]] bool has_icv() const { return icv_ == case_->icv; }
    // That nothing before aad and text, and nothing of the AAD or its slack, has changed.
    [[nodiscard]] bool edges_are_whole() const;

    uint8_t* aad() { return aad_.get() + aad_alignment_; }
    uint8_t* text() { return text_.get() + text_alignment_; }
    std::array<uint8_t, 12>& iv() { return iv_; }
    std::array<uint8_t, kIcvLength>& icv() { return icv_; }

  private:
    const Case* case_;
    std::size_t aad_alignment_;
    std::size_t text_alignment_;
    std::unique_ptr<uint8_t[]> aad_;
    std::unique_ptr<uint8_t[]> text_;
    std::array<uint8_t, 12> iv_{};
    std::array<uint8_t, kIcvLength> icv_{};
};

// Seals all cases in one batch and opens them in another, and compares with the reference.
void expect_agreement(const Aead& aead, const std::vector<Case>& cases,
                      const std::vector<AeadKey*>& saks, std::size_t first_alignment = 0);

} // namespace isthmus::macsec::test
