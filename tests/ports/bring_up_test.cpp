// Every kind of port of docs/ports.md that can run here, with real devices on both sides: frames
// from the smallest to the largest go out and come back as they were.
#include "sim/wire.hpp"
#include "tests/must.hpp"
#include "tests/ports/numbered.hpp"
#include "tests/ports/peer.hpp"
#include "xdp/xdp_port.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <unistd.h>

namespace isthmus::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kRounds = 20;
constexpr uint32_t kEthernetHeader = 14;

bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// Files of a test, and what kernel interfaces of it are called.
class Place {
  public:
    explicit Place(std::string mark = "") : mark_(std::move(mark)) {
        fs::create_directories(folder_);
    }
    ~Place() {
        run("ip link del " + own());
        fs::remove_all(folder_);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    std::string file(const std::string& name) const { return folder_ / name; }
    std::string own() const { return fmt::format("ip{}a{}", getpid(), mark_); }
    std::string far() const { return fmt::format("ip{}b{}", getpid(), mark_); }
    // `own_index`: of our interface; 0: any.
    bool make_veth(uint32_t mtu, int own_index = 0) const {
        const std::string index = own_index == 0 ? "" : fmt::format("index {}", own_index);
        return run(fmt::format("ip link add {0} {3} mtu {2} numrxqueues 1 numtxqueues 1 type veth "
                               "peer name {1} mtu {2} numrxqueues 1 numtxqueues 1 && "
                               "ip link set {0} up && ip link set {1} up",
                               own(), far(), mtu, index));
    }

  private:
    std::string mark_;
    fs::path folder_ =
        fs::temp_directory_path() / fmt::format("isthmus-ports-{}{}", getpid(), mark_);
};

void pass(dataplane::Port& port, uint32_t l2_payload) {
    ASSERT_TRUE(wait_for_link(port, true));
    const auto lost = [&] {
        const auto losses = port.losses();
        return losses.rx_missed + losses.rx_errors + losses.rx_nombuf + losses.tx_errors;
    };
    // The kernel's own frames may have come while the port was made.
    const uint64_t before = lost();
    NumberedTraffic traffic(port, l2_payload + kEthernetHeader);
    EXPECT_EQ(traffic.exchange(kRounds), "");
    EXPECT_EQ(lost(), before);
    port.stop();
}

// Both sides are devices of DPDK, in two processes. `socket`: what a peer that listens makes.
void pass_between(const std::string& ours, const std::string& theirs, uint32_t l2_payload,
                  bool peer_first, const std::string& socket) {
    std::unique_ptr<Peer> peer;
    if (peer_first) {
        peer = std::make_unique<Peer>(theirs, l2_payload);
        for (int i = 0; i < 300 && !socket.empty() && !fs::exists(socket); ++i)
            usleep(50'000);
    }
    auto port = must(open_port(ours, l2_payload));
    if (!peer)
        peer = std::make_unique<Peer>(theirs, l2_payload);
    pass(*port, l2_payload);
}

void memif(bool server, uint32_t l2_payload) {
    const Place place;
    const auto device = [&](const char* role) {
        return fmt::format("net_memif{},role={},socket={},socket-abstract=no,id=1", server ? 1 : 2,
                           role, place.file("memif"));
    };
    pass_between(device(server ? "server" : "client"), device(server ? "client" : "server"),
                 l2_payload, !server, place.file("memif"));
}

void vhost(bool own_backend, bool backend_listens) {
    const Place place;
    const std::string path = place.file("vhost");
    const int id = (own_backend ? 2 : 0) + (backend_listens ? 1 : 0);
    const std::string backend =
        fmt::format("net_vhost{},iface={},client={}", id, path, backend_listens ? 0 : 1);
    const std::string guest = fmt::format("net_virtio_user{},path={},queues=1,server={}", id, path,
                                          backend_listens ? 0 : 1);
    pass_between(own_backend ? backend : guest, own_backend ? guest : backend, 9136,
                 own_backend != backend_listens || !own_backend,
                 own_backend != backend_listens ? path : "");
}

void tap() {
    const Place place;
    auto port = must(open_port("net_tap0,iface=" + place.own(), 1504));
    ASSERT_TRUE(run(fmt::format("ip link set {} mtu 1504 up", place.own())));
    const KernelPeer peer(place.own());
    pass(*port, 1504);
    const auto wide = open_port("net_tap1,iface=" + place.own() + "w", 1505);
    ASSERT_FALSE(wide);
    EXPECT_NE(wide.error().message.find("at most 1504"), std::string::npos) << wide.error().message;
}

void veth(const std::string& device, uint32_t l2_payload, rte_mempool* pool) {
    const Place place;
    if (!place.make_veth(l2_payload))
        GTEST_SKIP() << "no veth interfaces here";
    auto port = must(open_port(fmt::format(fmt::runtime(device), place.own()), l2_payload, pool));
    const KernelPeer peer(place.far());
    pass(*port, l2_payload);
}

void af_packet() {
    veth("net_af_packet1,iface={},faults=accepted", 1536, port_pool());
}
void af_xdp() {
    veth("net_af_xdp1,iface={},busy_budget=0", 1536, small_pool());
}

void xdp() {
    const Place place;
    if (!place.make_veth(1536))
        GTEST_SKIP() << "no veth interfaces here";
    xdp::Request request;
    request.name = "test";
    request.device = must(xdp::parse_device("xdp:" + place.own() + ",frames=all"));
    request.l2_payload = 1536;
    request.pool = port_pool();
    const auto port = must(xdp::open_port(request));
    const KernelPeer peer(place.far());
    pass(*port, 1536);
}

// What a port has written to one capture, another one reads.
void pcap() {
    const Place place;
    const std::string file = place.file("a.pcap");
    auto writer = must(open_port("net_pcap0,tx_pcap=" + file, 9136));
    NumberedTraffic written(*writer, 9136 + kEthernetHeader);
    for (const uint32_t size : written.sizes())
        ASSERT_TRUE(written.send(size));
    const std::size_t count = written.missing();
    writer->stop();
    auto reader = must(open_port("net_pcap1,rx_pcap=" + file, 9136));
    std::size_t read = 0;
    for (int polls = 0; polls < 100 && read < count; ++polls) {
        rte_mbuf* packet = nullptr;
        while (reader->rx_burst(0, &packet, 1) == 1) {
            ++read;
            const auto frame = numbered_frame(static_cast<uint32_t>(read), packet->pkt_len);
            std::vector<uint8_t> came(packet->pkt_len);
            const auto* at = rte_pktmbuf_read(packet, 0, packet->pkt_len, came.data());
            EXPECT_EQ(std::memcmp(at, frame.data(), frame.size()), 0) << "frame " << read;
            rte_pktmbuf_free(packet);
        }
    }
    EXPECT_EQ(read, count);
    reader->stop();
}

void ring() {
    pass(*must(open_port("net_ring9", 9136)), 9136);
}

void null() {
    auto port = must(open_port("net_null0,size=60", 1500));
    rte_mbuf* packet = nullptr;
    ASSERT_EQ(port->rx_burst(0, &packet, 1), 1);
    EXPECT_EQ(packet->pkt_len, 60u);
    EXPECT_EQ(port->tx_burst(0, &packet, 1), 1);
    port->stop();
}

void wire() {
    const auto ends = must(sim::make_wire("ports", 1));
    dataplane::EthdevRequest request;
    request.name = "wire";
    request.l2_payload = 9136;
    request.mac = MacAddr{{2, 0, 0, 0, 0, 1}};
    request.pool = port_pool();
    auto near = must(dataplane::open_device({ends.first}, request));
    auto far = must(dataplane::open_device({ends.second}, request));
    NumberedTraffic traffic(*near, 9136 + kEthernetHeader);
    for (const uint32_t size : traffic.sizes()) {
        rte_mbuf* packet = nullptr;
        ASSERT_TRUE(traffic.send(size));
        ASSERT_EQ(far->rx_burst(0, &packet, 1), 1);
        ASSERT_EQ(far->tx_burst(0, &packet, 1), 1);
        traffic.receive();
    }
    EXPECT_EQ(traffic.missing(), 0u);
    EXPECT_EQ(traffic.wrong(), "");
}

// Two members, LACP with another net_bonding in a second process.
void bonding() {
    const Place first("1"), second("2");
    // The driver makes a number of its process and the interface's index, which must not meet that
    // of the other process.
    const int index = 1 << 20 | (getpid() & 0xffff) << 2;
    if (!first.make_veth(1500, index) || !second.make_veth(1500, index + 1))
        GTEST_SKIP() << "no veth interfaces here";
    const auto device = [&](const std::string& one, const std::string& two) {
        return fmt::format("net_bonding0,mode=4,member=(net_af_packet21,iface={},faults=accepted),"
                           "member=(net_af_packet22,iface={},faults=accepted)",
                           one, two);
    };
    const Peer peer(device(first.far(), second.far()), 1500);
    auto port = must(open_port(device(first.own(), second.own()), 1500));
    ASSERT_TRUE(wait_for_link(*port, true));
    // Frames are lost until the partners have agreed, and thrown away as long as they come twice.
    NumberedTraffic traffic(*port, 1500 + kEthernetHeader);
    for (int tries = 0; tries < 60 && !traffic.answered(); ++tries) {
        (void)traffic.send(60);
        traffic.drain();
    }
    ASSERT_TRUE(traffic.answered()) << "LACP has not come to an agreement";
    traffic.forget();
    EXPECT_EQ(traffic.exchange(kRounds), "");
    port->stop();
}

void pci() {
    const char* device = std::getenv("ISTHMUS_TEST_PCI");
    if (device == nullptr)
        GTEST_SKIP() << "ISTHMUS_TEST_PCI names no NIC: its address, bound to vfio-pci, with a "
                        "loop behind it";
    pass(*must(open_port(device, 1536)), 1536);
}

struct Kind {
    const char* name; // the first column of docs/ports.md
    const char* test;
    std::function<void()> bring_up;
    bool root = false;
};

const Kind kKinds[] = {
    {"PCI address", "pci", pci, true},
    {"xdp:", "xdp", xdp, true},
    {"net_memif", "memif_server", [] { memif(true, 9136); }},
    {"net_memif", "memif_client", [] { memif(false, 9136); }},
    {"net_vhost", "vhost_listens", [] { vhost(true, true); }},
    {"net_vhost", "vhost_connects", [] { vhost(true, false); }},
    {"net_virtio_user", "virtio_user_connects", [] { vhost(false, true); }},
    {"net_virtio_user", "virtio_user_listens", [] { vhost(false, false); }},
    {"net_tap", "tap", tap, true},
    {"net_af_packet", "af_packet", af_packet, true},
    {"net_af_xdp", "af_xdp", af_xdp, true},
    {"net_pcap", "pcap", pcap},
    {"net_ring", "ring", ring},
    {"net_null", "null", null},
    {"wire:", "wire", wire},
    {"net_bonding", "bonding", bonding, true},
};

class BringUp : public testing::TestWithParam<Kind> {};

TEST_P(BringUp, PassesNumberedTraffic) {
    if (GetParam().root && geteuid() != 0)
        GTEST_SKIP() << "only root has such devices";
    GetParam().bring_up();
}

INSTANTIATE_TEST_SUITE_P(Kinds, BringUp, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param.test); });

// Rows of the first table of docs/ports.md: `| `NAME...` | ...`.
TEST(PortsTable, HasTheKindsThatAreTried) {
    const char* path = std::getenv("ISTHMUS_PORTS_TABLE");
    if (path == nullptr)
        GTEST_SKIP() << "ISTHMUS_PORTS_TABLE is not set: meson test does that";
    std::set<std::string> documented, tried;
    std::ifstream file(path);
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("| kind "))
            inside = true;
        else if (inside && !line.starts_with("|"))
            break;
        else if (inside && line.starts_with("| `"))
            documented.insert(line.substr(3, line.find('`', 3) - 3));
    }
    for (const Kind& kind : kKinds)
        tried.insert(kind.name);
    EXPECT_EQ(documented, tried);
}

} // namespace
} // namespace isthmus::test
