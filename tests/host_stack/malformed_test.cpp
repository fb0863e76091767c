// Any octets may come in: every cut and many changed octets of every known frame, for every reason.
// What is checked is that nothing is read beyond the frame (under the sanitizers) and that a cut
// frame is never taken for a whole one.

#include "known_frames.hpp"
#include "simulated_edge.hpp"

#include <gtest/gtest.h>

#include <array>

namespace isthmus::control {
namespace {

Punt punt_for(PuntReason reason, LinkId in) {
    Punt punt;
    punt.reason = reason;
    punt.notice = Notice::packet_too_big;
    punt.mtu = 1400;
    punt.in = in;
    punt.out = kVpc;
    punt.next_hop = kHost4;
    return punt;
}

constexpr PuntReason kReasons[] = {PuntReason::arp, PuntReason::local, PuntReason::nd,
                                   PuntReason::unresolved, PuntReason::notice};

// Frames with Ethernet padding are whole until the cut reaches the packet itself.
bool is_padded(const std::string& name) {
    return name.find("padded") != std::string::npos;
}

TEST(Malformed, EveryCutOfEveryFrame) {
    for (const auto& [name, frame] : known_frames()) {
        if (is_padded(name))
            continue;
        SCOPED_TRACE(name);
        for (const PuntReason reason : kReasons) {
            SimulatedEdge edge;
            const uint64_t announced = edge.stack.counters().nd_advertisements_sent;
            const std::span<const uint8_t> whole(frame);
            for (std::size_t length = 0; length < frame.size(); ++length)
                edge.receive(punt_for(reason, kVpc), whole.first(length));
            EXPECT_EQ(edge.stack.counters().nd_advertisements_sent, announced);
            // Frames that the edge itself sends are ignored as a loop as soon as that can be seen.
            EXPECT_EQ(edge.stack.counters().malformed + edge.stack.counters().local_ignored,
                      frame.size());
            EXPECT_TRUE(edge.sent.empty());
        }
    }
}

TEST(Malformed, EveryOctetChanged) {
    for (const auto& [name, frame] : known_frames()) {
        SCOPED_TRACE(name);
        SimulatedEdge edge;
        for (std::size_t at = 0; at < std::min<std::size_t>(frame.size(), 120); ++at)
            for (const uint8_t value : std::to_array<uint8_t>({0x00, 0x01, 0x7f, 0x80, 0xff})) {
                auto changed = frame;
                changed[at] = value;
                for (const PuntReason reason : kReasons)
                    edge.receive(punt_for(reason, kVpc), changed);
            }
        edge.pass(10 * kSecond);
    }
}

// A chain of extension headers may be long, but its parser gives up.
TEST(Malformed, ExtensionHeaderChains) {
    const auto& ping = known_frame("ping6");
    for (const std::size_t count : {1U, 8U, 9U, 100U}) {
        std::vector<uint8_t> frame(ping.begin(), ping.begin() + 54);
        frame[14 + 6] = 60; // destination options
        for (std::size_t i = 0; i < count; ++i) {
            const bool last = i + 1 == count;
            const uint8_t header[8] = {static_cast<uint8_t>(last ? 58 : 60), 0, 1, 4, 0, 0, 0, 0};
            frame.insert(frame.end(), header, header + 8);
        }
        frame.insert(frame.end(), ping.begin() + 54, ping.end());
        const std::size_t payload = frame.size() - 54;
        frame[14 + 4] = static_cast<uint8_t>(payload >> 8);
        frame[14 + 5] = static_cast<uint8_t>(payload);
        SimulatedEdge edge;
        edge.receive(kVpc, frame);
        EXPECT_EQ(edge.stack.counters().echo_replies_sent, count <= 8 ? 1 : 0) << count;
        EXPECT_EQ(edge.stack.counters().malformed, count <= 8 ? 0 : 1) << count;
    }
}

} // namespace
} // namespace isthmus::control
