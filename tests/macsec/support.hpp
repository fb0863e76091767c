#pragma once
// What the MACsec tests share: octets, exact-size frames, an independent way to build any protected
// frame, and a SecY of one or more SCs around the functions under test.

#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::macsec::test {

using Octets = std::vector<uint8_t>;

[[nodiscard]] Octets from_hex(std::string_view hex);
[[nodiscard]] std::string to_hex(std::span<const uint8_t> octets);
[[nodiscard]] Octets random_octets(std::size_t count, uint32_t seed);

// The engine under test, made once.
[[nodiscard]] const Aead& engine();

// A SAK of the suite's length, the same one for the same seed.
[[nodiscard]] Octets test_sak(CipherSuite suite = CipherSuite::gcm_aes_128, uint32_t seed = 1);

// A frame in heap memory that ends exactly where it may be touched, so that AddressSanitizer sees
// the first octet too many on either side.
class HeapFrame {
  public:
    explicit HeapFrame(std::span<const uint8_t> frame, std::size_t head = 0, std::size_t tail = 0);
    [[nodiscard]] uint8_t* data() { return memory_.get() + head_; }
    [[nodiscard]] uint32_t length() const { return length_; }
    // Whether [frame, frame + length) lies in this memory.
    [[nodiscard]] bool holds(const uint8_t* frame, uint32_t length) const;

  private:
    std::size_t head_;
    uint32_t length_;
    std::size_t size_;
    std::unique_ptr<uint8_t[]> memory_;
};

// DA, SA and `user_octets` octets of User Data.
[[nodiscard]] Octets plain_frame(std::size_t user_octets, uint32_t seed = 7);
inline constexpr std::string_view kSourceAddress = "02aabbccdd0e";
inline constexpr Sci kPeerSci{0x02aabbccdd0e0001};

// A protected frame from its parts, with no help of the code under test: the ICV comes from
// one-shot EVP calls. Sensible by default; any part can be wrong.
struct FrameRecipe {
    uint8_t tci = kTciExplicitSci | kTciEncrypted | kTciChangedText;
    uint8_t an = 0;
    int short_length = -1; // -1: as the standard wants it
    uint32_t pn = 1;
    Sci sci = kPeerSci; // in the tag if SC is set, and in the IV
    Octets sak = test_sak();
    Octets plain = plain_frame(64);
    Octets padding; // after the ICV
};
[[nodiscard]] Octets build_frame(const FrameRecipe& recipe);

struct TxSide {
    TxSc sc;
    std::unique_ptr<TxSa> sa;
    TxBinding binding;

    explicit TxSide(Sci sci = kPeerSci, CipherSuite suite = CipherSuite::gcm_aes_128,
                    uint8_t an = 0, uint64_t next_pn = 1, Octets sak = {});
    // Protects in exact-size memory.
    [[nodiscard]] Octets protect(const Octets& plain);
};

// All receive counters of a SecY with one SC, and of the SA with AN 0.
struct Counts {
    uint64_t no_tag = 0, bad_tag = 0, no_sci = 0;
    uint64_t ok = 0, delayed = 0, late = 0, not_valid = 0, not_using_sa = 0, octets = 0;
    uint64_t sa_ok = 0, sa_not_valid = 0;
    bool operator==(const Counts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counts& counts);

struct Validated {
    ValidateVerdict verdict = ValidateVerdict::ok;
    Octets frame; // only if ok
};

class RxSide {
  public:
    RxSide() = default;
    RxSide(const RxSide&) = delete;
    RxSide& operator=(const RxSide&) = delete;

    void add_sc(Sci sci);
    // To the SC added last.
    RxSa& add_sa(uint8_t an = 0, Octets sak = test_sak(), uint64_t lowest_pn = 1,
                 CipherSuite suite = CipherSuite::gcm_aes_128);
    [[nodiscard]] ValidateFrame input(HeapFrame& frame);
    // One frame in exact-size memory; checks that the result lies inside it.
    [[nodiscard]] Validated validate(const Octets& frame);
    [[nodiscard]] std::vector<Validated> validate_batch(const std::vector<Octets>& frames);

    [[nodiscard]] RxSc& sc(std::size_t index = 0) { return scs_[index]; }
    [[nodiscard]] RxSa& sa(std::size_t index = 0) { return *sas_[index]; }
    [[nodiscard]] Counts counts() const; // of the first SC and the first SA

    RxBinding binding;
    SecyCounters secy;

  private:
    std::deque<RxSc> scs_;
    std::vector<RxScBinding> bindings_;
    std::vector<std::unique_ptr<RxSa>> sas_;
};

// An RxSide with the peer's SC and one SA with AN 0.
[[nodiscard]] std::unique_ptr<RxSide> peer_rx_side(uint64_t lowest_pn = 1);

} // namespace isthmus::macsec::test

namespace isthmus::macsec {
std::ostream& operator<<(std::ostream& out, ValidateVerdict verdict);
}
