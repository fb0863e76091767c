// How a port comes and goes: refusals, other programs, crashes, and interfaces that vanish.
#include "tests/must.hpp"
#include "tests/xdp/far_host.hpp"
#include "xdp/interface.hpp"
#include "xdp/xdp_port.hpp"
#include "xdp/xdp_socket.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <csignal>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace isthmus::test {
namespace {

// Gives up a capability of this thread alone.
void drop_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
    sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
    ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
}

uint32_t attached_program() {
    uint32_t id = 0;
    EXPECT_EQ(bpf_xdp_query_id(static_cast<int>(if_nametoindex("a0")), 0, &id), 0);
    return id;
}

class Lifecycle : public FarHost {
  protected:
    std::string refusal(const xdp::Request& request) {
        const auto planned = xdp::plan_port(request);
        if (!planned)
            return planned.error().message;
        const auto opened = xdp::open_port(request);
        return opened ? "" : opened.error().message;
    }
};

TEST_F(Lifecycle, RefusalsNameWhatIsMissing) {
    EXPECT_EQ(refusal(request()), "port p0: interface a0 does not exist");
    make_pair();
    ASSERT_TRUE(run("ip link set a0 down"));
    EXPECT_EQ(refusal(request()), "port p0: interface a0 is down (ip link set a0 up)");
    ASSERT_TRUE(run("ip link set a0 up"));
    auto jumbo = request();
    jumbo.l2_payload = 9036;
    EXPECT_NE(refusal(jumbo).find("has MTU 1500, 9036 octets"), std::string::npos);
    auto queues = request();
    queues.rx_queues = 3;
    EXPECT_NE(refusal(queues).find("3 receive queues are asked for, interface a0 has 1"),
              std::string::npos);
    EXPECT_EQ(refusal(request()), "");
}

TEST_F(Lifecycle, MissingCapabilitiesAreNamed) {
    make_pair();
    std::thread([&] {
        drop_capability(CAP_BPF);
        drop_capability(CAP_SYS_ADMIN);
        EXPECT_NE(refusal(request()).find("lacks: CAP_BPF"), std::string::npos);
        drop_capability(CAP_NET_RAW);
        drop_capability(CAP_NET_ADMIN);
        EXPECT_NE(refusal(request()).find("lacks: CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF"),
                  std::string::npos);
    }).join();
}

TEST_F(Lifecycle, TheLimitOfLockedMemoryIsNamed) {
    make_pair();
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    const rlimit little{65536, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &little), 0);
    std::thread([&] {
        drop_capability(CAP_IPC_LOCK);
        const std::string text = refusal(request());
        EXPECT_NE(text.find("limit of locked memory, 65536"), std::string::npos) << text;
    }).join();
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    EXPECT_EQ(attached_program(), 0u);
}

TEST_F(Lifecycle, ProgramGoesWithThePort) {
    make_pair();
    open(request());
    EXPECT_NE(attached_program(), 0u);
    port_->stop();
    EXPECT_EQ(attached_program(), 0u);
    EXPECT_FALSE(port_->counts().empty()); // stay readable
    EXPECT_FALSE(port_->link_up());
    port_.reset();
    open(request());
    port_.reset();
    EXPECT_EQ(attached_program(), 0u);
}

TEST_F(Lifecycle, NothingIsLeftOfAProcessThatIsKilled) {
    make_pair();
    const pid_t holder = start_holder("xdp:a0");
    ASSERT_GT(holder, 0);
    EXPECT_NE(attached_program(), 0u);
    EXPECT_NE(refusal(request()).find("another port or isthmusd has its program isthmus_steer"),
              std::string::npos);
    ASSERT_EQ(kill(holder, SIGKILL), 0);
    open(request(",frames=all")); // at once, without waiting for the end of the process
    waitpid(holder, nullptr, 0);
    const Bytes frame = ethernet(kEdgeMac, 0x88b5, ramp(46));
    far_send(frame);
    EXPECT_EQ(receive(1), std::vector<Bytes>{frame});
}

