#pragma once
// What one AES-GCM operation is. Apart from aead.hpp so that translation units built for newer CPUs
// than the rest can include it: nothing here makes a compiler emit code that a linker could choose
// for other units too.

#include <array>
#include <cstdint>

namespace isthmus::macsec {

class AeadKey {
  public:
    AeadKey() = default;
    AeadKey(const AeadKey&) = delete;
    AeadKey& operator=(const AeadKey&) = delete;
    virtual ~AeadKey() = default;
};

// Engines load and store whole vectors: this many octets after the end of `aad` must be readable,
// and after the end of `text` readable and writable. Afterwards the slack holds anything, but for
// the ICV that seal has put there. Octets before `aad` and `text` are not touched.
inline constexpr uint32_t kAeadSlack = 32;

// One packet. `text` is sealed or opened in place; `icv` (16 octets) is written by seal, read by
// open. `aad` and `icv` may adjoin `text`; nothing overlaps.
struct AeadOp { // no initial values: a burst of them would be cleared in vain
    AeadKey* sak;
    const uint8_t* aad;
    uint8_t* text;
    uint8_t* icv;
    uint32_t aad_length;
    uint32_t text_length; // 0 is legal: integrity only
    std::array<uint8_t, 12> iv;
    bool authentic; // set by open; on false `text` is unspecified and must not be used
};

} // namespace isthmus::macsec
