#pragma once
// A guest that leaves work to the other side: a second process of this program with a virtio_user,
// which sends TCP and UDP with open checksums, and TCP super-frames whether agreed upon or not.

#include <cstdint>
#include <string>

struct rte_mbuf;

namespace isthmus::test {

enum class Unfinished : uint8_t { nothing, checksum, segments };

// What the guest sends, in turn, for ever: `number` is in the IPv4 identification.
struct GuestFrame {
    uint8_t protocol;
    Unfinished left;
    uint32_t payload; // octets behind the TCP or UDP header
};
inline constexpr GuestFrame kGuestFrames[] = {
    {6, Unfinished::nothing, 100},    {6, Unfinished::checksum, 1001},
    {17, Unfinished::checksum, 1000}, {6, Unfinished::segments, 6000},
    {6, Unfinished::checksum, 6000},  {17, Unfinished::nothing, 41},
};

// Whether its TCP or UDP checksum is right.
[[nodiscard]] bool checksum_is_right(const rte_mbuf* packet);
// The number of a frame of the guest's; -1: of somebody else.
[[nodiscard]] int guest_number(const rte_mbuf* packet);

// `program --guest DEVICE`
int run_guest(const std::string& device);

} // namespace isthmus::test