TEST_F(Lifecycle, ProgramsOfOthersAreLeftAlone) {
    make_pair();
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    const xdp::Descriptor program(
        bpf_prog_load(BPF_PROG_TYPE_XDP, "foreigner", "Apache-2.0", pass, 2, nullptr));
    ASSERT_GE(program.get(), 0);
    const int index = static_cast<int>(if_nametoindex("a0"));
    ASSERT_EQ(bpf_xdp_attach(index, program.get(), 0, nullptr), 0);
    const uint32_t id = attached_program();
    const std::string text = refusal(request());
    EXPECT_NE(text.find(fmt::format("the XDP program foreigner (id {}) is attached already and is "
                                    "not ours",
                                    id)),
              std::string::npos)
        << text;
    EXPECT_EQ(attached_program(), id);
}

TEST_F(Lifecycle, AutomaticModeFallsBackAndSaysSo) {
    make_pair();
    open(request());
    EXPECT_EQ(port_->mode(), "native XDP, copy, 1 queue");
    port_.reset();
    open(request(",mode=skb"));
    EXPECT_EQ(port_->mode(), "generic XDP, copy, 1 queue");
    port_.reset();
    // A bridge has no XDP in its driver.
    ASSERT_TRUE(run("ip link add br0 type bridge && ip link set br0 up"));
    auto bridge = request();
    bridge.device = must(xdp::parse_device("xdp:br0"));
    EXPECT_NO_THROW(open(bridge));
    if (port_) {
        EXPECT_TRUE(port_->mode().starts_with("generic XDP (the driver: ")) << port_->mode();
    }
    port_.reset();
    bridge.device.mode = xdp::Mode::native;
    EXPECT_NE(refusal(bridge).find("to the driver: "), std::string::npos);
    run("ip link del br0");
}

TEST_F(Lifecycle, LinkAndVanishingOfTheInterfaceAreNoticed) {
    make_pair();
    open(request(",frames=all"));
    EXPECT_TRUE(port_->link_up());
    EXPECT_EQ(port_->take_event(), "");
    ASSERT_TRUE(run("ip link set a0 down"));
    EXPECT_FALSE(port_->link_up());
    EXPECT_EQ(port_->take_event(), "");
    ASSERT_TRUE(run("ip link set a0 up"));
    EXPECT_TRUE(port_->link_up());
    EXPECT_EQ(port_->take_event(), "");
    const Bytes frame = ethernet(kEdgeMac, 0x88b5, ramp(46));
    far_send(frame);
    EXPECT_EQ(receive(1), std::vector<Bytes>{frame});
    ASSERT_TRUE(run("ip link set a0 mtu 1400"));
    EXPECT_EQ(port_->take_event(), "interface a0 has MTU 1400 now, 1500 octets must fit");
    EXPECT_EQ(port_->take_event(), "");

    ASSERT_TRUE(run("ip link del a0"));
    EXPECT_EQ(port_->take_event(), "interface a0 is gone; the port stays down until isthmusd is "
                                   "started again");
    EXPECT_EQ(port_->take_event(), "");
    EXPECT_FALSE(port_->link_up());
    EXPECT_EQ(receive(1, 20).size(), 0u);
    rte_mbuf* none = nullptr;
    EXPECT_EQ(port_->tx_burst(0, &none, 0), 0);
    port_->follow_links({});
    // Another interface of this name is not ours.
    make_pair();
    EXPECT_FALSE(port_->link_up());
    EXPECT_EQ(port_->take_event(), "");
    port_.reset();
    EXPECT_EQ(attached_program(), 0u);
}

// As often as it takes until everything has been looked at.
std::string next_event(dataplane::Port& port) {
    std::string event;
    for (int ticks = 0; ticks < 20 && event.empty(); ++ticks)
        event = port.take_event();
    return event;
}

