// Vectors: IEEE 802.1AE Annex C.7.1 and C.7.2 (61-octet frame, confidentiality, explicit SCI),
// octets as in DPDK app/test/test_security_inline_macsec_vectors.h, commit 38f72e5.
#include "macsec/aead_kat.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace isthmus::macsec {
namespace {

struct Vector {
    std::string_view name;
    CipherSuite suite;
    std::string_view sak;
    std::string_view iv;
    std::string_view aad;
    std::string_view plain;
    std::string_view sealed;
    std::string_view icv;
};

constexpr auto kVectors = std::to_array<Vector>({
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

uint8_t digit(char c) {
    return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10);
}

std::vector<uint8_t> from_hex(std::string_view hex) {
    std::vector<uint8_t> octets;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        octets.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return octets;
}

// One operation with memory of its own.
struct Trial {
    const Vector* vector;
    std::vector<uint8_t> aad;
    std::vector<uint8_t> text;
    std::vector<uint8_t> icv;

    [[nodiscard]] bool holds(std::string_view text_hex) const {
        return text == from_hex(text_hex) && icv == from_hex(vector->icv);
    }
    AeadOp op(AeadKey* sak) {
        AeadOp op;
        op.sak = sak;
        op.aad = aad.data();
        op.aad_length = static_cast<uint32_t>(aad.size());
        op.text = text.data();
        op.text_length = static_cast<uint32_t>(text.size());
        op.icv = icv.data();
        std::ranges::copy(from_hex(vector->iv), op.iv.begin());
        return op;
    }
};

Error failed(const Aead& aead, const Vector& vector, std::string_view what) {
    Error error{ErrorCode::internal, {}, "engine", std::string(aead.name()), {}};
    error.message = "engine " + error.value + ": known-answer test " + std::string(vector.name) +
                    " of " + std::string(name(vector.suite)) + " failed: " + std::string(what);
    return error;
}

using Saks = std::vector<std::unique_ptr<AeadKey>>;

// The vectors in a ring and more than once, so that an engine that carries state from one operation
// or key into the next does not pass.
constexpr std::size_t kRounds = 3;

Result<void> test_seal(const Aead& aead, const Saks& saks) {
    std::vector<Trial> trials;
    std::vector<AeadOp> ops;
    for (std::size_t i = 0; i < kRounds * kVectors.size(); ++i) {
        const Vector& vector = kVectors[i % kVectors.size()];
        trials.push_back({&vector, from_hex(vector.aad), from_hex(vector.plain),
                          std::vector<uint8_t>(kIcvLength)});
        ops.push_back(trials.back().op(saks[i % kVectors.size()].get()));
    }
    aead.seal(ops);
    for (const Trial& trial : trials)
        if (!trial.holds(trial.vector->sealed))
            return failed(aead, *trial.vector, "sealed octets differ");
    return {};
}

// What is altered in an operation; the genuine ones between the forged ones must still open.
enum class Forgery { none, aad, text, icv };

Result<void> test_open(const Aead& aead, const Saks& saks) {
    constexpr auto kForgeries = std::to_array(
        {Forgery::none, Forgery::aad, Forgery::none, Forgery::text, Forgery::icv, Forgery::none});
    std::vector<Trial> trials;
    std::vector<AeadOp> ops;
    for (Forgery forgery : kForgeries) {
        for (std::size_t v = 0; v < kVectors.size(); ++v) {
            Trial trial{&kVectors[v], from_hex(kVectors[v].aad), from_hex(kVectors[v].sealed),
                        from_hex(kVectors[v].icv)};
            if (forgery == Forgery::aad)
                trial.aad.front() ^= 0x01;
            if (forgery == Forgery::text)
                trial.text.back() ^= 0x80;
            if (forgery == Forgery::icv)
                trial.icv.back() ^= 0x01;
            trials.push_back(std::move(trial));
            ops.push_back(trials.back().op(saks[v].get()));
        }
    }
    aead.open(ops);
    for (std::size_t i = 0; i < trials.size(); ++i) {
        const bool genuine = kForgeries[i / kVectors.size()] == Forgery::none;
        const Trial& trial = trials[i];
        if (ops[i].authentic != genuine)
            return failed(aead, *trial.vector,
                          genuine ? "a genuine frame is refused" : "a forged frame is accepted");
        if (genuine && !trial.holds(trial.vector->plain))
            return failed(aead, *trial.vector, "opened octets differ");
    }
    return {};
}

} // namespace

Result<void> run_known_answer_tests(const Aead& aead) {
    Saks saks;
    for (const Vector& vector : kVectors) {
        auto sak = aead.make_key(vector.suite, from_hex(vector.sak));
        if (!sak)
            return failed(aead, vector, sak.error().message);
        saks.push_back(*std::move(sak));
    }
    if (auto sealed = test_seal(aead, saks); !sealed)
        return sealed;
    return test_open(aead, saks);
}

} // namespace isthmus::macsec
