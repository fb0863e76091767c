#include "macsec/fingerprint.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>

namespace isthmus::macsec {

std::string fingerprint(std::span<const uint8_t> sak) {
    constexpr std::size_t kOctetsShown = 8;
    constexpr char kDigits[] = "0123456789abcdef";
    std::array<uint8_t, EVP_MAX_MD_SIZE> digest{};
    // libcrypto without SHA-256 is not a libcrypto this program can run on.
    if (EVP_Digest(sak.data(), sak.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        std::abort();
    std::string text;
    for (std::size_t i = 0; i < kOctetsShown; ++i) {
        text += kDigits[digest[i] >> 4];
        text += kDigits[digest[i] & 0xf];
    }
    OPENSSL_cleanse(digest.data(), digest.size());
    return text;
}

} // namespace isthmus::macsec
