#include "macsec/replay.hpp"

#include <algorithm>
#include <bit>

namespace isthmus::macsec {

// One word more than the window has: the highest PN stands inside a word, and the words behind it
// must still hold a whole window.
ReplayState::ReplayState(uint64_t lowest_pn, uint32_t remembered) {
    start_at(lowest_pn, lowest_pn);
    if (remembered == 0)
        return;
    const auto words = std::bit_ceil(uint64_t{remembered} / 64 + 2);
    seen_.resize(words); // start-up only
    mask_ = words - 1;
}

// They hold numbers of one turn of the ring before.
void ReplayState::clear(uint64_t from, uint64_t to) noexcept {
    const uint64_t first = std::max(from, to > mask_ ? to - mask_ - 1 : uint64_t{0});
    for (uint64_t entered = first + 1; entered <= to; ++entered)
        seen_[entered & mask_] = 0;
}

} // namespace isthmus::macsec
