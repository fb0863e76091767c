#pragma once
// Engine `ipsec_mb`: AES-GCM of Intel's multi-buffer crypto library (libipsec-mb), by its direct
// functions: GCM is not multi-buffer there, and its job interface only adds to the cost.

#include "macsec/aead.hpp"

namespace isthmus::macsec {

// Without known-answer tests; make_aead() is the way in for everyone else. Control thread.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_ipsec_mb_aead();

// The library's code for CPUs with AVX2 and no AVX-512, whatever this CPU is: what such a CPU gets,
// for comparisons.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_ipsec_mb_avx2_aead();

} // namespace isthmus::macsec
