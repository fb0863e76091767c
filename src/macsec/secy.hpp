#pragma once
// The data path of a SecY (IEEE 802.1AE-2018 clauses 10.5 and 10.6) over batches of plain memory.
//
// Ownership: the control thread makes and frees SCs and SAs; while a published forwarding state
// refers to one, its mutable parts (packet numbers, replay state, counters) belong to exactly one
// worker. Freeing an SA wipes its key.
//
// This version: GCM-AES-128 and -256 with 32-bit PN, explicit SCI on transmit, confidentiality
// offset 0, validateFrames strict. Frames that are integrity protected only (E = C = 0) are refused
// as not valid.

#include "isthmus/counter.hpp"
#include "isthmus/types.hpp"
#include "macsec/aead.hpp"
#include "macsec/suite.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace isthmus::macsec {

// Counters under their names in the MIB. Octets are those of User Data (everything after SA).
struct TxScCounters {
    Counter out_pkts_encrypted;
    Counter out_octets_encrypted;
};
struct RxScCounters {
    Counter in_pkts_ok;
    Counter in_pkts_delayed; // below lowestPN but replayProtect is off: delivered, not in_pkts_ok
    Counter in_pkts_late;
    Counter in_pkts_not_valid;
    Counter in_pkts_not_using_sa;
    Counter in_octets_decrypted; // counted for frames that fail validation too (10.6)
};
// One per channel and worker; the SecY's figure is the sum.
struct SecyCounters {
    Counter in_pkts_no_tag;
    Counter in_pkts_bad_tag;
    Counter in_pkts_no_sci;
    Counter out_pkts_untagged; // channel configured without protection
    Counter in_pkts_untagged;
};

struct alignas(kCacheLine) TxSa {
    std::unique_ptr<AeadKey> sak;
    uint64_t last_pn = 0;
    // The next PN to use; above last_pn the SA is exhausted. Written by the owner worker only.
    Counter next_pn;
    Counter out_pkts_encrypted;
    uint8_t an = 0;
};
struct alignas(kCacheLine) TxSc {
    Sci sci;
    TxScCounters counters;
};
struct alignas(kCacheLine) RxSa {
    std::unique_ptr<AeadKey> sak;
    // nextPN and lowestPN of 10.6.5; start at 1 or at what was asked for. Owner worker only.
    Counter next_pn;
    Counter lowest_pn;
    Counter in_pkts_ok;
    Counter in_pkts_not_valid;
    uint8_t an = 0;
};
struct alignas(kCacheLine) RxSc {
    Sci sci;
    RxScCounters counters;
};

// What a worker sees of a channel's SecY; part of the immutable forwarding state.
struct TxBinding {
    TxSc* sc = nullptr;
    TxSa* sa = nullptr; // the SA of encodingSA; null: fail closed
};
struct RxScBinding {
    Sci sci;
    RxSc* sc = nullptr;
    std::array<RxSa*, kAssociationNumbers> sa{}; // by AN; null: not in use
};
struct RxBinding {
    std::span<const RxScBinding> scs; // a handful; searched in order
    bool replay_protect = true;
    uint32_t replay_window = 0; // 0: strict order
};

enum class ProtectVerdict : uint8_t { ok, no_tx_sa, pn_exhausted };

// In: `frame` points at DA; kSecTagLength octets before it and kIcvLength after `length` are
// writable. Out, if ok: the protected frame starts at `frame` (moved down by kSecTagLength) and has
// `length` octets.
struct ProtectFrame {
    uint8_t* frame = nullptr;
    uint32_t length = 0; // at least 14
    const TxBinding* tx = nullptr;
    ProtectVerdict verdict = ProtectVerdict::ok;
};

enum class ValidateVerdict : uint8_t {
    ok,
    no_tag,
    bad_tag,
    not_controlled, // E = 1, C = 0
    no_sci,
    not_using_sa,
    late,
    not_valid,
};

// In: `frame` points at DA. Out, if ok: SecTAG, ICV and Ethernet padding are gone; `frame` has
// moved up by the SecTAG and `length` is what the peer handed to its SecY (13 or more: User Data
// may be shorter than an EtherType). On any other verdict the memory is unspecified and the frame
// must be dropped. No octet outside [frame, frame + length) is touched.
struct ValidateFrame {
    uint8_t* frame = nullptr;
    uint32_t length = 0;
    const RxBinding* rx = nullptr;
    SecyCounters* secy = nullptr;
    ValidateVerdict verdict = ValidateVerdict::ok;
};

// Workers; at most kBurstMax frames a call. Every counter of the clause is bumped here.
void protect(const Aead& aead, std::span<ProtectFrame> frames) noexcept;
void validate(const Aead& aead, std::span<ValidateFrame> frames) noexcept;

// Control thread. Copies no key: `sak` is expanded at once and the caller wipes its copy.
[[nodiscard]] Result<std::unique_ptr<TxSa>> make_tx_sa(const Aead& aead, CipherSuite suite,
                                                       uint8_t an, std::span<const uint8_t> sak,
                                                       uint64_t next_pn);
[[nodiscard]] Result<std::unique_ptr<RxSa>> make_rx_sa(const Aead& aead, CipherSuite suite,
                                                       uint8_t an, std::span<const uint8_t> sak,
                                                       uint64_t lowest_pn);

} // namespace isthmus::macsec
