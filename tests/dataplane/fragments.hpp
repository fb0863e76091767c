#pragma once
// What a receiving host does with fragments, for tests: puts a packet together again.

#include "tests/packets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>

namespace isthmus::test {

inline unsigned u16(const Bytes& bytes, std::size_t at) {
    return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}
inline std::size_t header4(const Bytes& packet) {
    return (packet[0] & 0xfu) * 4u;
}
inline unsigned offset4(const Bytes& packet) {
    return (u16(packet, 6) & wire::kIpv4OffsetMask) * 8;
}
inline bool more4(const Bytes& packet) {
    return (u16(packet, 6) & wire::kIpv4MoreFragments) != 0;
}

// The packet that the fragments are of: header of the first one with length, offset and checksum
// as before. Each is checked for itself; nothing may be missing, doubled or over `mtu`.
inline Bytes reassemble(std::vector<Bytes> fragments, std::size_t mtu) {
    std::sort(fragments.begin(), fragments.end(),
              [](const Bytes& a, const Bytes& b) { return offset4(a) < offset4(b); });
    Bytes whole;
    unsigned first_offset = 0;
    for (std::size_t n = 0; n < fragments.size(); ++n) {
        const Bytes& it = fragments[n];
        const auto header = static_cast<std::ptrdiff_t>(header4(it));
        EXPECT_LE(it.size(), mtu);
        EXPECT_EQ(u16(it, 2), it.size());
        EXPECT_EQ(checksum({it.begin(), it.begin() + header}), 0) << "header checksum";
        EXPECT_EQ(u16(it, 4), u16(fragments[0], 4)) << "identification";
        if (n + 1 < fragments.size()) {
            EXPECT_TRUE(more4(it));
            EXPECT_EQ((it.size() - header4(it)) % 8, 0u);
            EXPECT_GT(it.size() + 8, mtu) << "a fragment is as long as it may be";
        }
        if (n == 0) {
            whole = it;
            first_offset = offset4(it);
            continue;
        }
        EXPECT_EQ(offset4(it), first_offset + whole.size() - header4(whole)) << "gap or overlap";
        whole.insert(whole.end(), it.begin() + header, it.end());
    }
    if (fragments.empty())
        return whole;
    const unsigned flags = (u16(whole, 6) & ~unsigned{wire::kIpv4MoreFragments}) |
                           (more4(fragments.back()) ? wire::kIpv4MoreFragments : 0u);
    const auto put = [&whole](std::size_t at, unsigned value) {
        whole[at] = static_cast<uint8_t>(value >> 8);
        whole[at + 1] = static_cast<uint8_t>(value);
    };
    put(2, static_cast<unsigned>(whole.size()));
    put(6, flags);
    put(10, 0);
    put(10, checksum({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(header4(whole))}));
    return whole;
}

// As the edge sends it on: TTL one lower.
inline Bytes forwarded4(Bytes packet) {
    --packet[8];
    packet[10] = packet[11] = 0;
    const Bytes sum = be16(
        checksum({packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header4(packet))}));
    packet[10] = sum[0];
    packet[11] = sum[1];
    return packet;
}

} // namespace isthmus::test
