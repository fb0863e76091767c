#pragma once
// Known-answer tests that every AES-GCM engine passes before it may carry a packet.

#include "macsec/aead.hpp"

namespace isthmus::macsec {

// Seals and opens the vectors in batches, and checks that an altered AAD, text or ICV is refused.
// The error names the engine, the vector and the operation. Control thread; allocates.
[[nodiscard]] Result<void> run_known_answer_tests(const Aead& aead);

} // namespace isthmus::macsec
