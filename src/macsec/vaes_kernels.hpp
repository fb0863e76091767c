#pragma once
// The batch kernels of engine `vaes`. Each is in a file of its own, built for the CPU that it
// needs; see gcm_kernel.hpp.

#include "macsec/aead_op.hpp"
#include "macsec/gcm_key.hpp"

#include <cstddef>

namespace isthmus::macsec {

// `gcm` lies in memory of allocate_secret(). No member function is defined in the class, so that
// the kernels' files emit none.
class VaesKey final : public AeadKey {
  public:
    VaesKey();
    ~VaesKey() override;
    static void* operator new(std::size_t size);
    static void operator delete(void* block, std::size_t size) noexcept;

    GcmKey gcm;
};
static_assert(sizeof(VaesKey) <= 4096);

using BatchFunction = void(AeadOp* ops, std::size_t count) noexcept;

// Need CpuFeatures::vaes_256.
BatchFunction vaes256_seal, vaes256_open;
// Need CpuFeatures::vaes_512.
BatchFunction vaes512_seal, vaes512_open;

} // namespace isthmus::macsec
