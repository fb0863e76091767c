// What a guest leaves undone must arrive finished, or be known as unfinished, which the pipeline
// drops (tests/dataplane/chained_test.cpp): a real virtio device against our vhost port.
#include "dataplane/join_segments.hpp"
#include "tests/must.hpp"
#include "tests/ports/guest.hpp"
#include "tests/ports/peer.hpp"

#include <gtest/gtest.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <unistd.h>

namespace isthmus::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kOfEach = 5;

TEST(GuestOffload, IsFinishedOrKnownAsUnfinished) {
    const fs::path socket = fs::temp_directory_path() / fmt::format("isthmus-guest-{}", getpid());
    auto port = must(open_port(fmt::format("net_vhost51,iface={}", socket.string()), 9136));
    const Peer guest("--guest", fmt::format("net_virtio_user51,path={},queues=1,queue_size=256",
                                            socket.string()));
    std::map<int, unsigned> finished, unfinished;
    const auto enough = [&] {
        for (int number = 0; number < static_cast<int>(std::size(kGuestFrames)); ++number)
            if (finished[number] + unfinished[number] < kOfEach)
                return false;
        return true;
    };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!enough() && std::chrono::steady_clock::now() < deadline) {
        rte_mbuf* packet = nullptr;
        if (port->rx_burst(0, &packet, 1) == 0)
            continue;
        if (rte_pktmbuf_linearize(packet) == 0)
            if (const int number = guest_number(packet); number >= 0) {
                const bool open = dataplane::is_unfinished(packet->ol_flags);
                ++(open ? unfinished : finished)[number];
                EXPECT_TRUE(open || checksum_is_right(packet)) << "frame " << number;
            }
        rte_pktmbuf_free(packet);
    }
    for (int number = 0; number < static_cast<int>(std::size(kGuestFrames)); ++number) {
        const bool super = kGuestFrames[number].left == Unfinished::segments;
        EXPECT_GE((super ? unfinished : finished)[number], kOfEach) << "frame " << number;
        EXPECT_EQ((super ? finished : unfinished)[number], 0u) << "frame " << number;
    }
    port->stop();
}

} // namespace
} // namespace isthmus::test
