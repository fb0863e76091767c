#include "tests/ports/guest.hpp"

#include "tests/must.hpp"
#include "tests/ports/peer.hpp"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <csignal>
#include <cstdio>
#include <iterator>
#include <sys/prctl.h>
#include <unistd.h>

namespace isthmus::test {
namespace {

constexpr uint16_t kMss = 1460;
constexpr uint32_t kEthernet = 14, kIpv4 = 20;
constexpr uint32_t kSource = 0x0aff0002; // 10.255.0.2

rte_ipv4_hdr* ip_of(const rte_mbuf* packet) {
    return rte_pktmbuf_mtod_offset(packet, rte_ipv4_hdr*, kEthernet);
}

uint32_t checksum_offset(uint8_t protocol) {
    return protocol == IPPROTO_TCP ? 16 : 6;
}

rte_mbuf* make_frame(uint16_t number) {
    const GuestFrame& wanted = kGuestFrames[number];
    const uint32_t l4 = wanted.protocol == IPPROTO_TCP ? sizeof(rte_tcp_hdr) : sizeof(rte_udp_hdr);
    const uint32_t length = kEthernet + kIpv4 + l4 + wanted.payload;
    rte_mbuf* packet = rte_pktmbuf_alloc(port_pool());
    auto* at =
        reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, static_cast<uint16_t>(length)));
    for (uint32_t n = 0; n < length; ++n)
        at[n] = n < kEthernet + kIpv4 + l4 ? 0 : static_cast<uint8_t>(n * 7);
    at[0] = at[6] = 2;
    at[12] = 8;
    rte_ipv4_hdr* ip = ip_of(packet);
    ip->version_ihl = 0x45;
    ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(length - kEthernet));
    ip->packet_id = rte_cpu_to_be_16(number);
    ip->time_to_live = 64;
    ip->next_proto_id = wanted.protocol;
    ip->src_addr = rte_cpu_to_be_32(kSource);
    ip->dst_addr = rte_cpu_to_be_32(kSource + 1);
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    uint8_t* const l4_header = at + kEthernet + kIpv4;
    uint8_t* const checksum = l4_header + checksum_offset(wanted.protocol);
    uint64_t open = RTE_MBUF_F_TX_TCP_CKSUM;
    if (wanted.protocol == IPPROTO_TCP) {
        l4_header[12] = 0x50; // length of the header
    } else {
        const auto udp_length = rte_cpu_to_be_16(static_cast<uint16_t>(l4 + wanted.payload));
        std::memcpy(l4_header + 4, &udp_length, sizeof udp_length);
        open = RTE_MBUF_F_TX_UDP_CKSUM;
    }
    if (wanted.left == Unfinished::nothing) {
        const uint16_t sum = rte_ipv4_udptcp_cksum(ip, ip + 1);
        std::memcpy(checksum, &sum, sizeof sum);
        return packet;
    }
    packet->l2_len = kEthernet;
    packet->l3_len = kIpv4;
    packet->l4_len = static_cast<uint8_t>(l4);
    packet->ol_flags = RTE_MBUF_F_TX_IPV4 | open;
    if (wanted.left == Unfinished::segments) {
        packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
        packet->tso_segsz = kMss;
    }
    const uint16_t pseudo = rte_ipv4_phdr_cksum(ip, packet->ol_flags);
    std::memcpy(checksum, &pseudo, sizeof pseudo);
    return packet;
}

// Opened without the code under test: it asks for everything that there is to leave.
uint16_t open_guest(const std::string& device) {
    const auto comma = device.find(',');
    const std::string name = device.substr(0, comma);
    uint16_t port = 0;
    rte_eth_dev_info info{};
    if (rte_eal_hotplug_add("vdev", name.c_str(), device.c_str() + comma + 1) != 0 ||
        rte_eth_dev_get_port_by_name(name.c_str(), &port) != 0 ||
        rte_eth_dev_info_get(port, &info) != 0)
        std::abort();
    rte_eth_conf conf{};
    conf.txmode.offloads =
        info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
                                RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
    if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(port, 0, 256, 0, nullptr, port_pool()) != 0 ||
        rte_eth_tx_queue_setup(port, 0, 256, 0, nullptr) != 0 || rte_eth_dev_start(port) != 0)
        std::abort();
    std::printf("TSO agreed: %d\n", (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0);
    return port;
}

} // namespace

bool checksum_is_right(const rte_mbuf* packet) {
    const auto* ip = reinterpret_cast<const uint8_t*>(ip_of(packet));
    std::vector<uint8_t> copy(ip, ip + packet->pkt_len - kEthernet);
    uint8_t* const checksum = copy.data() + kIpv4 + checksum_offset(ip_of(packet)->next_proto_id);
    uint16_t came = 0;
    std::memcpy(&came, checksum, sizeof came);
    std::memset(checksum, 0, sizeof came);
    return came == rte_ipv4_udptcp_cksum(reinterpret_cast<const rte_ipv4_hdr*>(copy.data()),
                                         copy.data() + kIpv4);
}

int guest_number(const rte_mbuf* packet) {
    const rte_ipv4_hdr* ip = ip_of(packet);
    if (packet->pkt_len < 60 || ip->version_ihl != 0x45 ||
        ip->src_addr != rte_cpu_to_be_32(kSource))
        return -1;
    return rte_be_to_cpu_16(ip->packet_id);
}

int run_guest(const std::string& device) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    start_port_eal();
    const uint16_t port = open_guest(device);
    for (uint16_t number = 0;;
         number = static_cast<uint16_t>((number + 1) % std::size(kGuestFrames))) {
        rte_mbuf* packet = make_frame(number);
        if (rte_eth_tx_burst(port, 0, &packet, 1) == 0)
            rte_pktmbuf_free(packet);
        usleep(1000);
    }
}

} // namespace isthmus::test