TEST_F(Lifecycle, QueuesThatAreAddedAreTold) {
    make_pair(1500, 2);
    ASSERT_TRUE(far_run("ethtool -L b0 tx 1") && run("ethtool -L a0 rx 1"));
    open(request(",frames=all"));
    EXPECT_EQ(next_event(*port_), "");
    ASSERT_TRUE(run("ethtool -L a0 rx 2"));
    EXPECT_EQ(next_event(*port_),
              "interface a0 has 2 receive queues now, the port has sockets for 1: frames of the "
              "edge that come by the others are lost; start isthmusd again to use them, or set "
              "their number back (ethtool -L a0)");
    EXPECT_EQ(next_event(*port_), "");
    ASSERT_TRUE(run("ethtool -L a0 rx 1"));
    EXPECT_EQ(next_event(*port_), "");
    ASSERT_TRUE(run("ethtool -L a0 rx 2"));
    EXPECT_NE(next_event(*port_), "");
    port_.reset();
    open(request(",frames=all"));
    EXPECT_EQ(port_->rx_queues(), 2);
    // A queue with a socket stays.
    EXPECT_FALSE(run("ethtool -L a0 rx 1 2>/dev/null"));
    EXPECT_EQ(next_event(*port_), "");
}

TEST_F(Lifecycle, TheMacOfTheInterfaceMayChange) {
    make_pair();
    ASSERT_TRUE(
        run("ip link set a0 address 02:49:53:54:00:01 && ip address add 10.9.0.1/24 dev a0"));
    auto as_the_interface = request();
    as_the_interface.mac.reset();
    open(as_the_interface);
    EXPECT_EQ(port_->mac(), kEdgeMac);
    const dataplane::PortLink link{0, {IpPrefix{Ipv4Prefix{v4("10.1.0.1"), 24}}}};
    port_->follow_links({&link, 1});
    const Bytes to_kernel =
        ethernet(kEdgeMac, 0x0800, ipv4({v4("10.9.0.2"), v4("10.9.0.1")}, ramp(26)));
    far_send(to_kernel);
    EXPECT_EQ(receive(1, 50).size(), 0u);
    // The addresses are no longer shared: all that is sent to the edge's is the edge's.
    ASSERT_TRUE(run("ip link set a0 address 02:49:53:54:00:09"));
    EXPECT_EQ(next_event(*port_), "interface a0 has MAC 02:49:53:54:00:09 now; the port keeps "
                                  "02:49:53:54:00:01, and goes on receiving for it");
    EXPECT_EQ(next_event(*port_), "");
    EXPECT_EQ(port_->mac(), kEdgeMac);
    far_send(to_kernel);
    EXPECT_EQ(receive(1), std::vector<Bytes>{to_kernel});
    ASSERT_TRUE(run("ip link set a0 address 02:49:53:54:00:01"));
    EXPECT_NE(next_event(*port_), "");
    far_send(to_kernel);
    EXPECT_EQ(receive(1, 50).size(), 0u);
}

TEST(XdpDevice, OptionsAreCheckedWithTheirNames) {
    const auto options = must(xdp::parse_device("xdp:eth0,mode=skb,copy=yes,frames=all"));
    EXPECT_EQ(options.interface, "eth0");
    EXPECT_EQ(options.mode, xdp::Mode::skb);
    EXPECT_TRUE(options.copy && options.all_frames);
    for (const char* bad : {"xdp:", "xdp:,mode=skb", "xdp:a,", "xdp:a,mode=fast", "xdp:a,,copy=yes",
                            "xdp:a,copy=no", "xdp:../a", "xdp:an-interface-nam"})
        EXPECT_FALSE(xdp::parse_device(bad)) << bad;
    EXPECT_EQ(xdp::parse_device("xdp:a,mode=fast").error().message,
              "device: 'mode=fast' is not allowed, expected mode=native, mode=skb, copy=yes or "
              "frames=all");
}

} // namespace
} // namespace isthmus::test
