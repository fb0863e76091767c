// Cost of each stage and of whole pipelines, per packet, on packets in memory: bursts of 64,
// everything cache-warm, no device. Each round restores the packets outside the measured time.
//
//   stage/<name>/<bytes>   pipeline/<egress|ingress>/<plain|suite>/<bytes>     bytes: of the IP
//   packet

#include "bench/rounds.hpp"
#include "control/compile.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/stages.hpp"
#include "tests/must.hpp"
#include "tests/packets.hpp"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>

namespace isthmus {
namespace {

using control::ChannelSecy;
using dataplane::Burst;
using dataplane::Direction;
using dataplane::StageContext;
using macsec::CipherSuite;
using test::Bytes;
using test::must;

constexpr uint64_t kBurst = kBurstMax;
// Restoring the packets takes longer than most stages, so rounds are counted, not timed.
constexpr int kRounds = 2000;
const MacAddr kVpcMac{{2, 0, 0, 0, 0, 1}};
const MacAddr kChannelMac{{2, 0, 0, 0, 0, 2}};
const MacAddr kPeerMac{{2, 0xbb, 0, 0, 0, 1}};
constexpr uint16_t kVlan = 1100;
constexpr std::size_t kVpcPort = 0, kChannelPort = 1;

// One edge with one customer, one interconnect of one channel; `suite` absent: plaintext.
class Bed {
  public:
    explicit Bed(std::optional<CipherSuite> suite) : aead_(must(macsec::make_aead("auto"))) {
        make_model(suite);
        make_keys(suite);
        neighbours_[{AttachmentId(0), {}}][test::v4("10.1.0.9")] = kPeerMac;
        neighbours_[{AttachmentId(0), ChannelId(0)}][test::v4("169.254.0.2")] = kPeerMac;
        state_ =
            control::compile({model_, ports_, secys_, neighbours_, cache_, rte_get_tsc_hz(), 1});
        counters_.egress = std::vector<dataplane::DirectionCounters>(1);
        counters_.ingress = std::vector<dataplane::DirectionCounters>(1);
        counters_.ports = std::vector<dataplane::PortCounters>(2);
        counters_.edges = std::vector<dataplane::EdgeCounters>(1);
        counters_.secys = std::vector<macsec::SecyCounters>(1);
        buckets_.egress = std::vector<dataplane::MeterBucket>(1);
        buckets_.ingress = std::vector<dataplane::MeterBucket>(1);
        credits_.egress.resize(1);
        credits_.ingress.resize(1);
    }

    StageContext context(std::size_t port) {
        return {*state_,  state_->ports[port], *aead_,     counters_, buckets_,
                credits_, rte_rdtsc(),         uint16_t{0}};
    }

    // 64 packets of the customer, from the VPC or (protected by the peer, if the channel is) from
    // the channel; flows differ.
    void fill(Burst& burst, bool from_channel, std::size_t ip_bytes) {
        for (uint16_t n = 0; n < kBurst; ++n) {
            const Bytes frame = from_channel ? peer_frame(n, ip_bytes) : host_frame(n, ip_bytes);
            rte_mbuf* packet = burst.packet[n];
            rte_pktmbuf_reset(packet);
            std::copy(frame.begin(), frame.end(),
                      rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size())));
        }
        if (from_channel && suite_)
            protect(burst);
        burst.start(kBurst);
    }

  private:
    void make_model(std::optional<CipherSuite> suite) {
        suite_ = suite;
        control::Config& config = model_.config;
        config.edges = {{"edge", "edge"}};
        config.ports = {{"vpc", EdgeId(0), "", std::nullopt, 1500, true, 0},
                        {"ch0", EdgeId(0), "", std::nullopt, 1500, true, 0}};
        config.interconnects = {{"ic", EdgeId(0), "peer"}};
        control::ChannelConfig channel;
        channel.name = "ch0";
        channel.edge = EdgeId(0);
        channel.interconnect = InterconnectId(0);
        channel.port = PortId(kChannelPort);
        channel.protect_frames = suite.has_value();
        if (suite)
            channel.cipher_suite = *suite;
        else
            channel.validate_frames = macsec::ValidateFrames::null;
        config.channels = {channel};
        model_.channel_admin = {control::AdminState::up};
        model_.port_enabled = {true, true};
        ports_ = {{kVpcMac, true}, {kChannelMac, true}};
        control::Attachment spec;
        spec.name = "cust";
        spec.edge = EdgeId(0);
        spec.interconnect = InterconnectId(0);
        spec.port = PortId(kVpcPort);
        spec.local.ipv4 = Ipv4Prefix{test::v4("10.1.0.1"), 24};
        control::Limit limit;
        limit.rate_bps = 400'000'000'000; // metered, but never over the limit
        spec.egress_limit = spec.ingress_limit = limit;
        control::Feature feature;
        feature.vlan = kVlan;
        feature.local.ipv4 = Ipv4Prefix{test::v4("169.254.0.1"), 30};
        feature.peer_ipv4 = test::v4("169.254.0.2");
        spec.features[ChannelId(0)] = feature;
        for (uint32_t n = 0; n < 1000; ++n)
            spec.routes[Ipv4Prefix{{0x0a020000 + (n << 8)}, 24}] = {control::Via::channels, {}};
        model_.attachments[AttachmentId(0)] = spec;
    }

