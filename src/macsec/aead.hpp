#pragma once
// The seam behind which AES-GCM engines sit: a batch of independent seal or open operations.
//
// Threads: `Aead` itself is immutable after creation and shared. An `AeadKey` may hold mutable
// state (a cipher context), so it is used by one thread at a time: the worker that owns its SC.
// Keys are made and destroyed by the control thread; destruction wipes them.

#include "isthmus/result.hpp"
#include "macsec/aead_op.hpp"
#include "macsec/suite.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace isthmus::macsec {

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

// The names of all engines of this build, fastest first; a CPU may lack some. Any thread.
[[nodiscard]] std::vector<std::string_view> aead_engines();

// Forms of these engines that tests and benchmarks reach by name and that nobody configures:
// "vaes" with vectors of 256 or 512 bits only, "ipsec_mb" as a CPU without AVX-512 gets it.
[[nodiscard]] std::vector<std::string_view> aead_engine_forms();

// `engine` is "auto", the fastest that this CPU can run, or the name of an engine or a form. Runs
// the known-answer tests first and fails if one does not match, or if this build or CPU lacks the
// engine.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_aead(std::string_view engine);

// For engines: the error of make_key() for a SAK that is too short or too long. Never shows the
// SAK.
[[nodiscard]] Error wrong_sak_length(CipherSuite suite, std::size_t length);

} // namespace isthmus::macsec
