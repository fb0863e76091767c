// The port's two directions, sizes, modes and queues, and the kernel beside it.
#include "tests/must.hpp"
#include "tests/xdp/far_host.hpp"
#include "xdp/xdp_port.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <set>

namespace isthmus::test {
namespace {

constexpr unsigned kJumbo = 9000;

Bytes numbered(uint32_t number, std::size_t length) {
    Bytes frame = ethernet(kEdgeMac, 0x88b5, be32(number) + ramp(length - 18));
    frame.back() = static_cast<uint8_t>(number);
    return frame;
}

class XdpPort : public FarHost, public testing::WithParamInterface<const char*> {
  protected:
    // Both ways, `batch` frames at a time, since a veth has room for 256.
    void exchange(uint32_t count, std::size_t length, uint32_t batch = 128) {
        for (uint32_t from = 0; from < count; from += batch) {
            std::vector<Bytes> frames;
            for (uint32_t n = 0; n < batch; ++n)
                frames.push_back(numbered(from + n, length));
            for (const Bytes& frame : frames)
                far_send(frame);
            ASSERT_EQ(receive(batch, 5000), frames);
            send(frames);
            for (const Bytes& frame : frames)
                ASSERT_EQ(far_receive(), frame);
        }
        const auto losses = port_->losses();
        EXPECT_EQ(losses.rx_missed + losses.rx_errors + losses.tx_errors, 0u);
    }
};
INSTANTIATE_TEST_SUITE_P(Modes, XdpPort, testing::Values("mode=native", "mode=skb"),
                         [](const auto& mode) {
                             return std::string(mode.param == std::string("mode=skb") ? "skb"
                                                                                      : "native");
                         });

TEST_P(XdpPort, BurstsPassWithoutLossInOrder) {
    make_pair();
    open(request(fmt::format(",frames=all,{}", GetParam())));
    exchange(20'480, 60);
    exchange(4096, 1514);
}

TEST_P(XdpPort, CarriesJumboFrames) {
    make_pair(kJumbo);
    auto wanted = request(fmt::format(",frames=all,{}", GetParam()));
    wanted.l2_payload = kJumbo;
    open(wanted);
    EXPECT_NE(port_->mode().find("several buffers"), std::string::npos);
    for (const std::size_t length : {60, 3840, 3841, 4096, 4097, 7680, 7681, 8192, 8193, 9014})
        exchange(16, length, 16);
    exchange(1024, 9014, 32);
}

TEST_P(XdpPort, KeepsTagsAndFragments) {
    make_pair();
    open(request(fmt::format(",frames=all,{}", GetParam())));
    const Bytes fragment = Bytes{0x45, 0, 0, 60, 0, 7, 0x20, 0, 64, 17, 0, 0} + Bytes(8) + ramp(40);
    const std::vector<Bytes> frames = {
        tagged(kEdgeMac, 0x8100, 7, 0x0800, ramp(60)),
        tagged(kEdgeMac, 0x88a8, 7, 0x0800, ramp(60)),
        tagged(kEdgeMac, 0x88a8, 7, 0x8100, be16(8) + be16(0x0800) + ramp(60)),
        tagged(kEdgeMac, 0x8100, 7, 0x8100, be16(8) + be16(0x0800) + ramp(60)),
        ethernet(kEdgeMac, 0x0800, fragment),
        ethernet(kEdgeMac, 0x0800, fragment),
    };
    for (const Bytes& frame : frames)
        far_send(frame);
    EXPECT_EQ(receive(frames.size()), frames);
    // On the way out the far kernel's packet socket would strip tags: look at the untagged ones.
    send({frames[4], frames[5]});
    EXPECT_EQ(far_receive(), frames[4]);
    EXPECT_EQ(far_receive(), frames[5]);
}

TEST_P(XdpPort, KernelsTalkOverTheInterfaceMeanwhile) {
    make_pair();
    ASSERT_TRUE(run("ip address add 192.0.2.1/24 dev a0"));
    ASSERT_TRUE(far_run("ip address add 192.0.2.2/24 dev b0"));
    auto wanted = request(fmt::format(",{}", GetParam()));
    wanted.mac.reset(); // the interface's
    open(wanted);
    const std::vector<dataplane::PortLink> links = {{100, {}},
                                                    {0, {must(parse_interface("10.1.0.1/24"))}}};
    port_->follow_links(links);
    EXPECT_TRUE(far_run("ping -n -c 20 -i 0.01 -W 1 192.0.2.1"));
    EXPECT_TRUE(run("ping -n -c 20 -i 0.01 -W 1 192.0.2.2"));
    EXPECT_EQ(receive(1, 50).size(), 0u);
    EXPECT_EQ(count("no_socket"), 0u);
}

TEST_P(XdpPort, EveryQueueHasItsSocket) {
    make_pair(1500, 2);
    open(request(fmt::format(",frames=all,{}", GetParam())));
    ASSERT_EQ(port_->rx_queues(), 2);
    // The far kernel spreads flows over its queues, which lead to ours; only in native mode do
    // veths tell which.
    const bool told = GetParam() == std::string("mode=native");
    std::set<uint32_t> left;
    for (uint8_t number = 0; number < 128; ++number) {
        left.insert(number);
        far_send(ethernet(kEdgeMac, 0x0800,
                          Bytes{0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, number} +
                              Bytes{192, 0, 2, 200, 4, number, 0, 53, 0, 26, 0, 0} + Bytes(18)));
    }
    for (const uint16_t queue : {uint16_t{0}, uint16_t{1}}) {
        const auto got = receive_by(queue, left.size(), 300);
        EXPECT_TRUE(!told || !got.empty()) << "queue " << queue;
        for (const Bytes& frame : got)
            left.erase(frame[29]);
    }
    EXPECT_EQ(left.size(), 0u);
    EXPECT_EQ(count("no_socket"), 0u);
}

TEST_P(XdpPort, WakesAWorkerThatWaits) {
    make_pair();
    open(request(fmt::format(",frames=all,{}", GetParam())));
    for (uint32_t number = 0; number < 5; ++number) {
        ASSERT_TRUE(port_->arm(0));
        pollfd wait{port_->wait_fd(0), POLLIN, 0};
        EXPECT_EQ(poll(&wait, 1, 0), 0);
        far_send(numbered(number, 60));
        EXPECT_EQ(poll(&wait, 1, 5000), 1);
        port_->disarm(0);
        EXPECT_EQ(receive(1).size(), 1u);
    }
}

TEST_P(XdpPort, CountsFramesThatFindTheRingFull) {
    make_pair();
    open(request(fmt::format(",frames=all,{}", GetParam())));
    constexpr uint32_t kSent = 4096;
    for (uint32_t number = 0; number < kSent; ++number)
        far_send(numbered(number, 60));
    const auto got = receive(kSent, 500);
    const auto losses = port_->losses();
    EXPECT_LT(got.size(), kSent);
    EXPECT_GT(losses.rx_missed, 0u);
    EXPECT_EQ(count("all_frames") + count("no_socket"), got.size() + losses.rx_missed);
}

TEST_P(XdpPort, LongFramesAreCountedAndDropped) {
    make_pair(kJumbo);
    open(request(fmt::format(",frames=all,{}", GetParam()))); // for 1500
    far_send(numbered(1, 9000));
    far_send(numbered(2, 60));
    EXPECT_EQ(receive(1), std::vector<Bytes>{numbered(2, 60)});
    const auto losses = port_->losses();
    EXPECT_EQ(losses.rx_missed + losses.rx_errors, 1u);
    send({numbered(3, 4000), numbered(4, 60)});
    EXPECT_EQ(far_receive(), numbered(4, 60));
    EXPECT_EQ(port_->losses().tx_errors, 1u);
}

} // namespace
} // namespace isthmus::test
