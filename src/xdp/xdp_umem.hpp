#pragma once
// Sizes of the memory that an AF_XDP socket shares with the kernel.

#include <cstdint>

namespace isthmus::xdp {

// Of Linux 6.6; the headers of Debian 12 are older.
inline constexpr uint16_t kUseMultiBuffer = 1 << 4; // XDP_USE_SG
inline constexpr uint32_t kMoreFollows = 1;         // XDP_PKT_CONTD: the frame goes on

// A worker that is kept from its core for 2 ms misses nothing at 1 Mpps.
inline constexpr uint32_t kRxChunks = 2048;
inline constexpr uint32_t kTxChunks = 1024;

// In each chunk that is received into, the kernel keeps so much free before the frame.
inline constexpr uint32_t kXdpHeadroom = 256;
inline constexpr uint32_t kSmallChunk = 2048;
inline constexpr uint32_t kLargeChunk = 4096; // the kernel takes none that is larger than a page

// Small ones take half of the memory.
[[nodiscard]] constexpr uint32_t chunk_size_for(uint32_t largest_frame) {
    return largest_frame <= kSmallChunk - kXdpHeadroom ? kSmallChunk : kLargeChunk;
}
// In one piece.
[[nodiscard]] constexpr uint32_t largest_in_chunk(uint32_t chunk_size) {
    return chunk_size - kXdpHeadroom;
}

} // namespace isthmus::xdp
