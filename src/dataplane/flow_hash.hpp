#pragma once
// The hash of a flow, which chooses its channel. Inline: it runs for every packet. Any thread.

#include "isthmus/address.hpp"

#include <bit>
#include <cstdint>

namespace isthmus::dataplane {
namespace hash_detail {

__extension__ using Wide = unsigned __int128; // ISO C++ has no 128-bit integer

// Odd numbers with about as many ones as zeros, from the fractional parts of the golden ratio and
// of square roots of primes; nothing else is required of them.
constexpr uint64_t kK0 = 0x9e3779b97f4a7c15;
constexpr uint64_t kK1 = 0xbb67ae8584caa73b;
constexpr uint64_t kK2 = 0x3c6ef372fe94f82b;
constexpr uint64_t kK3 = 0xa54ff53a5f1d36f1;

// A bijection in which every input bit reaches every output bit (Stafford's variant 13 of the
// MurmurHash3 finalizer, as in SplitMix64).
constexpr uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// Both halves of the product, so that high bits of the factors reach low bits of the result.
inline uint64_t fold(uint64_t a, uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

} // namespace hash_detail

// A seed as packets need it. It moves both factors of a product: with one fixed factor two edges in
// a row would split alike.
struct HashSeed {
    HashSeed(uint32_t seed) noexcept // implicit: a seed is a number
        : first((seed + hash_detail::kK0) * hash_detail::kK1),
          second((seed + hash_detail::kK0) * hash_detail::kK2),
          third((seed + hash_detail::kK0) * hash_detail::kK3) {}
    uint64_t first, second, third;
};

// Workers. `ports` holds source << 16 | destination port, or 0 for protocols without and for every
// fragment, the first included: all fragments of a packet go one way.
[[nodiscard]] inline uint32_t flow_hash(const HashSeed& seed, Ipv4Addr source, Ipv4Addr destination,
                                        uint8_t protocol, uint32_t ports) noexcept {
    using namespace hash_detail;
    const uint64_t addresses = uint64_t{source.value} << 32 | destination.value;
    const uint64_t rest = uint64_t{protocol} << 32 | ports;
    const uint64_t sum = fold(addresses ^ seed.first, rest ^ seed.second);
    return static_cast<uint32_t>(fold(sum ^ kK0, kK3));
}

[[nodiscard]] inline uint32_t flow_hash(const HashSeed& seed, Ipv6Addr source, Ipv6Addr destination,
                                        uint8_t protocol, uint32_t ports) noexcept {
    using namespace hash_detail;
    const uint64_t from = fold(source.high ^ seed.first, source.low ^ seed.second);
    const uint64_t to = fold(destination.high ^ seed.second, destination.low ^ seed.third);
    const uint64_t rest = uint64_t{protocol} << 32 | ports;
    return static_cast<uint32_t>(
        mix(fold(from ^ seed.third, std::rotl(to, 32) ^ seed.first) + rest * kK0));
}

// An ICMP error quotes a packet of the flow that it is about, and travels with the packets that
// answer that flow: hash the quoted addresses exchanged, the quoted protocol, and these ports.
[[nodiscard]] constexpr uint32_t reversed_ports(uint32_t ports) noexcept {
    return ports << 16 | ports >> 16;
}

} // namespace isthmus::dataplane
