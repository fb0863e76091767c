#pragma once
// The data path of a SecY (IEEE 802.1AE-2018 clauses 10.5 and 10.6) over batches of plain memory.
//
// Ownership: the control thread makes and frees SCs and SAs; while a published forwarding state
// refers to one, its mutable parts (packet numbers, replay state, counters) belong to exactly one
// worker. With `tx_sc = shared` several workers send on one SC: each has a TxSc and TxSa of its own
// (counters, key context), and they share the PacketNumbers. Freeing an SA wipes its key.

#include "isthmus/counter.hpp"
#include "isthmus/types.hpp"
#include "macsec/aead.hpp"
#include "macsec/packet_numbers.hpp"
#include "macsec/replay.hpp"
#include "macsec/sectag.hpp"
#include "macsec/suite.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace isthmus::macsec {

// 10.7.8. `null`: frames are delivered as they come, and nothing is counted; only for a SecY that
// does not protect either.
enum class ValidateFrames : uint8_t { null, disabled, check, strict };

// Counters under their names in the MIB of 802.1AE; Linux prints the same. Octets are those of User
// Data (everything after SA).
struct TxScCounters {
    Counter out_pkts_protected, out_pkts_encrypted;
    Counter out_octets_protected, out_octets_encrypted;
};
struct TxSaCounters {
    Counter out_pkts_protected, out_pkts_encrypted;
};
struct RxScCounters {
    Counter in_pkts_ok;
    Counter in_pkts_unchecked;    // delivered under validateFrames disabled
    Counter in_pkts_delayed;      // below lowestPN but replayProtect is off: delivered, not _ok
    Counter in_pkts_late;         // below lowestPN, or a duplicate
    Counter in_pkts_invalid;      // delivered under validateFrames check although the ICV is wrong
    Counter in_pkts_not_valid;    // dropped: the ICV is wrong, or encrypted but not validated
    Counter in_pkts_unused_sa;    // delivered although the SA is not in use
    Counter in_pkts_not_using_sa; // dropped: the SA is not in use
    // Counted for frames that fail validation too (10.6).
    Counter in_octets_validated, in_octets_decrypted;
};
struct RxSaCounters {
    Counter in_pkts_ok, in_pkts_invalid, in_pkts_not_valid;
    Counter in_pkts_unused_sa, in_pkts_not_using_sa;
};
// One per channel and worker; the SecY's figure is the sum. There is no InPktsOverrun: every frame
// that a worker has taken is validated; what it could not take is lost in the port and counted
// there.
struct alignas(kCacheLine) SecyCounters {
    Counter in_pkts_untagged;    // delivered without SecTAG
    Counter in_pkts_no_tag;      // dropped without SecTAG
    Counter in_pkts_bad_tag;     // dropped: 9.12
    Counter in_pkts_unknown_sci; // delivered although no receive SC has the SCI
    Counter in_pkts_no_sci;      // dropped: no receive SC has the SCI
    Counter out_pkts_untagged;   // protectFrames is off
    Counter out_pkts_too_long;
};

// What every IV of an SA has in common: IV = base XOR packet number in the last eight octets. Base
// is SCI and zeros (14.5), with XPN Salt XOR SSCI (14.7).
struct IvBase {
    std::array<uint8_t, 12> octets{};
};
// Of an SA of an XPN suite; both are public values.
struct XpnParameters {
    std::array<uint8_t, 12> salt{};
    uint32_t ssci = 0;
    bool operator==(const XpnParameters&) const = default;
};
[[nodiscard]] IvBase make_iv_base(Sci sci, const std::optional<XpnParameters>& xpn);

struct alignas(kCacheLine) TxSa {
    std::unique_ptr<AeadKey> sak;
    std::shared_ptr<PacketNumbers> pn; // of this SA alone, or of all SAs of a shared SC
    IvBase iv;
    uint8_t an = 0;
    TxSaCounters counters;
};
struct alignas(kCacheLine) TxSc {
    Sci sci;
    TxScCounters counters;
};
struct alignas(kCacheLine) RxSa {
    RxSa(uint64_t lowest_pn, uint32_t remembered) : replay(lowest_pn, remembered) {}
    std::unique_ptr<AeadKey> sak;
    ReplayState replay;
    IvBase iv;
    uint8_t an = 0;
    RxSaCounters counters;
};
struct alignas(kCacheLine) RxSc {
    Sci sci;
    RxScCounters counters;
};

