#pragma once
// Packets that wait for the MAC of their next hop, in bounded room. Control thread only.

#include "control/host/neighbour_table.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace isthmus::control::host {

inline constexpr std::size_t kMaxHeldPerNextHop = 128;
inline constexpr std::size_t kMaxHeldPackets = 1024;
inline constexpr std::size_t kMaxHeldOctets = 1024 * 1024;

struct HeldPacket {
    LinkId in;
    std::vector<uint8_t> frame; // as received
};

class HeldPackets {
  public:
    // Keeps a copy. A full queue loses its oldest packet (RFC 4861, 7.2.2), a full store refuses.
    // Returns how many packets were dropped by that.
    std::size_t hold(const NeighbourKey& next_hop, LinkId in, std::span<const uint8_t> frame);
    // Hands out the packets of a next hop, oldest first.
    [[nodiscard]] std::deque<HeldPacket> take(const NeighbourKey& next_hop);

  private:
    void forget_oldest(std::deque<HeldPacket>& queue);

    std::map<NeighbourKey, std::deque<HeldPacket>> queues_;
    std::size_t packets_ = 0;
    std::size_t octets_ = 0;
};

} // namespace isthmus::control::host
