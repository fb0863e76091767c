#pragma once
// Engine `vaes`: our own AES-GCM for bursts of packets on CPUs with VAES and VPCLMULQDQ.

#include "macsec/aead.hpp"

namespace isthmus::macsec {

// With the widest vectors that this CPU has. Without known-answer tests; make_aead() is the way in
// for everyone else. Control thread.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_vaes_aead();

// With vectors of one width, for tests and benchmarks.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_vaes256_aead();
[[nodiscard]] Result<std::unique_ptr<Aead>> make_vaes512_aead();

} // namespace isthmus::macsec
