#pragma once
// Seals secrets for the disk: AES-256-GCM with a random nonce for each record, under a key from a
// file. Whose record it is goes into the tag, so that none can stand in another's place. Control
// thread.

#include "control/config.hpp"
#include "control/wipe.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

class SecretBox {
  public:
    static constexpr std::size_t kKeyOctets = 32;

    // The key of the configuration's secrets_key_file, or else the systemd credential
    // "isthmus-store-key"; null if there is neither. Refused: a file that others can read, that
    // belongs to another user than root or ours, or that holds anything but 32 octets or 64
    // hexadecimal digits.
    [[nodiscard]] static Result<std::unique_ptr<SecretBox>> find(const Config& config);

    explicit SecretBox(std::span<const uint8_t, kKeyOctets> key);
    SecretBox(const SecretBox&) = delete;
    SecretBox& operator=(const SecretBox&) = delete;
    ~SecretBox();

    // `owner`: the identity of the record, and all that must not be changed beside it.
    [[nodiscard]] std::vector<uint8_t> seal(std::span<const uint8_t> secret,
                                            std::string_view owner) const;
    // Nothing: sealed with another key, for another owner, or damaged.
    [[nodiscard]] std::optional<WipedBytes> open(std::span<const uint8_t> sealed,
                                                 std::string_view owner) const;

  private:
    uint8_t* key_; // kept out of core dumps
};

} // namespace isthmus::control
