#pragma once
// What the MACsec tests share: octets, an independent way to build any protected frame, and a SecY
// of one or more SCs around the functions under test. Frames lie in memory of exactly the size that
// the data path asks for (tools::HeapFrame).

#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"
#include "macsec/tools/secy_pair.hpp"

#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::macsec::test {

using tools::HeapFrame;
using tools::Octets;
using tools::to_hex;

[[nodiscard]] Octets from_hex(std::string_view hex);
[[nodiscard]] Octets random_octets(std::size_t count, uint32_t seed);

// The engine under test, made once.
[[nodiscard]] const Aead& engine();

// A SAK of the suite's length, the same one for the same seed.
[[nodiscard]] Octets test_sak(CipherSuite suite = CipherSuite::gcm_aes_128, uint32_t seed = 1);
inline constexpr XpnParameters kTestXpn{
    {0xe6, 0x30, 0xe8, 0x1a, 0x48, 0xde, 0x86, 0xa2, 0x1c, 0x66, 0xfa, 0x6d}, 0x7a30c118};
[[nodiscard]] std::optional<XpnParameters> test_xpn(CipherSuite suite);

// DA, SA and `user_octets` octets of User Data.
[[nodiscard]] Octets plain_frame(std::size_t user_octets, uint32_t seed = 7);
inline constexpr std::string_view kSourceAddress = "02aabbccdd0e";
inline constexpr Sci kPeerSci{0x02aabbccdd0e0001};
inline constexpr Sci kSingleCopySci{0x02aabbccdd0e0000};
// VLAN tags before what they are in front of.
inline const Octets kTag = {0x81, 0x00, 0x60, 0x2a};
inline const Octets kTwoTags = {0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x60, 0x2a};
inline constexpr Sci kOtherSci{0x02aabbccdd0f0001};

// The forms of tag that we send and receive.
inline constexpr uint8_t kConfidential = kTciEncrypted | kTciChangedText;
inline constexpr uint8_t kExplicitConfidential = kTciExplicitSci | kConfidential;

[[nodiscard]] Octets with_tags(const Octets& frame, const Octets& vlan_tags);

// A protected frame from its parts, with no help of the code under test: the ICV comes from
// one-shot EVP calls. Sensible by default; any part can be wrong.
struct FrameRecipe {
    uint8_t tci = kExplicitConfidential;
    uint8_t an = 0;
    int short_length = -1; // -1: as the standard wants it
    uint64_t pn = 1;       // the tag has its low half
    Sci sci = kPeerSci;    // in the tag if SC is set, and in the IV
    std::optional<XpnParameters> xpn{};
    Octets sak = test_sak();
    Octets plain = plain_frame(64);
    uint16_t ether_type = wire::kEtherTypeMacsec;
    uint8_t confidentiality_offset = 0;
    Octets vlan_tags{}; // before the SecTAG
    Octets padding{};   // after the ICV
    [[nodiscard]] Octets delivered() const { return with_tags(plain, vlan_tags); }
};
[[nodiscard]] Octets build_frame(const FrameRecipe& recipe);

class TxSide : public tools::Sender {
  public:
    explicit TxSide(Sci sci = kPeerSci, CipherSuite suite = CipherSuite::gcm_aes_128,
                    uint8_t an = 0, uint64_t next_pn = 1, Octets sak = {});
    // Must succeed.
    [[nodiscard]] Octets protect(const Octets& plain);
};

// All receive counters of a SecY, of one SC and of one SA.
struct Counts {
    uint64_t untagged = 0, no_tag = 0, bad_tag = 0, unknown_sci = 0, no_sci = 0;
    uint64_t ok = 0, unchecked = 0, delayed = 0, late = 0, invalid = 0, not_valid = 0;
    uint64_t unused_sa = 0, not_using_sa = 0, validated = 0, decrypted = 0;
    uint64_t sa_ok = 0, sa_invalid = 0, sa_not_valid = 0, sa_unused_sa = 0, sa_not_using_sa = 0;
    bool operator==(const Counts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counts& counts);

using Validated = tools::Receiver::Received;

class RxSide : public tools::Receiver {
  public:
    explicit RxSide(CipherSuite suite = CipherSuite::gcm_aes_128);
    // To the SC added last.
    RxSa& add_sa(uint8_t an = 0, Octets sak = {}, uint64_t lowest_pn = 1, uint32_t remembered = 0);
    [[nodiscard]] Counts counts(std::size_t sc_index = 0, std::size_t sa_index = 0);

  private:
    CipherSuite suite_;
};

// An RxSide with the peer's SC and one SA with AN 0.
[[nodiscard]] std::unique_ptr<RxSide> peer_rx_side(uint64_t lowest_pn = 1);

// Checks the PN state of an SA in one line.
struct PnState {
    uint64_t next = 1;
    uint64_t lowest = 1;
    bool operator==(const PnState&) const = default;
};
[[nodiscard]] inline PnState pn_state(const RxSa& sa) {
    return {sa.replay.next_pn(), sa.replay.lowest_pn()};
}
std::ostream& operator<<(std::ostream& out, const PnState& state);

} // namespace isthmus::macsec::test

namespace isthmus::macsec {
std::ostream& operator<<(std::ostream& out, ValidateVerdict verdict);
std::ostream& operator<<(std::ostream& out, ProtectVerdict verdict);
} // namespace isthmus::macsec
