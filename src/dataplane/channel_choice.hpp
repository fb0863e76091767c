#pragma once
// Which channel of an interconnect carries a flow: a hash of the flow indexes a bucket table.
//
// Every bucket has its own order of the channels, and the first live one carries it: only the flows
// of a lost channel move, and exactly those come back. The orders are dealt so that the shares
// follow the weights.

#include <array>
#include <cstdint>
#include <span>

namespace isthmus::dataplane {

inline constexpr std::size_t kChannelBuckets = 1024; // a power of two
inline constexpr std::size_t kMaxMembers = 16;       // channels of an interconnect
inline constexpr uint8_t kNoMember = 0xff;

// Index of a channel within its interconnect (its "member"), by bucket; kNoMember if none is live.
using BucketTable = std::array<uint8_t, kChannelBuckets>;

struct Member {
    bool live = true;
    uint32_t weight = 1; // capacity, in any unit that all members share; 0: carries nothing
};

// At most kMaxMembers. Pure, so it matters not in which order channels went and came; control
// thread. With all live or one lost, the buckets of every member are within one of its share by
// weight; with two lost within two; with more lost they are so on average. The order that a bucket
// has follows from the weights of all members, live or not: a changed weight may move any flow.
[[nodiscard]] BucketTable build_buckets(std::span<const Member> members);
// Equal weights.
[[nodiscard]] BucketTable build_buckets(std::span<const bool> live);

[[nodiscard]] inline uint8_t choose_member(const BucketTable& table, uint32_t hash) noexcept {
    return table[hash & (kChannelBuckets - 1)];
}

} // namespace isthmus::dataplane
