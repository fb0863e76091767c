#pragma once
// How values stand in rows of the state file. For state_*.cpp only.

#include "control/model.hpp"
#include "macsec/secy.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace isthmus::control {

// A prefix, or the address of a next hop, as octets.
class RouteOctets {
  public:
    explicit RouteOctets(const IpPrefix& prefix);
    explicit RouteOctets(const IpAddr& address);
    [[nodiscard]] std::span<const uint8_t> octets() const { return {octets_, size_}; }

  private:
    void append(uint64_t value, std::size_t octets);

    uint8_t octets_[17];
    std::size_t size_ = 0;
};
[[nodiscard]] std::optional<IpPrefix> prefix_from(std::span<const uint8_t> octets);
[[nodiscard]] std::optional<IpAddr> address_from(std::span<const uint8_t> octets);

[[nodiscard]] std::string hex64(uint64_t number);
[[nodiscard]] std::optional<uint64_t> from_hex64(const std::string& text);

// Whose a sealed SAK is, and what else it must not be used with. `sci` none: transmit.
struct SaRow {
    std::string edge, channel;
    std::optional<macsec::Sci> sci;
    int64_t an = 0;
    std::string suite;
    std::optional<macsec::XpnParameters> xpn;

    [[nodiscard]] std::string owner() const;
};

// The record that proves the key.
inline constexpr const char* kProofName = "proof";
inline constexpr const char* kProofOwner = "isthmus store key 1";

} // namespace isthmus::control