// How a SecY writes its tags.
struct TagFormat {
    uint8_t tci = kTciExplicitSci | kTciEncrypted | kTciChangedText; // without AN
    uint8_t confidentiality_offset = 0; // octets of User Data sent in clear: 0, 30 or 50
    uint8_t vlan_in_clear = 0;          // so many VLAN tags stay before the SecTAG, unprotected
    Be16 ether_type = wire::kEtherTypeMacsec;
    [[nodiscard]] bool encrypts() const { return (tci & kTciEncrypted) != 0; }
};

// What a worker sees of a channel's SecY; part of the immutable forwarding state.
struct TxBinding {
    TxSc* sc = nullptr;
    TxSa* sa = nullptr; // the SA of encodingSA; null: fail closed
    TagFormat format;
    bool protect_frames = true; // false: sent as it is
};
struct RxScBinding {
    Sci sci;
    RxSc* sc = nullptr;
    std::array<RxSa*, kAssociationNumbers> sa{};       // by AN; null: none
    std::array<bool, kAssociationNumbers> sa_in_use{}; // receive is enabled
};
struct RxBinding {
    std::span<const RxScBinding> scs; // a handful; searched in order
    ValidateFrames validate_frames = ValidateFrames::strict;
    bool replay_protect = true;
    uint32_t replay_window = 0; // 0: strict order
    bool xpn = false;
    uint8_t confidentiality_offset = 0;
    uint8_t vlan_in_clear = 0; // so many VLAN tags may stand before the SecTAG, unprotected
    Be16 ether_type = wire::kEtherTypeMacsec;
};

// Which receive SC a valid tag is for, scs.size() if none. Without SCI in the frame or in its
// source address it is that of the one peer of a point-to-point CA (10.6.1).
[[nodiscard]] inline std::size_t find_sc(const RxBinding& rx, const SecTag& tag) noexcept {
    if (!tag.sci_known)
        return rx.scs.size() == 1 ? 0 : rx.scs.size();
    std::size_t index = 0;
    while (index < rx.scs.size() && rx.scs[index].sci != tag.sci)
        ++index;
    return index;
}

enum class ProtectVerdict : uint8_t { ok, no_tx_sa, pn_exhausted, too_long };

// In: `frame` points at DA; kSecTagLength octets before it, and kIcvLength + kAeadSlack after
// `length`, are writable. Out, if ok: the frame to send starts at `frame` (moved down by the tag,
// or not at all if the SecY does not protect) and has `length` octets.
struct ProtectFrame { // no initial values: a burst of them would be cleared in vain
    uint8_t* frame;
    uint32_t length; // at least 13: User Data may be shorter than an EtherType
    ProtectVerdict verdict;
};

enum class ValidateVerdict : uint8_t {
    ok, // to be delivered
    no_tag,
    bad_tag,
    not_controlled, // E = 1, C = 0
    no_sci,
    not_using_sa,
    late,
    not_valid,
};

// In: `frame` points at DA; kAeadSlack octets after `length` are writable. Out, if ok: SecTAG, ICV
// and Ethernet padding are gone; `frame` has moved up by the SecTAG and `length` is what the peer
// handed to its SecY (13 or more: User Data may be shorter than an EtherType); or the frame is as
// it came, untagged. On any other verdict the memory is unspecified and the frame must be dropped.
struct ValidateFrame { // no initial values, as above
    uint8_t* frame;
    uint32_t length;
    ValidateVerdict verdict;
};

// Frames that came in by one SecY, at most kBurstMax. Worker. Every counter of the clause is bumped
// here.
void validate(const Aead& aead, const RxBinding& rx, SecyCounters& secy,
              std::span<ValidateFrame> frames) noexcept;

// What both directions need to make an SA. `sak` is expanded at once and the caller wipes its copy.
struct SaSpec {
    CipherSuite suite = CipherSuite::gcm_aes_xpn_256;
    uint8_t an = 0;
    std::span<const uint8_t> sak;
    Sci sci;
    std::optional<XpnParameters> xpn; // with an XPN suite, and only then
};

// Control thread. Errors name the field: an, sak, salt, next_pn or lowest_pn.
[[nodiscard]] Result<std::unique_ptr<TxSa>> make_tx_sa(const Aead& aead, const SaSpec& spec,
                                                       std::shared_ptr<PacketNumbers> pn);
// `remembered`: see ReplayState.
[[nodiscard]] Result<std::unique_ptr<RxSa>> make_rx_sa(const Aead& aead, const SaSpec& spec,
                                                       uint64_t lowest_pn, uint32_t remembered = 0);

} // namespace isthmus::macsec
