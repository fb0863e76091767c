// The other side goes away without a word and comes back, while frames are sent and polled for.
#include "tests/must.hpp"
#include "tests/ports/numbered.hpp"
#include "tests/ports/peer.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <filesystem>
#include <unistd.h>

namespace isthmus::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kRestarts = 3;
constexpr uint32_t kPayload = 1536;

struct Pair {
    const char* name;
    const char* ours; // {} is the socket
    const char* theirs;
};

class Reconnect : public testing::TestWithParam<Pair> {
  protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }
    std::string device(const char* text) const {
        return fmt::format(fmt::runtime(text), (folder_ / "socket").string());
    }
    fs::path folder_ = fs::temp_directory_path() / fmt::format("isthmus-again-{}", getpid());
};

TEST_P(Reconnect, AfterThePeerWasKilled) {
    // A virtio_user that listens opens when its peer has come.
    auto peer = std::make_unique<Peer>(device(GetParam().theirs), kPayload);
    auto port = must(open_port(device(GetParam().ours), kPayload));
    for (unsigned n = 0; n < kRestarts; ++n) {
        if (!peer)
            peer = std::make_unique<Peer>(device(GetParam().theirs), kPayload);
        ASSERT_TRUE(wait_for_link(*port, true)) << "restart " << n;
        NumberedTraffic traffic(*port, kPayload + 14);
        // A new backend may send again what was on its way when the old one died.
        traffic.drain();
        ASSERT_EQ(traffic.exchange(3), "") << "restart " << n;
        // In the middle of traffic.
        for (int i = 0; i < 200 && traffic.send(512); ++i)
            if (i == 100)
                peer->kill_now();
            else
                traffic.receive();
        peer.reset();
        ASSERT_TRUE(wait_for_link(*port, false)) << "restart " << n;
    }
    port->stop();
}

INSTANTIATE_TEST_SUITE_P(
    Pairs, Reconnect,
    testing::Values(Pair{"memif_server", "net_memif41,role=server,socket={},socket-abstract=no",
                         "net_memif41,role=client,socket={},socket-abstract=no"},
                    Pair{"memif_client", "net_memif42,role=client,socket={},socket-abstract=no",
                         "net_memif42,role=server,socket={},socket-abstract=no"},
                    Pair{"vhost_listens", "net_vhost41,iface={}", "net_virtio_user41,path={}"},
                    Pair{"vhost_connects", "net_vhost42,iface={},client=1",
                         "net_virtio_user42,path={},server=1"},
                    Pair{"virtio_user_listens", "net_virtio_user43,path={},server=1",
                         "net_vhost43,iface={},client=1"}),
    [](const auto& pair) { return std::string(pair.param.name); });

} // namespace
} // namespace isthmus::test
