#include "dataplane/idle.hpp"

#include <algorithm>

namespace isthmus::dataplane {

bool Idle::tired(uint64_t now) noexcept {
    if (since_ == 0)
        since_ = now;
    return now - since_ >= ticks(kSpinNs);
}

uint64_t Idle::rest_ns(bool wakeable, uint64_t now) const noexcept {
    if (wakeable && trusts_descriptors())
        return kWaitNs;
    if (now - since_ < ticks(kLingerNs))
        return kShortNapNs;
    return std::clamp(kNapPerCost * cost_ns_, kShortNapNs, kLongNapNs);
}

void Idle::rested(bool woken) noexcept {
    if (woken) {
        ++futile_;
        distrusted_ = 0;
    } else if (trusts_descriptors() || ++distrusted_ >= kDistrustRests) {
        futile_ = 0;
    }
}

void Idle::account(uint64_t cost_ns) noexcept {
    // Half of the old value: a neighbour's interrupt now and then must not stretch naps for long.
    cost_ns = std::min(cost_ns, kLongNapNs / kNapPerCost);
    cost_ns_ = cost_ns_ == 0 ? cost_ns : (cost_ns_ + cost_ns) / 2;
}

} // namespace isthmus::dataplane
