#include "macsec/aead_ipsec_mb.hpp"

#include "macsec/secret_memory.hpp"

// Without it the header declares gcm_key_data without its alignment, and the key expansion faults.
#define LINUX
#include <intel-ipsec-mb.h>
#undef LINUX
#include <openssl/crypto.h>

#include <string>

namespace isthmus::macsec {
namespace {

static_assert(alignof(gcm_key_data) == 64);

struct ManagerDeleter {
    void operator()(IMB_MGR* manager) const noexcept { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, ManagerDeleter>;

class IpsecMbKey final : public AeadKey {
  public:
    explicit IpsecMbKey(bool is_256) : is_256_(is_256) {}
    static void* operator new(std::size_t size) { return allocate_secret(size); }
    static void operator delete(void* block, std::size_t size) noexcept {
        free_secret(block, size);
    }
    [[nodiscard]] bool is_256() const noexcept { return is_256_; }
    [[nodiscard]] gcm_key_data* data() noexcept { return &data_; }

  private:
    gcm_key_data data_;
    bool is_256_;
};

class IpsecMbAead final : public Aead {
  public:
    IpsecMbAead(std::string_view name, Manager manager)
        : name_(name), manager_(std::move(manager)) {}

    [[nodiscard]] std::string_view name() const noexcept override { return name_; }

    [[nodiscard]] Result<std::unique_ptr<AeadKey>>
    make_key(CipherSuite suite, std::span<const uint8_t> sak) const override {
        if (sak.size() != sak_length(suite))
            return wrong_sak_length(suite, sak.size());
        const bool is_256 = sak_length(suite) == 32;
        auto made = std::make_unique<IpsecMbKey>(is_256);
        if (is_256)
            IMB_AES256_GCM_PRE(manager_.get(), sak.data(), made->data());
        else
            IMB_AES128_GCM_PRE(manager_.get(), sak.data(), made->data());
        return std::unique_ptr<AeadKey>(std::move(made));
    }

    void seal(std::span<AeadOp> ops) const noexcept override {
        gcm_context_data context;
        for (AeadOp& op : ops)
            run(op, context, op.icv, manager_->gcm128_enc, manager_->gcm256_enc);
    }

    void open(std::span<AeadOp> ops) const noexcept override {
        gcm_context_data context;
        for (AeadOp& op : ops) {
            uint8_t computed[kIcvLength];
            run(op, context, computed, manager_->gcm128_dec, manager_->gcm256_dec);
            op.authentic = CRYPTO_memcmp(computed, op.icv, kIcvLength) == 0;
        }
    }

  private:
    static void run(AeadOp& op, gcm_context_data& context, uint8_t* icv, aes_gcm_enc_dec_t gcm_128,
                    aes_gcm_enc_dec_t gcm_256) noexcept {
        auto* sak = static_cast<IpsecMbKey*>(op.sak);
        (sak->is_256() ? gcm_256 : gcm_128)(sak->data(), &context, op.text, op.text, op.text_length,
                                            op.iv.data(), op.aad, op.aad_length, icv, kIcvLength);
    }

    std::string_view name_;
    Manager manager_;
};

Result<std::unique_ptr<Aead>> make(std::string_view name, void (*init)(IMB_MGR*)) {
    Manager manager(alloc_mb_mgr(0));
    if (manager)
        init(manager.get());
    if (!manager || imb_get_errno(manager.get()) != 0)
        return Error{ErrorCode::unavailable,
                     "engine: " + std::string(name) + " can not be set up on this CPU",
                     "engine",
                     std::string(name),
                     {}};
    return std::unique_ptr<Aead>(std::make_unique<IpsecMbAead>(name, std::move(manager)));
}

} // namespace

Result<std::unique_ptr<Aead>> make_ipsec_mb_aead() {
    return make("ipsec_mb", [](IMB_MGR* manager) { init_mb_mgr_auto(manager, nullptr); });
}

Result<std::unique_ptr<Aead>> make_ipsec_mb_avx2_aead() {
    return make("ipsec_mb_avx2", [](IMB_MGR* manager) { init_mb_mgr_avx2(manager); });
}

} // namespace isthmus::macsec
