#pragma once
// Cuts the packets that find_way has set aside into fragments. Their packets go through the rest
// of the pipeline in bursts of their own, so that no array of a burst can overflow. One worker.

#include "dataplane/burst.hpp"
#include "dataplane/counters.hpp"

#include <cstdint>

namespace isthmus::dataplane {

struct Ipv4Fragments;

class Fragmenter {
  public:
    // Remembers the packets of `burst` that are to be cut, and where they go. The burst is free for
    // other packets then.
    void take(const Burst& burst) noexcept {
        whole_ = burst;
        left_ = burst.to_fragment;
    }
    // Makes of `burst` one of fragments that have passed find_way; false: nothing is left. A
    // packet for which there is no buffer is dropped under its reason.
    [[nodiscard]] bool fill(Burst& burst, EdgeCounters& edge) noexcept;

  private:
    [[nodiscard]] bool cut(const Ipv4Fragments& plan, uint8_t i, Burst& burst, uint16_t at,
                           Drop& reason) noexcept;
    void place(uint8_t from, Burst& burst, uint16_t at, rte_mbuf* packet,
               uint16_t ip_length) const noexcept;

    Burst whole_;
    uint64_t left_ = 0; // bits: packets of whole_
};

} // namespace isthmus::dataplane
