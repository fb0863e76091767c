// The parsers of customers' frames on arbitrary octets: link header, then IPv4 or IPv6. What they
// accept must lie inside the frame, and the quick checks must agree with the careful ones.

#include "dataplane/frame_parser.hpp"
#include "isthmus/wire.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

using namespace isthmus;

namespace {

void require(bool holds) {
    if (!holds)
        std::abort();
}

// The quick way takes what the careful one finds good and plain, no more and no less.
void compare(const uint8_t* packet, uint32_t available, bool good,
             const dataplane::IpHeader& careful) {
    dataplane::IpHeader quick;
    if (!dataplane::is_plain_ipv4(packet, available, quick)) {
        require(!good || packet[0] != 0x45 || careful.fragment ||
                careful.protocol == wire::kProtoIcmp);
        return;
    }
    require(good && !careful.fragment && careful.quote == 0);
    require(quick.length == careful.length && quick.ttl == careful.ttl &&
            quick.protocol == careful.protocol && quick.ports == careful.ports);
}

void check(const uint8_t* packet, uint32_t available, bool v4) {
    dataplane::IpHeader header;
    const auto bad = v4 ? dataplane::check_ipv4(packet, available, header)
                        : dataplane::check_ipv6(packet, available, header);
    if (v4)
        compare(packet, available, !bad, header);
    if (bad)
        return;
    require(header.length <= available);
    require(header.length >= (v4 ? wire::kIpv4MinHeader : wire::kIpv6Header));
    require(!header.fragment || header.ports == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    const auto frame = std::make_unique<uint8_t[]>(size); // exact size: ASan guards its end
    std::copy(data, data + size, frame.get());
    const auto length = static_cast<uint32_t>(size);
    dataplane::LinkHeader link;
    if (dataplane::parse_link(frame.get(), length, link))
        return 0;
    require(link.l3_offset <= length && link.vlan < 4095);
    const uint32_t available = length - link.l3_offset;
    check(frame.get() + link.l3_offset, available, true);
    check(frame.get() + link.l3_offset, available, false);
    // A wrong checksum stops nearly every mutation; give the walk behind it a chance.
    if (available >= wire::kIpv4MinHeader) {
        auto* ip = wire::overlay<wire::Ipv4>(frame.get() + link.l3_offset);
        const uint32_t header = std::min<uint32_t>(ip->header_length(), available);
        ip->checksum.set_raw(0);
        ip->checksum.set_raw(
            wire::checksum_finish(wire::checksum_add(0, frame.get() + link.l3_offset, header)));
        check(frame.get() + link.l3_offset, available, true);
    }
    return 0;
}
