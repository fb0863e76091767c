#pragma once
// Which channel of an interconnect carries a flow: a hash of the flow indexes a bucket table. Every
// bucket has a home channel; while that one is not live its buckets go to live channels by
// rendezvous hashing, so only the flows of a lost channel move, and exactly those come back.

#include "isthmus/address.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace isthmus::dataplane {

inline constexpr std::size_t kChannelBuckets = 1024; // a power of two
inline constexpr std::size_t kMaxMembers = 16;       // channels of an interconnect
inline constexpr uint8_t kNoMember = 0xff;

// Index of a channel within its interconnect (its "member"), by bucket; kNoMember if none is live.
using BucketTable = std::array<uint8_t, kChannelBuckets>;

// `live` has one entry per member, at most kMaxMembers. Pure; control thread.
[[nodiscard]] BucketTable build_buckets(std::span<const bool> live);

// Workers. `ports` holds source and destination port, or 0 for protocols without and for fragments.
[[nodiscard]] uint32_t flow_hash(uint32_t seed, Ipv4Addr source, Ipv4Addr destination,
                                 uint8_t protocol, uint32_t ports) noexcept;
[[nodiscard]] uint32_t flow_hash(uint32_t seed, Ipv6Addr source, Ipv6Addr destination,
                                 uint8_t protocol, uint32_t ports) noexcept;

[[nodiscard]] inline uint8_t choose_member(const BucketTable& table, uint32_t hash) noexcept {
    return table[hash & (kChannelBuckets - 1)];
}

} // namespace isthmus::dataplane
