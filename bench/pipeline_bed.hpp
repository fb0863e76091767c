#pragma once
// What bench_pipeline forwards by and with: an edge with VPC ports, channels and attachments, and
// bursts of 64 packets of them that can be brought back to how they came.

#include "control/compile.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/stages.hpp"
#include "macsec/protect.hpp"
#include "tests/must.hpp"
#include "tests/packets.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

namespace isthmus::bench {

using dataplane::Burst;
using dataplane::Direction;
using dataplane::StageContext;
using macsec::CipherSuite;
using test::Bytes;
using test::must;

inline constexpr uint16_t kBurst = kBurstMax;
inline const MacAddr kPeerMac{{2, 0xbb, 0, 0, 0, 1}};

// Customers of one edge, dealt to its groups: a VPC port and an interconnect of one channel each.
class Bed {
  public:
    // `suite` absent: plaintext.
    Bed(std::optional<CipherSuite> suite, uint16_t attachments, uint16_t groups, uint32_t routes)
        : suite_(suite), attachments_(attachments), groups_(groups) {
        make_config();
        for (uint16_t a = 0; a < attachments; ++a)
            add_attachment(a, routes);
        make_keys();
        state_ =
            control::compile({model_, ports_, secys_, neighbours_, cache_, rte_get_tsc_hz(), 1});
        counters_.egress = dataplane::DirectionAccounts(attachments);
        counters_.ingress = dataplane::DirectionAccounts(attachments);
        counters_.ports = std::vector<dataplane::PortCounters>(2u * groups);
        counters_.edges = std::vector<dataplane::EdgeCounters>(1);
        counters_.secys = std::vector<macsec::SecyCounters>(groups);
        buckets_ = dataplane::MeterBuckets(attachments);
    }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    StageContext context(bool from_channel, uint16_t group = 0) {
        // The frames of a burst come again and again with the same packet numbers.
        if (from_channel && suite_)
            state_->channels[0].rx.scs[0].sa[0]->replay.start_at(1, 1);
        const std::size_t port = from_channel ? groups_ + group : group;
        return {*state_,  state_->ports[port], *aead_,     counters_,
                buckets_, rte_rdtsc(),         uint16_t{0}};
    }
    [[nodiscard]] const macsec::Aead& aead() const { return *aead_; }
    [[nodiscard]] macsec::AeadKey* sak(bool from_channel) const {
        const auto& channel = state_->channels[0];
        return from_channel ? channel.rx.scs[0].sa[0]->sak.get() : channel.tx[0].sa->sak.get();
    }
    // From the VPC, of attachment 0; or (protected by the peer, if the channel is) from the
    // channel. Flows differ.
    [[nodiscard]] std::vector<Bytes> frames(bool from_channel, std::size_t ip_bytes) {
        std::vector<Bytes> frames;
        for (uint16_t n = 0; n < kBurst; ++n)
            frames.push_back(from_channel ? peer_frame(n, ip_bytes) : host_frame(n, ip_bytes, 0));
        if (from_channel && suite_)
            protect(frames);
        return frames;
    }
    // From the VPC port of group `group`, of attachments by chance.
    [[nodiscard]] std::vector<Bytes> mixed_frames(uint16_t group, std::size_t ip_bytes,
                                                  std::mt19937& random) {
        std::vector<Bytes> frames;
        for (uint16_t n = 0; n < kBurst; ++n) {
            const auto of_group =
                static_cast<uint32_t>((attachments_ - group + groups_ - 1) / groups_);
            const auto a = static_cast<uint16_t>(random() % of_group * groups_ + group);
            frames.push_back(host_frame(n, ip_bytes, a));
        }
        return frames;
    }

  private:
    static constexpr uint16_t kFirstChannelVlan = 1100;

    static MacAddr port_mac(std::size_t port) {
        return {{2, 0, 0, 0, 0, static_cast<uint8_t>(port + 1)}};
    }
    [[nodiscard]] uint16_t vpc_vlan(uint16_t a) const {
        return attachments_ == 1 ? uint16_t{0} : static_cast<uint16_t>(1 + a / groups_);
    }
    [[nodiscard]] uint16_t channel_vlan(uint16_t a) const {
        return static_cast<uint16_t>(kFirstChannelVlan + a / groups_);
    }