    void make_keys(std::optional<CipherSuite> suite) {
        secys_.push_back(std::make_unique<ChannelSecy>(model_.config.channels[0], kChannelMac, 1,
                                                       *aead_, *pn_store_));
        if (!suite)
            return;
        const Bytes sak(macsec::sak_length(*suite), 0x5a);
        const Bytes peer_sak(macsec::sak_length(*suite), 0xa5);
        const auto sci = macsec::Sci::from(kPeerMac, 1);
        std::optional<macsec::XpnParameters> xpn, peer_xpn;
        if (macsec::is_xpn(*suite)) {
            xpn = macsec::XpnParameters{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1};
            peer_xpn = xpn;
            peer_xpn->ssci = 2;
        }
        must(secys_[0]->add_tx_sa({0, sak, std::nullopt, xpn}));
        must(secys_[0]->add_rx_sc(sci));
        must(secys_[0]->add_rx_sa(sci, {0, peer_sak, 1, peer_xpn, true}));
        peer_sc_.sci = sci;
        peer_sa_ = must(macsec::make_tx_sa(
            *aead_, {*suite, 0, peer_sak, sci, peer_xpn},
            std::make_shared<macsec::PacketNumbers>(macsec::PacketNumbers::Owner::per_worker, 1,
                                                    macsec::last_pn(*suite))));
    }

    static Bytes packet(uint16_t n, std::size_t ip_bytes, bool from_channel) {
        const Ipv4Addr host = test::v4("10.1.0.9");
        const Ipv4Addr remote{0x0a020304u + (n << 8)};
        return test::ipv4({from_channel ? remote : host, from_channel ? host : remote},
                          test::udp(n, 9, test::ramp(ip_bytes - 28)));
    }
    static Bytes host_frame(uint16_t n, std::size_t ip_bytes) {
        return test::ethernet({kVpcMac, kPeerMac, -1}, wire::kEtherTypeIpv4,
                              packet(n, ip_bytes, false));
    }
    static Bytes peer_frame(uint16_t n, std::size_t ip_bytes) {
        return test::ethernet({kChannelMac, kPeerMac, kVlan}, wire::kEtherTypeIpv4,
                              packet(n, ip_bytes, true));
    }

    void protect(Burst& burst) {
        const macsec::TxBinding tx{&peer_sc_, peer_sa_.get(), {}, true};
        std::array<macsec::ProtectFrame, kBurst> frames;
        for (uint16_t n = 0; n < kBurst; ++n)
            frames[n] = {rte_pktmbuf_mtod(burst.packet[n], uint8_t*),
                         burst.packet[n]->pkt_len,
                         UINT32_MAX,
                         &tx,
                         &peer_secy_,
                         macsec::ProtectVerdict::ok};
        macsec::protect(*aead_, frames);
        for (uint16_t n = 0; n < kBurst; ++n) {
            rte_pktmbuf_prepend(burst.packet[n], macsec::kSecTagLength);
            rte_pktmbuf_append(burst.packet[n], macsec::kIcvLength);
        }
    }

    std::optional<CipherSuite> suite_;
    std::unique_ptr<macsec::Aead> aead_;
    control::Model model_;
    std::vector<control::PortFacts> ports_;
    std::unique_ptr<control::PnStore> pn_store_ = must(control::PnStore::open("none"));
    control::ChannelSecys secys_;
    control::NeighbourMacs neighbours_;
    control::VrfCache cache_;
    std::unique_ptr<const dataplane::ForwardingState> state_;
    dataplane::WorkerCounters counters_;
    dataplane::MeterBuckets buckets_;
    dataplane::MeterCredits credits_;
    macsec::TxSc peer_sc_;
    std::unique_ptr<macsec::TxSa> peer_sa_;
    macsec::SecyCounters peer_secy_;
};

struct Packets {
    explicit Packets(rte_mempool* pool) {
        if (rte_pktmbuf_alloc_bulk(pool, burst.packet.data(), kBurst) != 0)
            throw std::runtime_error("no packet buffers");
    }
    ~Packets() { rte_pktmbuf_free_bulk(burst.packet.data(), kBurst); }
    Burst burst;
};

