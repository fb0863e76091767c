#include "control/secret_box.hpp"

#include "control/url.hpp"
#include "macsec/secret_memory.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr const char* kField = "secrets_key_file";
constexpr std::size_t kNonceOctets = 12, kTagOctets = 16;
// Digits, and the line's end.
constexpr std::size_t kMostOctets = 2 * SecretBox::kKeyOctets + 1;

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const uint8_t* octets_of(std::string_view text) {
    return reinterpret_cast<const uint8_t*>(text.data());
}

Error refused(const std::string& path, const std::string& why) {
    return {ErrorCode::invalid, fmt::format("{}: {}: {}", kField, path, why), kField, path, ""};
}

// systemd lets a service read a credential of root's by an access control list, whose mask shows as
// the group's right.
Result<void> check_owner(const std::string& path, int fd, bool credential) {
    struct stat found {};
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode))
        return refused(path, "not a regular file");
    if (found.st_uid != 0 && found.st_uid != geteuid())
        return refused(path, fmt::format("belongs to user {}, expected root or user {}",
                                         found.st_uid, geteuid()));
    const mode_t others = credential ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((found.st_mode & others) != 0)
        return refused(path, fmt::format("its mode {:04o} is open to others, expected 0600 or 0400",
                                         found.st_mode & 07777));
    return {};
}

bool read_digits(const WipedBytes& text, std::span<uint8_t> key) {
    for (std::size_t i = 0; i < key.size(); ++i) {
        const int high = hex_digit(static_cast<char>(text[2 * i]));
        const int low = hex_digit(static_cast<char>(text[2 * i + 1]));
        if (high < 0 || low < 0)
            return false;
        key[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return true;
}

Result<std::unique_ptr<SecretBox>> from_file(const std::string& path, bool credential) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refused(path, std::strerror(errno));
    WipedBytes content(kMostOctets + 1);
    auto good = check_owner(path, fd, credential);
    const ssize_t got = good ? read(fd, content.data(), content.size()) : 0;
    close(fd);
    if (!good)
        return good.error();
    content.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    WipedBytes key(SecretBox::kKeyOctets);
    const bool line = content.size() == kMostOctets && content.back() == '\n';
    const bool digits = line || content.size() == 2 * SecretBox::kKeyOctets;
    if (content.size() == SecretBox::kKeyOctets)
        key = content;
    else if (!digits || !read_digits(content, key))
        return refused(path, "expected 32 octets, or 64 hexadecimal digits");
    return std::make_unique<SecretBox>(std::span<const uint8_t, SecretBox::kKeyOctets>(key));
}

} // namespace

Result<std::unique_ptr<SecretBox>> SecretBox::find(const Config& config) {
    if (!config.secrets_key_path.empty())
        return from_file(config.secrets_key_path, false);
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    const std::string path = fmt::format("{}/isthmus-store-key", folder != nullptr ? folder : "");
    if (folder == nullptr || (access(path.c_str(), F_OK) != 0 && errno == ENOENT))
        return std::unique_ptr<SecretBox>();
    return from_file(path, true);
}

SecretBox::SecretBox(std::span<const uint8_t, kKeyOctets> key)
    : key_(static_cast<uint8_t*>(macsec::allocate_secret(kKeyOctets))) {
    std::copy(key.begin(), key.end(), key_);
}

SecretBox::~SecretBox() {
    macsec::free_secret(key_, kKeyOctets);
}

// Nonce, cipher text, tag. libcrypto without AES-GCM or random numbers is none this can run on.
std::vector<uint8_t> SecretBox::seal(std::span<const uint8_t> secret,
                                     std::string_view owner) const {
    std::vector<uint8_t> sealed(kNonceOctets + secret.size() + kTagOctets);
    uint8_t* text = sealed.data() + kNonceOctets;
    const Context context(EVP_CIPHER_CTX_new());
    int written = 0;
    const bool good =
        RAND_bytes(sealed.data(), kNonceOctets) == 1 &&
        EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_, sealed.data()) == 1 &&
        EVP_EncryptUpdate(context.get(), nullptr, &written, octets_of(owner),
                          static_cast<int>(owner.size())) == 1 &&
        EVP_EncryptUpdate(context.get(), text, &written, secret.data(),
                          static_cast<int>(secret.size())) == 1 &&
        EVP_EncryptFinal_ex(context.get(), text + secret.size(), &written) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagOctets,
                            text + secret.size()) == 1;
    if (!good)
        std::abort();
    return sealed;
}

std::optional<WipedBytes> SecretBox::open(std::span<const uint8_t> sealed,
                                          std::string_view owner) const {
    if (sealed.size() < kNonceOctets + kTagOctets)
        return std::nullopt;
    const auto text = sealed.subspan(kNonceOctets, sealed.size() - kNonceOctets - kTagOctets);
    std::array<uint8_t, kTagOctets> tag{};
    std::copy(sealed.end() - kTagOctets, sealed.end(), tag.begin());
    WipedBytes secret(text.size() + kTagOctets); // with room for a block, never used in this mode
    const Context context(EVP_CIPHER_CTX_new());
    int written = 0;
    const bool good =
        EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_, sealed.data()) == 1 &&
        EVP_DecryptUpdate(context.get(), nullptr, &written, octets_of(owner),
                          static_cast<int>(owner.size())) == 1 &&
        EVP_DecryptUpdate(context.get(), secret.data(), &written, text.data(),
                          static_cast<int>(text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagOctets, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(context.get(), secret.data() + text.size(), &written) == 1;
    if (!good)
        return std::nullopt;
    secret.resize(text.size());
    return secret;
}

} // namespace isthmus::control