    void make_config() {
        control::Config& config = model_.config;
        config.edges = {{"edge", "edge"}};
        for (uint16_t p = 0; p < 2 * groups_; ++p) {
            config.ports.push_back(
                {"p" + std::to_string(p), EdgeId(0), "", std::nullopt, 1500, true, 0});
            ports_.push_back({port_mac(p), true});
            model_.port_enabled.push_back(true);
        }
        for (uint16_t g = 0; g < groups_; ++g) {
            config.interconnects.push_back({"ic" + std::to_string(g), EdgeId(0), "peer"});
            control::ChannelConfig channel;
            channel.name = "ch" + std::to_string(g);
            channel.edge = EdgeId(0);
            channel.interconnect = InterconnectId(g);
            channel.port = PortId(static_cast<uint16_t>(groups_ + g));
            channel.protect_frames = suite_.has_value();
            if (suite_)
                channel.cipher_suite = *suite_;
            else
                channel.validate_frames = macsec::ValidateFrames::null;
            config.channels.push_back(channel);
            model_.channel_admin.push_back(control::AdminState::up);
        }
    }

    void add_attachment(uint16_t a, uint32_t routes) {
        const auto group = static_cast<uint16_t>(a % groups_);
        control::Attachment spec;
        spec.name = "cust" + std::to_string(a);
        spec.edge = EdgeId(0);
        spec.interconnect = InterconnectId(group);
        spec.port = PortId(group);
        spec.vlan = vpc_vlan(a);
        spec.local.ipv4 = Ipv4Prefix{test::v4("10.1.0.1"), 24};
        control::Limit limit;
        limit.rate_bps = 400'000'000'000; // metered, but never over the limit
        spec.egress_limit = spec.ingress_limit = limit;
        control::Feature feature;
        feature.vlan = channel_vlan(a);
        feature.local.ipv4 = Ipv4Prefix{test::v4("169.254.0.1"), 30};
        feature.peer_ipv4 = test::v4("169.254.0.2");
        spec.features[ChannelId(group)] = feature;
        for (uint32_t n = 0; n < routes; ++n)
            spec.routes[Ipv4Prefix{{0x0a020000 + (n << 8)}, 24}] = {control::Via::channels, {}};
        model_.attachments[AttachmentId(a)] = spec;
        neighbours_[{AttachmentId(a), {}}][test::v4("10.1.0.9")] = kPeerMac;
        neighbours_[{AttachmentId(a), ChannelId(group)}][*feature.peer_ipv4] = kPeerMac;
    }

    void make_keys() {
        for (uint16_t g = 0; g < groups_; ++g)
            secys_.push_back(std::make_unique<control::ChannelSecy>(
                model_.config.channels[g], port_mac(groups_ + g), 1, *aead_, *pn_store_));
        if (!suite_)
            return;
        const Bytes sak(macsec::sak_length(*suite_), 0x5a);
        const Bytes peer_sak(macsec::sak_length(*suite_), 0xa5);
        const auto sci = macsec::Sci::from(kPeerMac, 1);
        std::optional<macsec::XpnParameters> xpn, peer_xpn;
        if (macsec::is_xpn(*suite_)) {
            xpn = macsec::XpnParameters{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1};
            peer_xpn = xpn;
            peer_xpn->ssci = 2;
        }
        for (auto& secy : secys_)
            must(secy->add_tx_sa({0, sak, std::nullopt, xpn}));
        must(secys_[0]->add_rx_sc(sci));
        must(secys_[0]->add_rx_sa(sci, {0, peer_sak, 1, peer_xpn, true}));
        peer_sc_.sci = sci;
        peer_sa_ = must(macsec::make_tx_sa(
            *aead_, {*suite_, 0, peer_sak, sci, peer_xpn},
            std::make_shared<macsec::PacketNumbers>(macsec::PacketNumbers::Owner::per_worker, 1,
                                                    macsec::last_pn(*suite_))));
    }