rte_mempool* pool = nullptr;

using Stage = std::function<void(StageContext&, Burst&)>;

// `before` brings the burst to where `measured` starts.
void measure(benchmark::State& state, std::optional<CipherSuite> suite, bool from_channel,
             std::size_t ip_bytes, const std::vector<Stage>& before, const Stage& measured) {
    Bed bed(suite);
    Packets packets(pool);
    std::vector<double> cycles; // by round; the median leaves out those that were interrupted
    for (auto _ : state) {
        bed.fill(packets.burst, from_channel, ip_bytes);
        StageContext context = bed.context(from_channel ? kChannelPort : kVpcPort);
        for (const Stage& stage : before)
            stage(context, packets.burst);
        const uint64_t start = rte_rdtsc_precise();
        measured(context, packets.burst);
        const uint64_t spent = rte_rdtsc_precise() - start;
        if (packets.burst.live_count != kBurst) {
            state.SkipWithError("packets were dropped");
            break;
        }
        cycles.push_back(static_cast<double>(spent));
        state.SetIterationTime(static_cast<double>(spent) / static_cast<double>(rte_get_tsc_hz()));
    }
    const double per_packet = cycles.empty() ? 0 : bench::median(cycles) / kBurst;
    state.counters["cycles_per_packet"] = per_packet;
    state.counters["ns_per_packet"] = per_packet * 1e9 / static_cast<double>(rte_get_tsc_hz());
}

struct NamedStage {
    const char* name;
    Stage run;
};

void register_stages(std::size_t ip_bytes) {
    using namespace dataplane;
    constexpr auto kWay = Direction::egress;
    const std::vector<NamedStage> egress{
        {"parse", parse<kWay>},       {"attachment", find_attachment<kWay>},
        {"ip_check", check_ip<kWay>}, {"meter", dataplane::meter<kWay>},
        {"fib", look_up_route<kWay>}, {"channel", choose_channel},
        {"ttl", check_ttl},           {"mtu", check_mtu<kWay>},
        {"rewrite", rewrite<kWay>},   {"protect", protect_frames},
    };
    std::vector<Stage> before;
    for (const NamedStage& stage : egress) {
        benchmark::RegisterBenchmark(fmt::format("stage/{}/{}", stage.name, ip_bytes).c_str(),
                                     [=](benchmark::State& state) {
                                         measure(state, CipherSuite::gcm_aes_256, false, ip_bytes,
                                                 before, stage.run);
                                     })
            ->UseManualTime()
            ->Iterations(kRounds);
        before.push_back(stage.run);
    }
    benchmark::RegisterBenchmark(fmt::format("stage/validate/{}", ip_bytes).c_str(),
                                 [=](benchmark::State& state) {
                                     measure(state, CipherSuite::gcm_aes_256, true, ip_bytes, {},
                                             validate_frames);
                                 })
        ->UseManualTime()
        ->Iterations(kRounds);
}

void register_pipelines(std::size_t ip_bytes) {
    const std::vector<std::pair<const char*, std::optional<CipherSuite>>> kinds{
        {"plain", std::nullopt},
        {"GCM-AES-128", CipherSuite::gcm_aes_128},
        {"GCM-AES-256", CipherSuite::gcm_aes_256},
        {"GCM-AES-XPN-256", CipherSuite::gcm_aes_xpn_256}};
    for (const auto& [kind, suite] : kinds)
        for (const bool from_channel : {false, true}) {
            const auto name = fmt::format("pipeline/{}/{}/{}", from_channel ? "ingress" : "egress",
                                          kind, ip_bytes);
            benchmark::RegisterBenchmark(name.c_str(),
                                         [=, suite = suite](benchmark::State& state) {
                                             measure(state, suite, from_channel, ip_bytes, {},
                                                     from_channel ? dataplane::run_ingress
                                                                  : dataplane::run_egress);
                                         })
                ->UseManualTime()
                ->Iterations(kRounds);
        }
}

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    dataplane::EalRequest request;
    request.program = "bench_pipeline";
    must(dataplane::start_eal(request));
    pool = must(dataplane::make_packet_pool(4096, dataplane::packet_room(1500)));
    for (const std::size_t ip_bytes : {64, 512, 1400})
        register_stages(ip_bytes);
    for (const std::size_t ip_bytes : {64, 512, 1400})
        register_pipelines(ip_bytes);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

} // namespace
} // namespace isthmus

int main(int argc, char** argv) {
    return isthmus::run(argc, argv);
}
