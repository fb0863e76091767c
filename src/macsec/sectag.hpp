#pragma once
// The SecTAG (IEEE 802.1AE-2018 clause 9): its layout, and the parse and validity check of 9.12.
// Pure functions over plain memory; any thread.

#include "isthmus/byte_order.hpp"
#include "isthmus/wire.hpp"
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

// What the receiving SecY is configured for.
struct TagRules {
    Be16 ether_type = wire::kEtherTypeMacsec;
    bool xpn = false;          // a PN field of 0 is legal: half of a longer number (9.8)
    uint8_t vlan_in_clear = 0; // so many VLAN tags may stand before the SecTAG
};

// The vendor form "VLAN in clear" has one VLAN tag before the SecTAG, or two.
inline constexpr uint8_t kClearTagsMax = 2;

// How many VLAN tags (C-tags or S-tags) follow DA and SA, counted up to `limit`. Each is followed
// by at least one octet.
[[nodiscard]] uint32_t count_vlan_tags(const uint8_t* frame, uint32_t length,
                                       uint32_t limit) noexcept;

// Everything but `verdict` has a meaning only if that is `ok`.
struct SecTag {
    Sci sci; // explicit, or implied by the source address under ES or SCB
    uint32_t pn = 0;
    uint32_t tag_offset = 0;    // of the SecTAG's EtherType, from DA: 12 and tags in clear
    uint32_t secure_offset = 0; // of Secure Data, from DA
    uint32_t secure_length = 0; // at least 1; the ICV follows, and after it only padding
    TagVerdict verdict = TagVerdict::bad_tag;
    uint8_t tci = 0; // AN bits cleared
    uint8_t an = 0;
    uint8_t short_length = 0;
    bool sci_known = false; // false if SC = ES = SCB = 0: the peer of a point-to-point CA (9.9)
};

// `frame` points at DA; nothing at or beyond `length` is read.
[[nodiscard]] SecTag parse_sectag(const uint8_t* frame, uint32_t length,
                                  const TagRules& rules) noexcept;

} // namespace isthmus::macsec
