#pragma once
// Engine `openssl`: AES-GCM through libcrypto's EVP. The reference for every other engine and the
// fallback that runs on any CPU.

#include "macsec/aead.hpp"

namespace isthmus::macsec {

// Without known-answer tests; make_aead() is the way in for everyone else. Control thread.
[[nodiscard]] Result<std::unique_ptr<Aead>> make_openssl_aead();

} // namespace isthmus::macsec
