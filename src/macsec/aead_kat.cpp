// Vectors: IEEE 802.1AE Annex C.7.1 and C.7.2 (61-octet frame, confidentiality, explicit SCI),
// octets as in DPDK app/test/test_security_inline_macsec_vectors.h, commit 38f72e5. The others are
// patterns of octets sealed by libcrypto 3.0, of lengths at which engines change their ways: tails,
// teams, groups, reductions of the hash, the longest frames.
#include "macsec/aead_kat.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace isthmus::macsec {
namespace {

struct AnnexVector {
    std::string_view name;
    CipherSuite suite;
    std::string_view sak;
    std::string_view iv;
    std::string_view aad;
    std::string_view plain;
    std::string_view sealed;
    std::string_view icv;
};

constexpr auto kAnnexVectors = std::to_array<AnnexVector>({
    {"C.7.1", CipherSuite::gcm_aes_128, "013fe00b5f11be7f866d0cbbc55a7a90",
     "7cfde9f9e33724c68932d612", "84c5d513d2aaf6e5bbd2727788e52f008932d6127cfde9f9e33724c6",
     "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c"
     "2d2e2f303132333435363738393a3b0006",
     "3a4de6fa32191014dbb303d92ee3a9e8a1b599c14d22fb080096e13811816a3c"
     "9c9bcf7c1b9b96da809204e29d0e2a7642",
     "bfd310a4837c816ccfa5ac23ab003988"},
    {"C.7.2", CipherSuite::gcm_aes_256,
     "83c093b58de7ffe1c0da926ac43fb3609ac1c80fee1b624497ef942e2f79a823", "7cfde9f9e33724c68932d612",
     "84c5d513d2aaf6e5bbd2727788e52f008932d6127cfde9f9e33724c6",
     "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c"
     "2d2e2f303132333435363738393a3b0006",
     "110222ff8050cbece66a813ad09a73ed7a9a089c106b959389168ed6e8698ea9"
     "02eb1277dbec2e68e473155a15a7daeed4",
     "a10f4e05139c23df00b3aadc71f0596a"},
});

struct Expected {
    std::string_view icv;
    uint64_t sealed_sum; // checksum() of the cipher text
};
struct PatternVector {
    uint32_t aad_length;
    uint32_t text_length;
    Expected expected[2]; // with SAKs of 128 and of 256 bits
};

constexpr auto kPatternVectors = std::to_array<PatternVector>({
    {28,
     1,
     {{"14d861eebb119a95905f51de4dbf622d", 0xaf64764c8602f23a},
      {"e6182fb2318f6b55e4738c963e2f1770", 0xaf64314c86027cfb}}},
    {28,
     64,
     {{"a9bd535b5028eb4ccfe54e1084e61e72", 0xecda43f6d1aa57eb},
      {"ec3fe5707b540c3abf185dadf4d19e52", 0x1481f143a75a5aee}}},
    {20,
     130,
     {{"b1fd86c6580d56aea2e65110f85d9b20", 0x26c07f38d12ed457},
      {"1ec4b72f19b53f427db8de3fdc0a224c", 0xd1b806e9024aab66}}},
    {28,
     333,
     {{"2dee66bbcb166161ffdfce40b5e35cd2", 0x534a75d0d364a313},
      {"b449024720469102f2db730d747efbab", 0x48f8e4c3df8531ae}}},
    {28,
     1400,
     {{"357029c9646dd970e494cba8072a267a", 0x7f6b7d769d674871},
      {"05bb61509b735e2e697d1110394ab251", 0x461bec4f204760ff}}},
    {20,
     1500,
     {{"f0a76c9de61a366a4370606d45d64815", 0xa7145ef00e0df261},
      {"f245c339b0de778e8a7b419c2d97ff4f", 0xfcdeee22aab4a47b}}},
    {28,
     1793,
     {{"efcd2b3680b733a00d80a060e614c8c7", 0xe312b19f02c85222},
      {"4658b8f6951bdff2277e654639e58df5", 0xa631860c71b899fe}}},
    {78,
     9186,
     {{"0a503d9234b8333a82a5b02e98e582bc", 0xb9122152a4e939d7},
      {"ab16f182d5d3839c7fa037b189bf0989", 0x66a289e3d3848ec3}}},
    {28,
     9216,
     {{"682dd836f7f452a58e7928127410e54e", 0xfc593458a551029d},
      {"e2eee61ad9def53bafb21a37f39f04c1", 0x100914c35747bd99}}},
    {5,
     0,
     {{"98359b7de1f3c29b518f00e6438961e0", 0xcbf29ce484222325},
      {"025bb727db293f8b69d4bb0487506446", 0xcbf29ce484222325}}},
    {9244,
     0,
     {{"7834c1993db6698bd666c0489af9ca58", 0xcbf29ce484222325},
      {"ce0d1af6a440604aad302396894aed29", 0xcbf29ce484222325}}},
});

uint8_t digit(char c) {
    return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

using Octets = std::vector<uint8_t>;

Octets from_hex(std::string_view hex) {
    Octets octets;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        octets.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return octets;
}

Octets pattern(uint32_t length, uint32_t first) {
    Octets octets;
    for (uint32_t i = 0; i < length; ++i)
        octets.push_back(static_cast<uint8_t>(first + 7 * i + 13 * (i >> 8)));
    return octets;
}

// FNV-1a: tells a wrong octet anywhere, which is all that is asked of it here.
uint64_t checksum(std::span<const uint8_t> octets) {
    uint64_t sum = 0xcbf29ce484222325;
    for (const uint8_t octet : octets)
        sum = (sum ^ octet) * 0x100000001b3;
    return sum;
}

struct Vector {
    std::string name;
    CipherSuite suite;
    Octets sak;
    Octets iv;
    Octets aad;
    Octets plain;
    uint64_t sealed_sum;
    Octets icv;
};

std::vector<Vector> all_vectors() {
    std::vector<Vector> vectors;
    for (const PatternVector& v : kPatternVectors)
        for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
            const Expected& expected = v.expected[sak_length(suite) == 16 ? 0 : 1];
            vectors.push_back(
                {"AAD " + std::to_string(v.aad_length) + " text " + std::to_string(v.text_length),
                 suite, pattern(sak_length(suite), 1), pattern(12, 2), pattern(v.aad_length, 3),
                 pattern(v.text_length, 4), expected.sealed_sum, from_hex(expected.icv)});
        }
    for (const AnnexVector& v : kAnnexVectors)
        vectors.push_back({std::string(v.name), v.suite, from_hex(v.sak), from_hex(v.iv),
                           from_hex(v.aad), from_hex(v.plain), checksum(from_hex(v.sealed)),
                           from_hex(v.icv)});
    return vectors;
}

// One operation in memory of its own, with the slack that engines may use.
class Trial {
  public:
    Trial(const Vector& vector, AeadKey* sak)
        : vector_(&vector), sak_(sak), aad_(vector.aad), text_(vector.plain), icv_(kIcvLength) {
        aad_.resize(aad_.size() + kAeadSlack);
        text_.resize(text_.size() + kAeadSlack);
    }
    [[nodiscard]] const Vector& vector() const { return *vector_; }
    [[nodiscard]] uint8_t& first_of_aad() { return aad_.front(); }
    [[nodiscard]] uint8_t& last_of_icv() { return icv_.back(); }
    // Of the AAD, if there is no text.
    [[nodiscard]] uint8_t& last_of_text() {
        return vector_->plain.empty() ? aad_.front() : text_[vector_->plain.size() - 1];
    }
    [[nodiscard]] bool is_sealed() const {
        return icv_ == vector_->icv &&
               checksum(std::span(text_).first(vector_->plain.size())) == vector_->sealed_sum;
    }
    [[nodiscard]] bool is_plain() const {
        return std::equal(vector_->plain.begin(), vector_->plain.end(), text_.begin());
    }
    [[nodiscard]] AeadOp op() {
        AeadOp op{};
        op.sak = sak_;
        op.aad = aad_.data();
        op.aad_length = static_cast<uint32_t>(vector_->aad.size());
        op.text = text_.data();
        op.text_length = static_cast<uint32_t>(vector_->plain.size());
        op.icv = icv_.data();
        std::ranges::copy(vector_->iv, op.iv.begin());
        return op;
    }

