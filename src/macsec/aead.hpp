#pragma once
// The seam behind which AES-GCM engines sit: a batch of independent seal or open operations.
//
// Threads: `Aead` itself is immutable after creation and shared. An `AeadKey` may hold mutable
// state (a cipher context), so it is used by one thread at a time: the worker that owns its SC.
// Keys are made and destroyed by the control thread; destruction wipes them.

#include "isthmus/result.hpp"
#include "macsec/suite.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace isthmus::macsec {

class AeadKey {
  public:
    AeadKey() = default;
    AeadKey(const AeadKey&) = delete;
    AeadKey& operator=(const AeadKey&) = delete;
    virtual ~AeadKey() = default;
};

// One packet. `text` is sealed or opened in place; `icv` (16 octets) is written by seal, read by
// open. `aad` and `icv` may adjoin `text`; nothing overlaps.
struct AeadOp {
    AeadKey* sak = nullptr;
    const uint8_t* aad = nullptr;
    uint8_t* text = nullptr;
    uint8_t* icv = nullptr;
    uint32_t aad_length = 0;
    uint32_t text_length = 0; // 0 is legal: integrity only
    std::array<uint8_t, 12> iv{};
    bool authentic = false; // set by open; on false `text` is unspecified and must not be used
};

class Aead {
  public:
    virtual ~Aead() = default;
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    // Expands a SAK of the suite's length. Control thread.
    [[nodiscard]] virtual Result<std::unique_ptr<AeadKey>>
    make_key(CipherSuite suite, std::span<const uint8_t> sak) const = 0;

    // Workers. Any number of ops, each with its own key. seal can not fail for a valid op.
    virtual void seal(std::span<AeadOp> ops) const noexcept = 0;
    virtual void open(std::span<AeadOp> ops) const noexcept = 0;
};

// `engine` is "auto" or an engine's name. Runs the known-answer tests first and fails if one does
// not match, or if this build or CPU lacks the engine.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_aead(std::string_view engine);

} // namespace isthmus::macsec
