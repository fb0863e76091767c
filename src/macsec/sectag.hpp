#pragma once
// The SecTAG (IEEE 802.1AE-2018 clause 9): its layout, and the parse and validity check of 9.12.
// Pure functions over plain memory; any thread.

#include "isthmus/byte_order.hpp"
#include "macsec/suite.hpp"

#include <cstdint>

namespace isthmus::macsec {

// TCI bits of the third SecTAG octet; the two low bits hold the AN (9.4, 9.5).
inline constexpr uint8_t kTciVersion = 0x80;
inline constexpr uint8_t kTciEndStation = 0x40;
inline constexpr uint8_t kTciExplicitSci = 0x20;
inline constexpr uint8_t kTciSingleCopyBroadcast = 0x10;
inline constexpr uint8_t kTciEncrypted = 0x08;
inline constexpr uint8_t kTciChangedText = 0x04;
inline constexpr uint8_t kTciAnMask = 0x03;

// Secure Data of fewer octets than this states its length in SL (9.7).
inline constexpr uint32_t kShortLengthLimit = 48;

// The tag as it follows DA and SA; `sci` is there only if SC is set.
struct SecTagWire {
    Be16 ether_type; // 88E5
    uint8_t tci_an;
    uint8_t short_length;
    Be32 pn;
    Be64 sci;
};
static_assert(sizeof(SecTagWire) == kSecTagLength && alignof(SecTagWire) == 1);

enum class TagVerdict : uint8_t { ok, no_tag, bad_tag };

// Everything but `verdict` has a meaning only if that is `ok`.
struct SecTag {
    Sci sci; // explicit, or implied by the source address under ES or SCB
    uint32_t pn = 0;
    uint32_t tag_length = 0;    // 8, or 16 with explicit SCI
    uint32_t secure_offset = 0; // of Secure Data, from DA
    uint32_t secure_length = 0; // at least 1; the ICV follows, and after it only padding
    TagVerdict verdict = TagVerdict::bad_tag;
    uint8_t tci = 0; // AN bits cleared
    uint8_t an = 0;
    uint8_t short_length = 0;
    bool sci_known = false; // false if SC = ES = SCB = 0: the peer of a point-to-point CA (9.9)
};

// `frame` points at DA; nothing at or beyond `length` is read. A PN of 0 is a bad tag, since every
// suite of this version has 32-bit packet numbers.
[[nodiscard]] SecTag parse_sectag(const uint8_t* frame, uint32_t length) noexcept;

} // namespace isthmus::macsec
