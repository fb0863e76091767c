#include "control/host/held_packets.hpp"

#include <utility>

namespace isthmus::control::host {

void HeldPackets::forget_oldest(std::deque<HeldPacket>& queue) {
    octets_ -= queue.front().frame.size();
    --packets_;
    queue.pop_front();
}

std::size_t HeldPackets::hold(const NeighbourKey& next_hop, LinkId in,
                              std::span<const uint8_t> frame) {
    const auto found = queues_.find(next_hop);
    std::size_t dropped = 0;
    if (found != queues_.end() && found->second.size() >= kMaxHeldPerNextHop) {
        forget_oldest(found->second);
        dropped = 1;
    }
    if (packets_ >= kMaxHeldPackets || frame.size() > kMaxHeldOctets - octets_)
        return dropped + 1;
    queues_[next_hop].push_back({in, {frame.begin(), frame.end()}});
    ++packets_;
    octets_ += frame.size();
    return dropped;
}

std::deque<HeldPacket> HeldPackets::take(const NeighbourKey& next_hop) {
    const auto found = queues_.find(next_hop);
    if (found == queues_.end())
        return {};
    std::deque<HeldPacket> queue = std::move(found->second);
    queues_.erase(found);
    packets_ -= queue.size();
    for (const HeldPacket& packet : queue)
        octets_ -= packet.frame.size();
    return queue;
}

} // namespace isthmus::control::host
