#pragma once
// An edge with one attachment (VPC side and one channel) and a second tenant with the same
// addresses, on a wire that only remembers, with a clock that only the test moves.

#include "control/host_stack.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace isthmus::control {

inline constexpr uint64_t kMillisecond = 1'000'000;
inline constexpr uint64_t kSecond = 1000 * kMillisecond;

inline constexpr LinkId kVpc{AttachmentId{std::size_t{0}}, ChannelId{}};
inline constexpr LinkId kChannel{AttachmentId{std::size_t{0}}, ChannelId{std::size_t{0}}};
inline constexpr LinkId kOtherTenant{AttachmentId{std::size_t{1}}, ChannelId{}};

inline constexpr Ipv4Addr kHost4{0x0a000009};
inline constexpr Ipv6Addr kHost6{0xfd00'000a'0000'0000, 9};
inline constexpr MacAddr kHostMac{{0x02, 0xaa, 0, 0, 0, 0x09}};

struct SentFrame {
    PortId port;
    std::vector<uint8_t> octets;
    bool operator==(const SentFrame&) const = default;
};

inline std::vector<Link> default_links() {
    const Ipv4Prefix vpc4{{0x0a000001}, 24};
    const Ipv6Prefix vpc6{{0xfd00'000a'0000'0000, 1}, 64};
    Link vpc;
    vpc.id = kVpc;
    vpc.port = PortId{std::size_t{0}};
    vpc.mac = {{2, 0, 0, 0, 0, 1}};
    vpc.local = {vpc4, vpc6};
    Link channel;
    channel.id = kChannel;
    channel.port = PortId{std::size_t{1}};
    channel.vlan = 1030;
    channel.mac = {{2, 0, 0, 0, 0, 2}};
    channel.local = {Ipv4Prefix{{0xa9fe0a01}, 30}, Ipv6Prefix{{0xfd00'000c'0000'0000, 1}, 64}};
    Link other = vpc;
    other.id = kOtherTenant;
    other.vlan = 77;
    return {vpc, channel, other};
}

struct SimulatedEdge {
    std::vector<SentFrame> sent;
    bool port_full = false;
    uint64_t now_ns = kSecond;
    HostStack stack{[this](PortId port, std::span<const uint8_t> frame) {
        if (!port_full)
            sent.push_back({port, {frame.begin(), frame.end()}});
        return !port_full;
    }};

    // Announcements of the links are taken off the wire.
    explicit SimulatedEdge(std::vector<Link> links = default_links()) {
        stack.set_links(std::move(links), now_ns);
        (void)stack.take_changed();
        sent.clear();
    }
    std::vector<SentFrame> take_sent() { return std::exchange(sent, {}); }

    // The frame lies in memory of exactly its size, so that a sanitizer sees any octet read beyond.
    void receive(Punt punt, std::span<const uint8_t> frame) {
        const auto exact = std::make_unique<uint8_t[]>(frame.size());
        std::copy(frame.begin(), frame.end(), exact.get());
        punt.frame = {exact.get(), frame.size()};
        stack.receive(punt, now_ns);
    }
    void receive(LinkId in, std::span<const uint8_t> frame, PuntReason reason = PuntReason::local) {
        Punt punt;
        punt.reason = reason;
        punt.in = in;
        receive(punt, frame);
    }
    void receive_unresolved(std::span<const uint8_t> frame, const IpAddr& next_hop,
                            LinkId in = kChannel, LinkId out = kVpc) {
        Punt punt;
        punt.reason = PuntReason::unresolved;
        punt.in = in;
        punt.out = out;
        punt.next_hop = next_hop;
        receive(punt, frame);
    }
    void receive_notice(Notice notice, std::span<const uint8_t> frame, uint16_t mtu = 0,
                        LinkId in = kVpc) {
        Punt punt;
        punt.reason = PuntReason::notice;
        punt.notice = notice;
        punt.mtu = mtu;
        punt.in = in;
        receive(punt, frame);
    }
    // Lets time pass in the steps in which the event loop calls tick().
    void pass(uint64_t duration_ns) {
        for (uint64_t passed = 0; passed < duration_ns; passed += 100 * kMillisecond) {
            now_ns += 100 * kMillisecond;
            stack.tick(now_ns);
        }
    }
};

} // namespace isthmus::control
