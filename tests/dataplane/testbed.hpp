#pragma once
// One edge on simulated links, driven by the test's own thread: a VPC port (untagged attachment
// `cust`, VLAN 100 attachment `other`) and two channels. The test holds the far ends of the links.
//
//   host 10.1.0.9, fd00:1::9 -- vpc [edge 10.1.0.1, fd00:1::1] -- ch0, ch1 -- peer
//   edge, 10.2.0.0/16, fd00:2::/32

#include "control/control_plane.hpp"
#include "control/state_store.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/ethdev_port.hpp"
#include "macsec/secy.hpp"
#include "tests/packets.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct rte_mempool;
struct rte_mbuf;

namespace isthmus::test {

inline constexpr PortId kVpc{std::size_t{0}};
inline constexpr PortId kCh0{std::size_t{1}};
inline constexpr PortId kCh1{std::size_t{2}};
inline constexpr ChannelId kChannel0{std::size_t{0}};
inline constexpr ChannelId kChannel1{std::size_t{1}};
inline const MacAddr kVpcMac{{2, 0, 0, 0, 0, 1}};
inline const MacAddr kCh0Mac{{2, 0, 0, 0, 0, 2}};
inline const MacAddr kCh1Mac{{2, 0, 0, 0, 0, 3}};
inline const MacAddr kHostMac{{2, 0xaa, 0, 0, 0, 1}};
inline const MacAddr kPeerMac{{2, 0xbb, 0, 0, 0, 1}};
inline const Ipv4Addr kHost4 = v4("10.1.0.9"), kRemote4 = v4("10.2.3.4");
inline const Ipv6Addr kHost6 = v6("fd00:1::9"), kRemote6 = v6("fd00:2::4");
inline constexpr uint16_t kIpv4 = wire::kEtherTypeIpv4, kIpv6 = wire::kEtherTypeIpv6;
inline constexpr uint16_t kFeatureVlan = 1100;
inline constexpr uint16_t kOtherVlan = 100;

inline constexpr uint16_t kMostWorkers = 4;

// EAL and the packet pools, once per process. Buffers are those of ports with an MTU of 1,500; the
// jumbo pool, made at its first use, has buffers for the largest MTU.
void start_test_eal(const char* program);
rte_mempool* test_pool();
// The core of the only worker that may have a thread of its own.
unsigned test_worker_core();
rte_mempool* jumbo_pool();

struct TestbedOptions {
    bool neighbours = true; // static entries for host and peers; else they must be resolved
    bool keys = true;
    uint16_t mtu = 1500; // of ports, and of attachments
    uint16_t feature_mtu = 1500;
    uint16_t attachment_mtu = 0; // 0: mtu
    control::MssClamp mss_clamp = {};
    uint16_t workers = 1; // at most kMostWorkers, at either edge; ports have one queue
    // Of both channels, after GCM-AES-256 has been set; the peer follows.
    std::function<void(control::ChannelConfig&)> configure = [](control::ChannelConfig&) {};
    std::unique_ptr<control::StateStore> store = nullptr; // null: nothing is remembered
};

class Testbed {
  public:
    explicit Testbed(TestbedOptions options = {});
    ~Testbed();

    // Puts a frame on the far end of a port's link; the worker runs until it is idle. The control
    // thread's part (ARP, ICMP, neighbours) runs only in settle().
    void send(PortId port, const Bytes& frame);
    void send_raw(PortId port, rte_mbuf* packet);
    // The same without running a worker.
    void send_later(PortId port, const Bytes& frame);
    void run_workers();
    // Workers and control until nothing happens any more.
    void settle();
    // What has come out of a port since the last call.
    std::vector<Bytes> received(PortId port);

    // The far edge's SecY: protects a plain frame as the peer would, opens what the edge sent.
    // `worker`: of the peer, by its transmit SC.
    Bytes protect(const Bytes& plain, uint8_t an = 0, uint16_t worker = 0);
    std::optional<Bytes> open(const Bytes& frame);
    // The peer's format of tags, for tests that have it deviate.
    macsec::TagFormat& peer_format() { return peer_format_; }
    // Salt and SSCI of the edge's and the peer's SAs, if the suite has them.
    std::optional<macsec::XpnParameters> edge_xpn() const { return xpn(1); }
    std::optional<macsec::XpnParameters> peer_xpn() const { return xpn(2); }
    // A transmit SA of the edge with what goes without saying filled in.
    Result<void> add_tx_sa(ChannelId channel, uint8_t an, const Bytes& sak,
                           std::optional<uint64_t> next_pn = {});

    // A frame from the host towards the other cloud / from the peer towards the VPC.
    Bytes host_frame(const Bytes& ip_packet, uint16_t type = wire::kEtherTypeIpv4) const;
    Bytes peer_frame(const Bytes& ip_packet, uint16_t type = wire::kEtherTypeIpv4,
                     PortId port = kCh0) const;

    control::ControlPlane& control() { return *control_; }
    dataplane::Dataplane& dataplane() { return *dataplane_; }
    AttachmentId attachment() const { return cust_; }
    AttachmentId other() const { return other_; }
    control::EdgeAccounting accounting() const;
    uint64_t drops(Drop reason) const;
    uint64_t total_drops() const;
    // What the control plane has warned of, channels that go down aside: one event each.
    const std::vector<std::string>& said() const { return said_; }

  private:
    std::optional<macsec::XpnParameters> xpn(uint32_t ssci) const;
    macsec::SaSpec sa_spec(uint8_t an, std::span<const uint8_t> sak, macsec::Sci sci,
                           const std::optional<macsec::XpnParameters>& parameters) const;
    void make_peer();
    Bytes fitting(Bytes sak) const; // cut to what the suite wants
    std::vector<std::unique_ptr<dataplane::Port>> make_ports(const control::Config& config);
    void install(const TestbedOptions& options);

    rte_mempool* pool_;
    std::vector<uint16_t> far_ends_; // ethdev ids, by PortId
    std::vector<std::unique_ptr<dataplane::Port>> far_ports_;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
    std::unique_ptr<control::ControlPlane> control_;
    AttachmentId cust_, other_;
    uint64_t now_ns_; // the control thread's clock; settle() lets it run ahead

    std::vector<std::string> said_;

    control::ChannelConfig channel_;
    std::unique_ptr<macsec::Aead> aead_;
    macsec::TagFormat peer_format_;
    struct PeerSender {
        macsec::TxSc sc;
        std::array<std::unique_ptr<macsec::TxSa>, macsec::kAssociationNumbers> sa;
    };
    struct PeerReceiver {
        macsec::RxSc sc;
        std::unique_ptr<macsec::RxSa> sa;
    };
    uint16_t workers_ = 1;
    PeerSender peer_tx_[kMostWorkers];
    PeerReceiver peer_rx_[2][kMostWorkers]; // by channel and worker of the edge
    macsec::SecyCounters peer_secy_;
};

// What has come out of either channel since the last call, of the first before the second.
std::vector<Bytes> from_channels(Testbed& bed);

// The SAKs of both directions; 32 octets each.
inline Bytes edge_sak() {
    return Bytes(32, 0xe1);
}
inline Bytes peer_sak() {
    return Bytes(32, 0x9e);
}
inline macsec::Sci peer_sci(uint16_t worker = 0) {
    return macsec::Sci::from(kPeerMac, static_cast<uint16_t>(worker + 1));
}

} // namespace isthmus::test
