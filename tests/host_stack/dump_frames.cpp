// Prints, in hex, every frame that the stack sends when it is given all known frames in every way.

#include "known_frames.hpp"
#include "simulated_edge.hpp"

#include <cstdio>

int main() {
    using namespace isthmus;
    using namespace isthmus::control;
    auto links = default_links();
    links[0].wanted = {kHost4, kHost6};
    std::vector<SentFrame> sent;
    HostStack stack([&](PortId port, std::span<const uint8_t> frame) {
        sent.push_back({port, {frame.begin(), frame.end()}});
        return true;
    });
    uint64_t now_ns = 0;
    stack.set_links(links, now_ns);
    for (const auto& [name, frame] : known_frames()) {
        for (const LinkId in : {kVpc, kChannel}) {
            Punt punt;
            punt.in = in;
            punt.out = in == kVpc ? kChannel : kVpc;
            punt.mtu = 1300;
            punt.frame = frame;
            punt.next_hop = in == kVpc ? IpAddr{Ipv4Addr{0xa9fe0a02}} : IpAddr{kHost4};
            stack.receive(punt, now_ns);
            punt.reason = PuntReason::unresolved;
            stack.receive(punt, now_ns);
            punt.reason = PuntReason::notice;
            for (const Notice notice : {Notice::net_unreachable, Notice::host_unreachable,
                                        Notice::time_exceeded, Notice::packet_too_big}) {
                punt.notice = notice;
                stack.receive(punt, now_ns);
            }
        }
        for (int i = 0; i < 20; ++i)
            stack.tick(now_ns += 100 * kMillisecond);
    }
    for (const SentFrame& frame : sent) {
        for (const uint8_t octet : frame.octets)
            std::printf("%02x", octet);
        std::printf("\n");
    }
}
