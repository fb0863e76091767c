#pragma once
// Replay protection of a receive SA (IEEE 802.1AE-2018 clauses 10.6.2, 10.6.4 and 10.6.5): nextPN
// and lowestPN, recovery of the upper half of an extended packet number, and an optional record of
// what arrived inside the window.
//
// Threads: the owner worker checks and commits; the control thread makes it, never raises lowestPN,
// and reads at any time.

#include "isthmus/counter.hpp"
#include "macsec/suite.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace isthmus::macsec {

// The upper half that an extended PN gets from lowestPN (10.6.2).
[[nodiscard]] constexpr uint64_t recover_pn(uint64_t lowest_pn, uint32_t received) noexcept {
    uint64_t upper = lowest_pn >> 32;
    const bool lowest_in_upper_half = (lowest_pn & 0x8000'0000) != 0;
    const bool received_in_upper_half = (received & 0x8000'0000) != 0;
    if (lowest_in_upper_half && !received_in_upper_half)
        ++upper;
    return upper << 32 | received;
}

class ReplayState {
  public:
    // `remembered` is the largest window whose duplicates are found; 0: none are, as in the
    // standard, which delivers what comes twice inside the window. `lowest_pn` is at least 1.
    ReplayState(uint64_t lowest_pn, uint32_t remembered);

    // Once PN 2^64 - 1 has arrived both may be 2^64, and read as 2^64 - 1.
    [[nodiscard]] uint64_t next_pn() const noexcept { return after(highest_.get()); }
    [[nodiscard]] uint64_t lowest_pn() const noexcept { return after(refused_.get()); }

    // The state in a worker's hands while it goes through a run of frames: the two numbers are
    // copies, so that they stay in registers, until they are put back.
    class Working {
      public:
        explicit Working(ReplayState& state)
            : state_(state), highest_(state.highest_.get()), refused_(state.refused_.get()),
              remembers_(!state.seen_.empty()) {}

        [[nodiscard]] uint64_t lowest_pn() const noexcept { return after(refused_); }
        // Below lowestPN: late if replayProtect is set, delayed otherwise.
        [[nodiscard]] bool is_low(uint64_t pn) const noexcept { return pn <= refused_; }
        // Arrived already, as far as is remembered. Only for a PN that is not low.
        [[nodiscard]] bool is_duplicate(uint64_t pn) const noexcept {
            return pn <= highest_ && remembers_ && is_remembered(pn) &&
                   (state_.word(pn) & bit(pn)) != 0;
        }
        // For validated frames only (10.6.5).
        void commit(uint64_t pn, uint32_t replay_window) noexcept {
            if (pn > highest_) [[likely]] {
                if (remembers_)
                    state_.clear(highest_ >> 6, pn >> 6);
                highest_ = pn;
            }
            // Also for an older PN: the window may have become smaller in the meantime.
            if (highest_ > replay_window)
                refused_ = std::max(refused_, highest_ - replay_window);
            if (remembers_ && is_remembered(pn))
                state_.word(pn) |= bit(pn);
        }
        void put_back() const noexcept {
            state_.highest_.set(highest_);
            state_.refused_.set(refused_);
        }

      private:
        // The word that the ring has for `pn` is not one of a later turn. Only for a PN up to
        // highest_.
        [[nodiscard]] bool is_remembered(uint64_t pn) const noexcept {
            return (highest_ >> 6) - (pn >> 6) <= state_.mask_;
        }
        ReplayState& state_;
        uint64_t highest_;
        uint64_t refused_;
        bool remembers_;
    };

    // Test and set-up only: as if the frames before had been received. Both are at least 1.
    void start_at(uint64_t next_pn, uint64_t lowest_pn) noexcept {
        highest_.set(next_pn - 1);
        refused_.set(lowest_pn - 1);
    }

  private:
    // The words after `from` and up to `to`, which are entered now.
    void clear(uint64_t from, uint64_t to) noexcept;
    [[nodiscard]] static constexpr uint64_t after(uint64_t pn) { return pn + (pn != UINT64_MAX); }
    [[nodiscard]] static constexpr uint64_t bit(uint64_t pn) { return uint64_t{1} << (pn & 63); }
    [[nodiscard]] uint64_t& word(uint64_t pn) noexcept { return seen_[pn >> 6 & mask_]; }

    // nextPN and lowestPN less one, for those themselves can reach 2^64: the highest PN that has
    // arrived, and the highest one that is too old.
    Counter highest_;
    Counter refused_;
    // One bit per packet number of the window, a ring of words: a word is cleared when highest_
    // enters it, at which time everything in it has left the window.
    std::vector<uint64_t> seen_;
    uint64_t mask_ = 0; // number of words - 1
};

} // namespace isthmus::macsec
