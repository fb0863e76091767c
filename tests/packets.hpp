#pragma once
// Builds frames for tests, octet by octet, with checksums where the protocol has them.

#include "isthmus/address.hpp"
#include "isthmus/wire.hpp"

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace isthmus::test {

using Bytes = std::vector<uint8_t>;

inline Bytes& operator+=(Bytes& to, const Bytes& more) {
    to.insert(to.end(), more.begin(), more.end());
    return to;
}
inline Bytes operator+(Bytes a, const Bytes& b) {
    a += b;
    return a;
}
inline Bytes be16(unsigned v) {
    return {static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)};
}
inline Bytes be32(uint32_t v) {
    return be16(v >> 16) + be16(v & 0xffff);
}
inline Bytes octets(const MacAddr& mac) {
    return {mac.octets.begin(), mac.octets.end()};
}
inline Bytes octets(Ipv4Addr a) {
    return be32(a.value);
}
inline Bytes octets(Ipv6Addr a) {
    return be32(static_cast<uint32_t>(a.high >> 32)) + be32(static_cast<uint32_t>(a.high)) +
           be32(static_cast<uint32_t>(a.low >> 32)) + be32(static_cast<uint32_t>(a.low));
}
// A payload whose octets tell their place.
inline Bytes ramp(std::size_t length) {
    Bytes bytes(length);
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    return bytes;
}
inline uint16_t checksum(const Bytes& bytes) {
    return __builtin_bswap16(
        wire::checksum_finish(wire::checksum_add(0, bytes.data(), bytes.size())));
}

inline MacAddr mac(const std::string& text) {
    return parse_mac(text).value();
}
inline Ipv4Addr v4(const std::string& text) {
    return parse_ipv4(text).value();
}
inline Ipv6Addr v6(const std::string& text) {
    return parse_ipv6(text).value();
}

struct EthernetSpec {
    MacAddr to;
    MacAddr from{{0x02, 0xaa, 0, 0, 0, 1}};
    int vlan = -1; // -1: untagged
};
inline Bytes ethernet(const EthernetSpec& spec, uint16_t type, const Bytes& payload) {
    Bytes frame = octets(spec.to) + octets(spec.from);
    if (spec.vlan >= 0)
        frame += be16(0x8100) + be16(static_cast<unsigned>(spec.vlan));
    return frame + be16(type) + payload;
}

struct Ipv4Spec {
    Ipv4Addr from, to;
    uint8_t ttl = 64;
    uint8_t protocol = wire::kProtoUdp;
    uint16_t flags_fragment = wire::kIpv4DontFragment;
    Bytes options{}; // a multiple of 4
    uint16_t id = 7;
};
inline Bytes ipv4(const Ipv4Spec& spec, const Bytes& payload) {
    const auto words = 5 + spec.options.size() / 4;
    Bytes head{static_cast<uint8_t>(0x40 | words), 0};
    head += be16(static_cast<unsigned>(words * 4 + payload.size())) + be16(spec.id) +
            be16(spec.flags_fragment) + Bytes{spec.ttl, spec.protocol} + be16(0) +
            octets(spec.from) + octets(spec.to) + spec.options;
    const Bytes sum = be16(checksum(head));
    head[10] = sum[0];
    head[11] = sum[1];
    return head + payload;
}

struct Ipv6Spec {
    Ipv6Addr from, to;
    uint8_t hop_limit = 64;
    uint8_t next = wire::kProtoUdp;
};
inline Bytes ipv6(const Ipv6Spec& spec, const Bytes& payload) {
    return be32(0x60000000) + be16(static_cast<unsigned>(payload.size())) +
           Bytes{spec.next, spec.hop_limit} + octets(spec.from) + octets(spec.to) + payload;
}

// UDP without a checksum, which IPv4 allows and the edge does not look at.
inline Bytes udp(uint16_t from, uint16_t to, const Bytes& payload) {
    return be16(from) + be16(to) + be16(static_cast<unsigned>(8 + payload.size())) + be16(0) +
           payload;
}

inline Bytes arp(uint16_t operation, const MacAddr& sender_mac, Ipv4Addr sender,
                 const MacAddr& target_mac, Ipv4Addr target) {
    return be16(1) + be16(0x0800) + Bytes{6, 4} + be16(operation) + octets(sender_mac) +
           octets(sender) + octets(target_mac) + octets(target);
}

} // namespace isthmus::test
