#include "macsec/sectag.hpp"

#include "isthmus/wire.hpp"

namespace isthmus::macsec {
namespace {

// The smallest SecTAG, ICV and Secure Data of any suite, from the EtherType on (9.12 a).
constexpr uint32_t kMinimumMpdu = 17;

// Port Identifiers that a tag without SCI stands for (9.5).
constexpr uint16_t kEndStationPort = 0x0001;
constexpr uint16_t kSingleCopyBroadcastPort = 0x0000;

} // namespace

SecTag parse_sectag(const uint8_t* frame, uint32_t length) noexcept {
    SecTag tag;
    if (length < wire::kEthernetHeaderLength ||
        wire::overlay<wire::Ethernet>(frame)->ether_type.host() != wire::kEtherTypeMacsec) {
        tag.verdict = TagVerdict::no_tag;
        return tag;
    }
    const uint32_t mpdu_length = length - wire::kMacPairLength;
    if (mpdu_length < kMinimumMpdu)
        return tag;

    // The SCI lies beyond what has been checked so far.
    const auto* octets = wire::overlay<SecTagWire>(frame + wire::kMacPairLength);
    tag.tci = octets->tci_an & static_cast<uint8_t>(~kTciAnMask);
    tag.an = octets->tci_an & kTciAnMask;
    tag.short_length = octets->short_length;
    tag.pn = octets->pn.host();

    const bool explicit_sci = (tag.tci & kTciExplicitSci) != 0;
    const bool implied_sci = (tag.tci & (kTciEndStation | kTciSingleCopyBroadcast)) != 0;
    if ((tag.tci & kTciVersion) != 0 || (explicit_sci && implied_sci) || tag.pn == 0)
        return tag;
    // This also refuses the two reserved bits above the six of SL (9.7).
    if (tag.short_length >= kShortLengthLimit)
        return tag;

    // With SL the ICV has a known place and MAC padding may follow; without it the ICV ends the
    // frame, and Secure Data is long enough not to need SL (9.12 e to h).
    tag.tag_length = explicit_sci ? kSecTagLength : kSecTagLengthNoSci;
    const uint32_t least_data = tag.short_length != 0 ? tag.short_length : kShortLengthLimit;
    if (mpdu_length < tag.tag_length + least_data + kIcvLength)
        return tag;
    tag.secure_offset = wire::kMacPairLength + tag.tag_length;
    tag.secure_length =
        tag.short_length != 0 ? tag.short_length : mpdu_length - tag.tag_length - kIcvLength;

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