  private:
    const Vector* vector_;
    AeadKey* sak_;
    Octets aad_;
    Octets text_;
    Octets icv_;
};

Error failed(const Aead& aead, const Vector& vector, std::string_view what) {
    Error error{ErrorCode::internal, {}, "engine", std::string(aead.name()), {}};
    error.message = "engine " + error.value + ": known-answer test " + vector.name + " of " +
                    std::string(name(vector.suite)) + " failed: " + std::string(what);
    return error;
}

// The vectors in a ring and more often than an engine takes packets at once, so that one that
// carries state from one operation or key into the next does not pass.
constexpr std::size_t kRounds = 5;

std::vector<AeadOp> ops_of(std::vector<Trial>& trials) {
    std::vector<AeadOp> ops;
    for (Trial& trial : trials)
        ops.push_back(trial.op());
    return ops;
}

Result<void> test_seal(const Aead& aead, std::vector<Trial>& trials) {
    std::vector<AeadOp> ops = ops_of(trials);
    aead.seal(ops);
    for (const Trial& trial : trials)
        if (!trial.is_sealed())
            return failed(aead, trial.vector(), "sealed octets differ");
    return {};
}

// What is altered in an operation; the genuine ones between the forged ones must still open.
enum class Forgery { none, aad, text, icv };

Result<void> test_open(const Aead& aead, std::vector<Trial>& trials) {
    constexpr auto kForgeries =
        std::to_array({Forgery::none, Forgery::aad, Forgery::none, Forgery::text, Forgery::none,
                       Forgery::icv, Forgery::none});
    for (std::size_t i = 0; i < trials.size(); ++i) {
        const Forgery forgery = kForgeries[i % kForgeries.size()];
        if (forgery == Forgery::aad)
            trials[i].first_of_aad() ^= 0x01;
        if (forgery == Forgery::text)
            trials[i].last_of_text() ^= 0x80;
        if (forgery == Forgery::icv)
            trials[i].last_of_icv() ^= 0x01;
    }
    std::vector<AeadOp> ops = ops_of(trials);
    aead.open(ops);
    for (std::size_t i = 0; i < trials.size(); ++i) {
        const bool genuine = kForgeries[i % kForgeries.size()] == Forgery::none;
        const Vector& vector = trials[i].vector();
        if (ops[i].authentic != genuine)
            return failed(aead, vector,
                          genuine ? "a genuine frame is refused" : "a forged frame is accepted");
        if (genuine && !trials[i].is_plain())
            return failed(aead, vector, "opened octets differ");
    }
    return {};
}

} // namespace

Result<void> run_known_answer_tests(const Aead& aead) {
    const std::vector<Vector> vectors = all_vectors();
    std::vector<std::unique_ptr<AeadKey>> saks;
    for (const Vector& vector : vectors) {
        auto sak = aead.make_key(vector.suite, vector.sak);
        if (!sak)
            return failed(aead, vector, sak.error().message);
        saks.push_back(*std::move(sak));
    }
    std::vector<Trial> trials;
    for (std::size_t i = 0; i < kRounds * vectors.size(); ++i)
        trials.emplace_back(vectors[i % vectors.size()], saks[i % vectors.size()].get());
    if (auto sealed = test_seal(aead, trials); !sealed)
        return sealed;
    return test_open(aead, trials);
}

} // namespace isthmus::macsec
