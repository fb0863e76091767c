#include "macsec/aead_vaes.hpp"

#include "macsec/cpu.hpp"
#include "macsec/secret_memory.hpp"
#include "macsec/vaes_kernels.hpp"

#include <string>

namespace isthmus::macsec {

VaesKey::VaesKey() = default;
VaesKey::~VaesKey() = default;

void* VaesKey::operator new(std::size_t size) {
    return allocate_secret(size);
}

void VaesKey::operator delete(void* block, std::size_t size) noexcept {
    free_secret(block, size);
}

namespace {

class VaesAead final : public Aead {
  public:
    VaesAead(std::string_view name, BatchFunction* seal_batch, BatchFunction* open_batch)
        : name_(name), seal_(seal_batch), open_(open_batch) {}

    [[nodiscard]] std::string_view name() const noexcept override { return name_; }

    [[nodiscard]] Result<std::unique_ptr<AeadKey>>
    make_key(CipherSuite suite, std::span<const uint8_t> sak) const override {
        if (sak.size() != sak_length(suite))
            return wrong_sak_length(suite, sak.size());
        auto made = std::make_unique<VaesKey>();
        expand_gcm_key(made->gcm, sak.data(), sak.size());
        return std::unique_ptr<AeadKey>(std::move(made));
    }

    void seal(std::span<AeadOp> ops) const noexcept override { seal_(ops.data(), ops.size()); }
    void open(std::span<AeadOp> ops) const noexcept override { open_(ops.data(), ops.size()); }

  private:
    std::string_view name_;
    BatchFunction* seal_;
    BatchFunction* open_;
};

Result<std::unique_ptr<Aead>> make(bool runs_here, std::string_view name, BatchFunction* seal,
                                   BatchFunction* open) {
    if (!runs_here)
        return Error{ErrorCode::unavailable,
                     "engine: " + std::string(name) + " is not for this CPU, which lacks " +
                         "VAES or VPCLMULQDQ, or vectors of that width",
                     "engine",
                     std::string(name),
                     {}};
    return std::unique_ptr<Aead>(std::make_unique<VaesAead>(name, seal, open));
}

} // namespace

Result<std::unique_ptr<Aead>> make_vaes_aead() {
    const CpuFeatures cpu = cpu_features();
    return cpu.vaes_512 ? make(true, "vaes", vaes512_seal, vaes512_open)
                        : make(cpu.vaes_256, "vaes", vaes256_seal, vaes256_open);
}

Result<std::unique_ptr<Aead>> make_vaes256_aead() {
    return make(cpu_features().vaes_256, "vaes256", vaes256_seal, vaes256_open);
}

Result<std::unique_ptr<Aead>> make_vaes512_aead() {
    return make(cpu_features().vaes_512, "vaes512", vaes512_seal, vaes512_open);
}

} // namespace isthmus::macsec
