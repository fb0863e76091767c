#include "dataplane/ipv4_fragments.hpp"

#include "isthmus/wire.hpp"

#include <algorithm>
#include <cstring>

namespace isthmus::dataplane {
namespace {

constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionCopied = 0x80;

constexpr uint16_t in_eights(uint16_t octets) {
    return static_cast<uint16_t>(octets & ~7u);
}

// Appends the options with the copied flag to a header; returns its length. The padding that stood
// between options is left out, and what is missing to a full word ends the list.
uint16_t copy_options(const uint8_t* packet, uint16_t header_length,
                      std::array<uint8_t, kMaxIpv4Header>& header) noexcept {
    uint16_t length = wire::kIpv4MinHeader;
    for (uint16_t at = wire::kIpv4MinHeader; at < header_length;) {
        const uint8_t type = packet[at];
        if (type == kOptionEnd)
            break;
        if (type == kOptionNop) {
            ++at;
            continue;
        }
        if (at + 1 >= header_length)
            break;
        const uint8_t size = packet[at + 1];
        if (size < 2 || size > header_length - at)
            break;
        if ((type & kOptionCopied) != 0) {
            std::memcpy(header.data() + length, packet + at, size);
            length = static_cast<uint16_t>(length + size);
        }
        at = static_cast<uint16_t>(at + size);
    }
    while (length % 4 != 0)
        header[length++] = kOptionEnd;
    return length;
}

void finish_header(uint8_t* packet, uint16_t header_length, uint16_t data_length,
                   uint16_t offset_flags) noexcept {
    auto* ip = wire::overlay<wire::Ipv4>(packet);
    ip->version_ihl = static_cast<uint8_t>(0x40 | header_length / 4);
    ip->total_length = static_cast<uint16_t>(header_length + data_length);
    ip->flags_fragment = offset_flags;
    ip->checksum = 0;
    ip->checksum.set_raw(wire::checksum_finish(wire::checksum_add(0, packet, header_length)));
}

} // namespace

Ipv4Fragments plan_fragments(const uint8_t* packet, uint16_t length, uint16_t mtu) noexcept {
    const auto* ip = wire::overlay<wire::Ipv4>(packet);
    Ipv4Fragments plan;
    plan.header_length = ip->header_length();
    plan.offset_flags = ip->flags_fragment.host();
    plan.data_length = static_cast<uint16_t>(length - plan.header_length);
    plan.other_header.fill(0);
    std::memcpy(plan.other_header.data(), packet, wire::kIpv4MinHeader);
    plan.other_header_length = copy_options(packet, plan.header_length, plan.other_header);
    plan.first_data = in_eights(static_cast<uint16_t>(mtu - plan.header_length));
    plan.other_data = in_eights(static_cast<uint16_t>(mtu - plan.other_header_length));
    plan.count = 1;
    for (int left = plan.data_length - plan.first_data; left > 0; left -= plan.other_data)
        ++plan.count;
    return plan;
}

uint16_t write_fragment(const Ipv4Fragments& plan, const uint8_t* packet, uint16_t index,
                        uint8_t* to) noexcept {
    const auto from = static_cast<uint16_t>(plan.first_data + (index - 1) * plan.other_data);
    const auto data =
        std::min<uint16_t>(plan.other_data, static_cast<uint16_t>(plan.data_length - from));
    std::memcpy(to, plan.other_header.data(), plan.other_header_length);
    std::memcpy(to + plan.other_header_length, packet + plan.header_length + from, data);
    // The last one says that more follow exactly if the packet did.
    auto offset_flags = static_cast<uint16_t>(plan.offset_flags + from / 8);
    if (index + 1 != plan.count)
        offset_flags |= wire::kIpv4MoreFragments;
    finish_header(to, plan.other_header_length, data, offset_flags);
    return static_cast<uint16_t>(plan.other_header_length + data);
}

uint16_t keep_first_fragment(const Ipv4Fragments& plan, uint8_t* packet) noexcept {
    finish_header(packet, plan.header_length, plan.first_data,
                  static_cast<uint16_t>(plan.offset_flags | wire::kIpv4MoreFragments));
    return static_cast<uint16_t>(plan.header_length + plan.first_data);
}

} // namespace isthmus::dataplane
