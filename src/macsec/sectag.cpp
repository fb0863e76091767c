#include "macsec/sectag.hpp"

#include "isthmus/wire.hpp"

namespace isthmus::macsec {
namespace {

// The smallest SecTAG, ICV and Secure Data of any suite, from the EtherType on (9.12 a).
constexpr uint32_t kMinimumMpdu = 17;

} // namespace

uint32_t count_vlan_tags(const uint8_t* frame, uint32_t length, uint32_t limit) noexcept {
    uint32_t count = 0;
    uint32_t offset = wire::kMacPairLength;
    while (count < limit && length > offset + wire::kVlanTagLength) {
        const uint16_t ether_type = wire::overlay<Be16>(frame + offset)->host();
        if (ether_type != wire::kEtherTypeVlan && ether_type != wire::kEtherTypeServiceVlan)
            break;
        offset += wire::kVlanTagLength;
        ++count;
    }
    return count;
}

SecTag parse_sectag(const uint8_t* frame, uint32_t length, const TagRules& rules) noexcept {
    SecTag tag;
    tag.tag_offset = wire::kMacPairLength;
    if (rules.vlan_in_clear != 0)
        tag.tag_offset +=
            wire::kVlanTagLength * count_vlan_tags(frame, length, rules.vlan_in_clear);
    if (length < tag.tag_offset + sizeof(Be16) ||
        *wire::overlay<Be16>(frame + tag.tag_offset) != rules.ether_type) {
        tag.verdict = TagVerdict::no_tag;
        return tag;
    }
    const uint32_t mpdu_length = length - tag.tag_offset;
    if (mpdu_length < kMinimumMpdu)
        return tag;

    // The SCI lies beyond what has been checked so far.
    const auto* octets = wire::overlay<SecTagWire>(frame + tag.tag_offset);
    tag.tci = octets->tci_an & static_cast<uint8_t>(~kTciAnMask);
    tag.an = octets->tci_an & kTciAnMask;
    tag.short_length = octets->short_length;
    tag.pn = octets->pn.host();

    const bool explicit_sci = (tag.tci & kTciExplicitSci) != 0;
    const bool implied_sci = (tag.tci & (kTciEndStation | kTciSingleCopyBroadcast)) != 0;
    if ((tag.tci & kTciVersion) != 0 || (explicit_sci && implied_sci) ||
        (tag.pn == 0 && !rules.xpn))
        return tag;
    // This also refuses the two reserved bits above the six of SL (9.7).
    if (tag.short_length >= kShortLengthLimit)
        return tag;

    // With SL the ICV has a known place and MAC padding may follow; without it the ICV ends the
    // frame, and Secure Data is long enough not to need SL (9.12 e to h).
    const uint32_t tag_length = explicit_sci ? kSecTagLength : kSecTagLengthNoSci;
    const uint32_t least_data = tag.short_length != 0 ? tag.short_length : kShortLengthLimit;
    if (mpdu_length < tag_length + least_data + kIcvLength)
        return tag;
    tag.secure_offset = tag.tag_offset + tag_length;
    tag.secure_length =
        tag.short_length != 0 ? tag.short_length : mpdu_length - tag_length - kIcvLength;

    tag.sci_known = explicit_sci || implied_sci;
    if (explicit_sci)
        tag.sci.value = octets->sci.host();
    else if (implied_sci)
        tag.sci = Sci::from(wire::overlay<wire::Ethernet>(frame)->source,
                            (tag.tci & kTciSingleCopyBroadcast) != 0 ? kSingleCopyBroadcastPort
                                                                     : kEndStationPort);
    tag.verdict = TagVerdict::ok;
    return tag;
}

} // namespace isthmus::macsec