    [[nodiscard]] static Bytes packet(uint16_t n, std::size_t ip_bytes, bool from_channel) {
        const Ipv4Addr host = test::v4("10.1.0.9");
        const Ipv4Addr remote{0x0a020004u + (n % 16u << 8)};
        return test::ipv4({from_channel ? remote : host, from_channel ? host : remote},
                          test::udp(n, 9, test::ramp(ip_bytes - 28)));
    }
    [[nodiscard]] Bytes host_frame(uint16_t n, std::size_t ip_bytes, uint16_t a) const {
        const uint16_t vlan = vpc_vlan(a);
        return test::ethernet({port_mac(a % groups_), kPeerMac, vlan == 0 ? -1 : vlan},
                              wire::kEtherTypeIpv4, packet(n, ip_bytes, false));
    }
    [[nodiscard]] Bytes peer_frame(uint16_t n, std::size_t ip_bytes) const {
        return test::ethernet({port_mac(groups_), kPeerMac, channel_vlan(0)}, wire::kEtherTypeIpv4,
                              packet(n, ip_bytes, true));
    }

    void protect(std::vector<Bytes>& all) {
        const macsec::TxBinding tx{&peer_sc_, peer_sa_.get(), {}, true};
        std::array<macsec::ProtectFrame, kBurst> frames;
        for (uint16_t n = 0; n < kBurst; ++n) {
            const auto length = static_cast<uint32_t>(all[n].size());
            all[n].insert(all[n].begin(), macsec::kSecTagLength, 0);
            all[n].resize(all[n].size() + macsec::kIcvLength + macsec::kAeadSlack);
            frames[n] = {all[n].data() + macsec::kSecTagLength, length, macsec::ProtectVerdict::ok};
        }
        macsec::ProtectBatch batch;
        batch.add(tx, peer_secy_, UINT32_MAX, macsec::ProtectFrames(frames));
        batch.seal(*aead_);
        for (Bytes& frame : all)
            frame.resize(frame.size() - macsec::kAeadSlack);
    }

    std::optional<CipherSuite> suite_;
    uint16_t attachments_, groups_;
    std::unique_ptr<macsec::Aead> aead_ = must(macsec::make_aead("auto"));
    control::Model model_;
    std::vector<control::PortFacts> ports_;
    std::unique_ptr<control::PnStore> pn_store_ = must(control::PnStore::open("none"));
    control::ChannelSecys secys_;
    control::NeighbourMacs neighbours_;
    control::VrfCache cache_;
    std::unique_ptr<const dataplane::ForwardingState> state_;
    dataplane::WorkerCounters counters_;
    dataplane::MeterBuckets buckets_;
    macsec::TxSc peer_sc_;
    std::unique_ptr<macsec::TxSa> peer_sa_;
    macsec::SecyCounters peer_secy_;
};

// Buffers of one burst.
class Packets {
  public:
    explicit Packets(rte_mempool* pool) {
        if (rte_pktmbuf_alloc_bulk(pool, buffers_.data(), kBurst) != 0)
            throw std::runtime_error("no packet buffers");
    }
    ~Packets() { rte_pktmbuf_free_bulk(buffers_.data(), kBurst); }
    Packets(const Packets&) = delete;
    Packets& operator=(const Packets&) = delete;

    // The burst as it came.
    Burst& take(const std::vector<Bytes>& frames) {
        for (uint16_t n = 0; n < kBurst; ++n) {
            rte_mbuf* packet = buffers_[n];
            rte_pktmbuf_reset(packet);
            packet->data_len = static_cast<uint16_t>(frames[n].size());
            packet->pkt_len = packet->data_len;
            std::memcpy(rte_pktmbuf_mtod(packet, void*), frames[n].data(), frames[n].size());
        }
        burst_.packet = buffers_;
        burst_.start(kBurst);
        return burst_;
    }

  private:
    dataplane::PerPacket<rte_mbuf*> buffers_;
    Burst burst_;
};

} // namespace isthmus::bench
