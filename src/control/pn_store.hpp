#pragma once
// Remembers which packet numbers have been used with each SAK, over restarts and crashes: a table
// of high-water marks, reserved ahead of use. SAKs are known by fingerprint only. Control thread; a
// reservation waits for the disk.

#include "control/database.hpp"
#include "isthmus/result.hpp"
#include "macsec/secy.hpp"

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>

namespace isthmus::control {

// Everything of a nonce but the packet number: within it a packet number may be used once (14.5,
// 14.7 of 802.1AE).
struct NonceSpace {
    std::string fingerprint; // of the SAK
    bool xpn = false;
    uint64_t lane = 0; // the SCI; with XPN the first four octets of Salt XOR SSCI
    // With XPN the last eight octets of the salt, which the packet number is XORed to. Part of what
    // a space is, but not of its name: another one for the same lane is refused.
    uint64_t salt_tail = 0;

    [[nodiscard]] static NonceSpace of(std::string fingerprint, macsec::Sci sci,
                                       const std::optional<macsec::XpnParameters>& xpn);
    [[nodiscard]] std::string lane_text() const; // "sci:0200000000010001", "xpn:7a30c118"
    // The name.
    auto operator<=>(const NonceSpace& other) const {
        return std::tie(fingerprint, xpn, lane) <=>
               std::tie(other.fingerprint, other.xpn, other.lane);
    }
    bool operator==(const NonceSpace& other) const { return (*this <=> other) == 0; }
};

struct PnMark {
    NonceSpace space;
    uint64_t first_unused = 1;
};

class PnStore {
  public:
    explicit PnStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}
    // Of a database of its own.
    [[nodiscard]] static Result<std::unique_ptr<PnStore>> open(const std::string& path);
    PnStore(const PnStore&) = delete;
    PnStore& operator=(const PnStore&) = delete;

    // The first packet number of the space that is neither used nor reserved. A conflict if an SA
    // holds the space now, or if the SAK was used in another manner, so that nonces could repeat.
    [[nodiscard]] Result<uint64_t> first_unused(const NonceSpace& space);
    // Holds the spaces and sets their marks, all or none; on the disk when it returns.
    [[nodiscard]] Result<void> reserve(std::span<const PnMark> marks);
    // Sets exact marks, which may be lower than what was reserved, and lets go of the spaces. If
    // that fails, the reserved marks stay: packet numbers are lost, none is used twice.
    [[nodiscard]] Result<void> release(std::span<const PnMark> marks);
    // The same without the disk.
    void hold(const NonceSpace& space) { held_.insert(space); }
    void let_go(const NonceSpace& space) { held_.erase(space); }

    // How many packet numbers to reserve at a time, for one write to the disk, when `pace` are used
    // in a control tick. A crash loses what is reserved, so it is little while little is sent.
    // With XPN, too: a peer takes the upper half of a packet number from what it has received last
    // (10.6.2), so that it understands steps of less than 2^31, and nothing behind a longer one.
    [[nodiscard]] uint64_t chunk(uint64_t pace = 0) const;
    void set_chunk_for_test(uint64_t chunk) { test_chunk_ = chunk; }

  private:
    [[nodiscard]] Result<void> write(std::span<const PnMark> marks);

    std::shared_ptr<Database> database_;
    std::set<NonceSpace> held_;
    uint64_t test_chunk_ = 0; // 0: by pace
};

} // namespace isthmus::control
