#pragma once
// What a simulated host writes into its packets, so that whoever receives them can tell whose they
// are, whether they are whole, and whether they come in order.

#include "isthmus/wire.hpp"

#include <array>
#include <cstdint>

namespace isthmus::sim {

struct Udp {
    Be16 source;
    Be16 destination;
    Be16 length;
    Be16 checksum;
};
static_assert(sizeof(Udp) == 8);

// The first octets of the UDP payload.
struct Mark {
    Be64 magic;
    Be32 tag;
    Be32 flow;     // which TrafficSpec of the sender, which of its streams, which flow of that
    Be64 sequence; // grows with every packet of the sender, from 1
    Be32 sender;
    Be32 reserved;
};
static_assert(sizeof(Mark) == 32);

inline constexpr uint64_t kMarkMagic = 0x49737468'6d75732e; // "Isthmus."
inline constexpr uint16_t kMarkPort = 9;                    // discard (RFC 863)
inline constexpr uint16_t kFirstSourcePort = 49152;         // dynamic ports (RFC 6335)

inline constexpr std::size_t kMaxStreams = 64;
inline constexpr uint16_t kMaxFlows = 4096;
inline constexpr uint16_t kMaxIpBytes = 9100;

// A new TrafficSpec may send a stream on another path, so its packets are other flows.
[[nodiscard]] inline uint32_t flow_id(uint32_t epoch, std::size_t stream, uint16_t flow) {
    static_assert(kMaxStreams == 1 << 6 && kMaxFlows == 1 << 12);
    return epoch << 18 | static_cast<uint32_t>(stream) << 12 | flow;
}

// The octets behind the mark. Not zeros, so that data that moved by a few octets shows.
inline constexpr auto kFiller = [] {
    std::array<uint8_t, kMaxIpBytes> filler{};
    for (std::size_t i = 0; i < filler.size(); ++i)
        filler[i] = static_cast<uint8_t>(i * 37 + (i >> 8));
    return filler;
}();

// As wire::checksum_add, but with words of 32 bits: the same sum modulo 2^16 - 1 in half the time.
[[nodiscard]] inline uint64_t fast_checksum_add(uint64_t sum, const uint8_t* octets,
                                                std::size_t length) {
    const std::size_t words = length / 4;
    for (std::size_t i = 0; i < words; ++i) {
        uint32_t word;
        __builtin_memcpy(&word, octets + 4 * i, 4);
        sum += word;
    }
    return wire::checksum_add(sum, octets + 4 * words, length % 4);
}

// The pseudo-headers of IPv4 (RFC 768) and IPv6 (RFC 8200, 8.1); `addresses` points at the source
// address, which both formats put right before the destination.
[[nodiscard]] inline uint64_t pseudo_header_sum(const uint8_t* addresses, std::size_t length,
                                                uint8_t protocol, uint16_t payload_bytes) {
    const Be16 rest[2] = {Be16(protocol), Be16(payload_bytes)};
    return wire::checksum_add(rest[0].raw() + uint64_t{rest[1].raw()}, addresses, length);
}

} // namespace isthmus::sim
