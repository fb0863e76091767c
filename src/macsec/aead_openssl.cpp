#include "macsec/aead_openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstdlib>

namespace isthmus::macsec {
namespace {

struct CipherDeleter {
    void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
};
// Freeing a context cleanses the key schedule and the GHASH key inside it.
struct ContextDeleter {
    void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER, CipherDeleter>;
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

enum class Direction : int { open = 0, seal = 1 };

// EVP binds a context to one direction. Both exist from the start: turning one around on a worker
// would allocate there.
class OpensslKey final : public AeadKey {
  public:
    OpensslKey(Context seal, Context open) : seal_(std::move(seal)), open_(std::move(open)) {}
    [[nodiscard]] EVP_CIPHER_CTX* seal() const noexcept { return seal_.get(); }
    [[nodiscard]] EVP_CIPHER_CTX* open() const noexcept { return open_.get(); }

  private:
    Context seal_;
    Context open_;
};

Context make_context(EVP_CIPHER* cipher, const uint8_t* sak, Direction direction) {
    Context context(EVP_CIPHER_CTX_new());
    if (context && EVP_CipherInit_ex2(context.get(), cipher, sak, nullptr,
                                      static_cast<int>(direction), nullptr) != 1)
        context.reset();
    return context;
}

// AAD and then the text in place. EVP_Cipher hands over to the provider without the checks of
// EVP_EncryptUpdate, for example for overlapping buffers, and returns a negative value on failure.
// Null means the end, so an AAD that is null and empty must not be passed on.
bool run(EVP_CIPHER_CTX* context, const AeadOp& op) noexcept {
    return (op.aad_length == 0 || EVP_Cipher(context, nullptr, op.aad, op.aad_length) >= 0) &&
           (op.text_length == 0 || EVP_Cipher(context, op.text, op.text, op.text_length) >= 0) &&
           EVP_Cipher(context, nullptr, nullptr, 0) >= 0;
}

OSSL_PARAM tag_param(uint8_t* icv) noexcept {
    return OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, icv, kIcvLength);
}

// Giving EVP only the IV keeps cipher and key schedule. Passing them again would allocate twice a
// packet and cost double.
class OpensslAead final : public Aead {
  public:
    OpensslAead(Cipher gcm_128, Cipher gcm_256)
        : gcm_128_(std::move(gcm_128)), gcm_256_(std::move(gcm_256)) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "openssl"; }

    [[nodiscard]] Result<std::unique_ptr<AeadKey>>
    make_key(CipherSuite suite, std::span<const uint8_t> sak) const override {
        if (sak.size() != sak_length(suite))
            return wrong_sak_length(suite, sak.size());
        EVP_CIPHER* cipher = (sak_length(suite) == 16 ? gcm_128_ : gcm_256_).get();
        Context seal = make_context(cipher, sak.data(), Direction::seal);
        Context open = make_context(cipher, sak.data(), Direction::open);
        if (!seal || !open)
            return Error{ErrorCode::internal, "sak: libcrypto refused to expand it", "sak", {}, {}};
        return std::unique_ptr<AeadKey>(
            std::make_unique<OpensslKey>(std::move(seal), std::move(open)));
    }

    void seal(std::span<AeadOp> ops) const noexcept override {
        for (AeadOp& op : ops) {
            EVP_CIPHER_CTX* context = static_cast<OpensslKey*>(op.sak)->seal();
            OSSL_PARAM params[] = {tag_param(op.icv), OSSL_PARAM_construct_end()};
            // There is no legal input that libcrypto refuses here, and going on could put clear
            // text on the wire.
            if (EVP_EncryptInit_ex2(context, nullptr, nullptr, op.iv.data(), nullptr) != 1 ||
                !run(context, op) || EVP_CIPHER_CTX_get_params(context, params) != 1)
                std::abort();
        }
    }

    // A forged ICV leaves nothing in libcrypto's error queue, whose entries would be allocated.
    void open(std::span<AeadOp> ops) const noexcept override {
        for (AeadOp& op : ops) {
            EVP_CIPHER_CTX* context = static_cast<OpensslKey*>(op.sak)->open();
            const OSSL_PARAM params[] = {tag_param(op.icv), OSSL_PARAM_construct_end()};
            op.authentic =
                EVP_DecryptInit_ex2(context, nullptr, nullptr, op.iv.data(), params) == 1 &&
                run(context, op);
        }
    }

  private:
    Cipher gcm_128_;
    Cipher gcm_256_;
};

} // namespace

Result<std::unique_ptr<Aead>> make_openssl_aead() {
    Cipher gcm_128(EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr));
    Cipher gcm_256(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    if (!gcm_128 || !gcm_256)
        return Error{ErrorCode::unavailable,
                     "engine: openssl has no AES-GCM in this libcrypto",
                     "engine",
                     "openssl",
                     {}};
    return std::unique_ptr<Aead>(
        std::make_unique<OpensslAead>(std::move(gcm_128), std::move(gcm_256)));
}

} // namespace isthmus::macsec
