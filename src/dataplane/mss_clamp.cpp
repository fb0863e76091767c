#include "dataplane/mss_clamp.hpp"

#include "isthmus/wire.hpp"

#include <span>

namespace isthmus::dataplane {
namespace {

constexpr uint8_t kFlagSyn = 0x02;
constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionMss = 2;
constexpr uint8_t kMssOptionLength = 4;
constexpr std::size_t kDataOffset = 12, kFlags = 13, kChecksum = 16; // in the TCP header
constexpr int kMaxExtensionHeaders = 8;

// What is in an IPv4 packet behind its header, if that is the beginning of a TCP header.
std::span<uint8_t> tcp_in_ipv4(std::span<uint8_t> packet) noexcept {
    if (packet.size() < wire::kIpv4MinHeader)
        return {};
    const auto* ip = wire::overlay<wire::Ipv4>(packet.data());
    const std::size_t header = ip->header_length();
    if (ip->protocol != wire::kProtoTcp || header > packet.size() ||
        (ip->flags_fragment.host() & wire::kIpv4OffsetMask) != 0)
        return {};
    return packet.subspan(header);
}

// An authentication header covers what is behind it, so such segments stay as they are.
std::span<uint8_t> tcp_in_ipv6(std::span<uint8_t> packet) noexcept {
    if (packet.size() < wire::kIpv6Header)
        return {};
    uint8_t kind = wire::overlay<wire::Ipv6>(packet.data())->next_header;
    packet = packet.subspan(wire::kIpv6Header);
    for (int count = 0; kind != wire::kProtoTcp; ++count) {
        const bool fragment = kind == wire::kProtoFragment;
        if (count == kMaxExtensionHeaders || packet.size() < 8 ||
            (!fragment && kind != wire::kProtoHopByHop && kind != wire::kProtoRouting &&
             kind != wire::kProtoDestOptions))
            return {};
        const std::size_t size = fragment ? 8 : (packet[1] + 1u) * 8;
        if (size > packet.size())
            return {};
        if (fragment &&
            wire::overlay<wire::Ipv6Fragment>(packet.data())->offset_flags.host() >> 3 != 0)
            return {};
        kind = packet[0];
        packet = packet.subspan(size);
    }
    return packet;
}

// RFC 1624, equation 3. The words of the sum begin at even octets of the segment; a value at an odd
// one contributes with its octets exchanged.
void replace_value(std::span<uint8_t> tcp, std::size_t at, uint16_t value) noexcept {
    auto* field = wire::overlay<Be16>(tcp.data() + at);
    auto* checksum = wire::overlay<Be16>(tcp.data() + kChecksum);
    const auto word = [at](uint16_t v) { return at % 2 == 0 ? v : byte_swap(v); };
    uint32_t sum = static_cast<uint16_t>(~checksum->host());
    sum += static_cast<uint16_t>(~word(field->host()));
    sum += word(value);
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    *checksum = static_cast<uint16_t>(~sum);
    *field = value;
}

bool clamp_options(std::span<uint8_t> tcp, std::size_t end, uint16_t most) noexcept {
    bool lowered = false;
    for (std::size_t at = kTcpHeader; at < end;) {
        const uint8_t kind = tcp[at];
        if (kind == kOptionEnd)
            break;
        if (kind == kOptionNop) {
            ++at;
            continue;
        }
        if (end - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > end - at)
            break;
        const uint8_t size = tcp[at + 1];
        if (kind == kOptionMss && size == kMssOptionLength &&
            wire::overlay<Be16>(tcp.data() + at + 2)->host() > most) {
            replace_value(tcp, at + 2, most);
            lowered = true;
        }
        at += size;
    }
    return lowered;
}

} // namespace

bool clamp_mss(uint8_t* packet, uint32_t length, bool is_ipv6, uint16_t most) noexcept {
    const std::span<uint8_t> tcp =
        is_ipv6 ? tcp_in_ipv6({packet, length}) : tcp_in_ipv4({packet, length});
    if (tcp.size() < kTcpHeader || (tcp[kFlags] & kFlagSyn) == 0)
        return false;
    const std::size_t end = (tcp[kDataOffset] >> 4) * std::size_t{4};
    return end <= tcp.size() && clamp_options(tcp, end, most);
}

} // namespace isthmus::dataplane
