#include "tests/dataplane/testbed.hpp"

#include "control/config_check.hpp"
#include "control/sizes.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/packet_meta.hpp"
#include "macsec/protect.hpp"
#include "sim/wire.hpp"
#include "tests/must.hpp"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <sched.h>
#include <stdexcept>

namespace isthmus::test {
namespace {

rte_mempool* default_pool = nullptr;

control::Config make_config(const TestbedOptions& options) {
    control::Config config;
    config.worker_cores.clear();
    for (unsigned worker = 0; worker < options.workers; ++worker)
        config.worker_cores.push_back(worker);
    config.max_attachments = 8;
    config.allow_plaintext = true;
    config.edges = {{"edge", "edge"}};
    const EdgeId edge(0);
    for (const char* name : {"vpc", "ch0", "ch1"})
        config.ports.push_back({name, edge, "wire", std::nullopt, options.mtu, true, 0});
    config.interconnects = {{"ic", edge, "peer"}};
    for (const PortId port : {kCh0, kCh1}) {
        control::ChannelConfig& channel = config.channels.emplace_back();
        channel.name = config.ports[port.value].name;
        channel.edge = edge;
        channel.interconnect = InterconnectId(0);
        channel.port = port;
        channel.cipher_suite = macsec::CipherSuite::gcm_aes_256;
        options.configure(channel);
        must(control::check_macsec(channel, config.ports[port.value], config));
    }
    return config;
}

control::LinkAddresses addresses(const char* ipv4, const char* ipv6) {
    control::LinkAddresses local;
    local.ipv4 = std::get<Ipv4Prefix>(must(parse_interface(ipv4)));
    local.ipv6 = std::get<Ipv6Prefix>(must(parse_interface(ipv6)));
    return local;
}

control::Feature feature(int channel, uint16_t vlan, uint16_t mtu) {
    control::Feature spec;
    spec.vlan = vlan;
    spec.mtu = mtu;
    spec.local = addresses(fmt::format("169.254.{}.1/30", channel).c_str(),
                           fmt::format("fd00:ff:{}::1/64", channel).c_str());
    spec.peer_ipv4 = v4(fmt::format("169.254.{}.2", channel));
    spec.peer_ipv6 = v6(fmt::format("fd00:ff:{}::2", channel));
    return spec;
}

// Two customers with the same addresses: `cust` untagged, `other` with VLAN 100.
control::Attachment attachment_spec(const TestbedOptions& options, const char* name,
                                    uint16_t vlan) {
    control::Attachment spec;
    spec.name = name;
    spec.edge = EdgeId(0);
    spec.interconnect = InterconnectId(0);
    spec.port = kVpc;
    spec.vlan = vlan;
    spec.mtu = options.attachment_mtu != 0 ? options.attachment_mtu : options.mtu;
    spec.mss_clamp = options.mss_clamp;
    spec.local = addresses("10.1.0.1/24", "fd00:1::1/64");
    const auto feature_vlan = static_cast<uint16_t>(kFeatureVlan + vlan);
    spec.features[kChannel0] = feature(0, feature_vlan, options.feature_mtu);
    spec.features[kChannel1] = feature(1, feature_vlan, options.feature_mtu);
    spec.routes[must(parse_prefix("10.2.0.0/16"))] = {control::Via::channels, {}};
    spec.routes[must(parse_prefix("fd00:2::/32"))] = {control::Via::channels, {}};
    spec.routes[must(parse_prefix("10.66.0.0/16"))] = {control::Via::blackhole, {}};
    spec.routes[must(parse_prefix("10.77.0.0/16"))] = {control::Via::vpc, v4("10.1.0.9")};
    if (options.neighbours) {
        spec.static_neighbours[{ChannelId{}, v4("10.1.0.9")}] = kHostMac;
        spec.static_neighbours[{ChannelId{}, v6("fd00:1::9")}] = kHostMac;
        for (const ChannelId channel : {kChannel0, kChannel1}) {
            const auto& f = spec.features[channel];
            spec.static_neighbours[{channel, *f.peer_ipv4}] = kPeerMac;
            spec.static_neighbours[{channel, *f.peer_ipv6}] = kPeerMac;
        }
    }
    return spec;
}

} // namespace

void start_test_eal(const char* program) {
    dataplane::EalRequest request;
    request.program = program;
    request.memory_mb = 192;
    request.worker_cores = {test_worker_core()};
    auto started = dataplane::start_eal(request);
    if (!started) {
        fmt::print(stderr, "{}\n", started.error().message);
        std::exit(1);
    }
    default_pool = must(dataplane::make_packet_pool(16384, dataplane::packet_room(1500)));
}

unsigned test_worker_core() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    unsigned last = 0;
    for (unsigned core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &allowed))
            last = core;
    return last;
}

rte_mempool* test_pool() {
    return default_pool;
}

rte_mempool* jumbo_pool() {
    static rte_mempool* jumbo =
        must(dataplane::make_packet_pool(4095, dataplane::packet_room(control::kMaxPortMtu)));
    return jumbo;
}

std::vector<std::unique_ptr<dataplane::Port>> Testbed::make_ports(const control::Config& config) {
    static int number = 0;
    const MacAddr macs[] = {kVpcMac, kCh0Mac, kCh1Mac};
    std::vector<std::unique_ptr<dataplane::Port>> ports;
    for (std::size_t p = 0; p < config.ports.size(); ++p) {
        const auto [near, far] = must(sim::make_wire(fmt::format("t{}", number++)));
        dataplane::EthdevRequest request;
        request.name = config.ports[p].name;
        request.mac = macs[p];
        request.l2_payload = control::port_sizes(config, PortId(p)).l2_payload();
        request.pool = pool_;
        ports.push_back(must(dataplane::open_device({near}, request)));
        far_ports_.push_back(must(dataplane::open_device({far}, request)));
        far_ends_.push_back(far);
    }
    return ports;
}

Testbed::Testbed(TestbedOptions options)
    : pool_(options.mtu > 1500 ? jumbo_pool() : default_pool),
      now_ns_(static_cast<uint64_t>(
          std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count())),
      aead_(must(macsec::make_aead("openssl"))) {
    const control::Config config = make_config(options);
    channel_ = config.channels[0];
    workers_ = options.workers;
    dataplane::DataplaneSetup setup;
    setup.config = &config;
    setup.ports = make_ports(config);
    setup.aead = must(macsec::make_aead("openssl"));
    setup.pools.assign(config.ports.size(), pool_);
    setup.own_threads = false;
    dataplane_ = must(dataplane::Dataplane::create(std::move(setup)));
    dataplane_->start();
    control::ControlOptions control_options;
    control_options.store = std::move(options.store);
    control_options.events =
        std::make_shared<control::EventLog>([this](const control::Event& event) {
            if (control::info_of(event.kind).severity >= control::Severity::warning &&
                event.kind != control::EventKind::channel_down)
                said_.push_back(event.message);
        });
    control_ =
        std::make_unique<control::ControlPlane>(config, *dataplane_, std::move(control_options));
    make_peer();
    install(options);
    settle();
    for (const PortId port : {kVpc, kCh0, kCh1})
        (void)received(port); // announcements of the new links
}

void Testbed::install(const TestbedOptions& options) {
    cust_ = must(control_->add_attachment(attachment_spec(options, "cust", 0)));
    other_ = must(control_->add_attachment(attachment_spec(options, "other", kOtherVlan)));
    if (!options.keys)
        return;
    for (const ChannelId channel : {kChannel0, kChannel1}) {
        if (channel_.protect_frames)
            must(add_tx_sa(channel, 0, fitting(edge_sak())));
        if (channel_.validate_frames == macsec::ValidateFrames::null)
            continue;
        const Bytes sak = fitting(peer_sak());
        for (uint16_t worker = 0; worker < workers_; ++worker) {
            auto parameters = peer_xpn();
            if (parameters)
                parameters->ssci += 10 * worker;
            must(control_->add_rx_sc(channel, peer_sci(worker)));
            must(control_->add_rx_sa(channel, peer_sci(worker), {0, sak, 1, parameters, true}));
        }
    }
}

Bytes Testbed::fitting(Bytes sak) const {
    sak.resize(macsec::sak_length(channel_.cipher_suite));
    return sak;
}

std::optional<macsec::XpnParameters> Testbed::xpn(uint32_t ssci) const {
    if (!macsec::is_xpn(channel_.cipher_suite))
        return std::nullopt;
    macsec::XpnParameters parameters;
    parameters.salt.fill(0x5a);
    parameters.ssci = ssci;
    return parameters;
}

Result<void> Testbed::add_tx_sa(ChannelId channel, uint8_t an, const Bytes& sak,
                                std::optional<uint64_t> next_pn) {
    auto parameters = edge_xpn();
    if (parameters) // one SAK on two channels: other SSCIs keep the nonces apart
        parameters->ssci += 100 * channel.value;
    return control_->add_tx_sa(channel, {an, sak, next_pn, parameters});
}

macsec::SaSpec Testbed::sa_spec(uint8_t an, std::span<const uint8_t> sak, macsec::Sci sci,
                                const std::optional<macsec::XpnParameters>& parameters) const {
    return {channel_.cipher_suite, an, sak, sci, parameters};
}

// Mirrors the channel's configuration.
void Testbed::make_peer() {
    using macsec::PacketNumbers;
    peer_format_.tci = macsec::kTciExplicitSci;
    if (channel_.encrypt)
        peer_format_.tci |= macsec::kTciEncrypted | macsec::kTciChangedText;
    peer_format_.confidentiality_offset = channel_.confidentiality_offset;
    peer_format_.vlan_in_clear = channel_.vlan_in_clear;
    peer_format_.ether_type = channel_.ether_type;
    const Bytes sent_with = fitting(peer_sak()), received_with = fitting(edge_sak());
    const uint64_t last = macsec::last_pn(channel_.cipher_suite);
    for (uint16_t worker = 0; worker < workers_; ++worker) {
        auto parameters = peer_xpn();
        if (parameters)
            parameters->ssci += 10 * worker;
        PeerSender& sender = peer_tx_[worker];
        sender.sc.sci = peer_sci(worker);
        for (uint8_t an = 0; an < macsec::kAssociationNumbers; ++an)
            sender.sa[an] = must(macsec::make_tx_sa(
                *aead_, sa_spec(an, sent_with, sender.sc.sci, parameters),
                std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1, last)));
        for (uint32_t c = 0; c < 2; ++c) {
            auto edge_parameters = edge_xpn();
            if (edge_parameters)
                edge_parameters->ssci += 100 * c + worker;
            PeerReceiver& receiver = peer_rx_[c][worker];
            receiver.sc.sci =
                macsec::Sci::from(c == 0 ? kCh0Mac : kCh1Mac, static_cast<uint16_t>(worker + 1));
            receiver.sa = must(macsec::make_rx_sa(
                *aead_, sa_spec(0, received_with, receiver.sc.sci, edge_parameters), 1));
        }
    }
}

Testbed::~Testbed() {
    dataplane_->stop();
    control_->release_keys();
    for (const PortId port : {kVpc, kCh0, kCh1})
        (void)received(port);
    control_.reset();
    dataplane_.reset();
}

void Testbed::send_raw(PortId port, rte_mbuf* packet) {
    if (rte_eth_tx_burst(far_ends_[port.value], 0, &packet, 1) != 1)
        throw std::runtime_error("the far end of the link is full");
}

void Testbed::send(PortId port, const Bytes& frame) {
    send_later(port, frame);
    run_workers();
}

void Testbed::send_later(PortId port, const Bytes& frame) {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
    char* data = packet == nullptr
                     ? nullptr
                     : rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size()));
    if (data == nullptr)
        throw std::runtime_error("no packet buffer, or the frame does not fit into one");
    std::copy(frame.begin(), frame.end(), data);
    send_raw(port, packet);
}

void Testbed::run_workers() {
    while (dataplane_->poll_workers() != 0) {
    }
}

void Testbed::settle() {
    for (int round = 0; round < 4; ++round) {
        run_workers();
        now_ns_ += 200'000'000;
        control_->poll(now_ns_);
    }
    run_workers();
}

std::vector<Bytes> Testbed::received(PortId port) {
    std::vector<Bytes> frames;
    rte_mbuf* packet = nullptr;
    while (rte_eth_rx_burst(far_ends_[port.value], 0, &packet, 1) == 1) {
        const auto* data = rte_pktmbuf_mtod(packet, const uint8_t*);
        frames.emplace_back(data, data + rte_pktmbuf_data_len(packet));
        rte_pktmbuf_free(packet);
    }
    return frames;
}

Bytes Testbed::protect(const Bytes& plain, uint8_t an, uint16_t worker) {
    Bytes room(macsec::kSecTagLength);
    room += plain;
    room.resize(room.size() + macsec::kIcvLength + macsec::kAeadSlack);
    macsec::TxBinding binding;
    binding.sc = &peer_tx_[worker].sc;
    binding.sa = peer_tx_[worker].sa[an].get();
    binding.format = peer_format_;
    macsec::ProtectFrame frame{room.data() + macsec::kSecTagLength,
                               static_cast<uint32_t>(plain.size()), macsec::ProtectVerdict::ok};
    macsec::ProtectBatch batch;
    batch.add(binding, peer_secy_, 0xffff, macsec::ProtectFrames({&frame, 1}));
    batch.seal(*aead_);
    if (frame.verdict != macsec::ProtectVerdict::ok)
        throw std::runtime_error("the peer cannot protect");
    return {frame.frame, frame.frame + frame.length};
}

std::optional<Bytes> Testbed::open(const Bytes& frame) {
    for (int c = 0; c < 2; ++c) {
        const Bytes own = octets(c == 0 ? kCh0Mac : kCh1Mac);
        if (frame.size() < 12 || !std::equal(own.begin(), own.end(), frame.begin() + 6))
            continue;
        Bytes copy = frame;
        copy.resize(copy.size() + macsec::kAeadSlack);
        std::array<macsec::RxScBinding, kMostWorkers> scs;
        for (uint16_t worker = 0; worker < workers_; ++worker) {
            scs[worker].sci = peer_rx_[c][worker].sc.sci;
            scs[worker].sc = &peer_rx_[c][worker].sc;
            scs[worker].sa[0] = peer_rx_[c][worker].sa.get();
            scs[worker].sa_in_use[0] = true;
        }
        macsec::RxBinding binding;
        binding.scs = std::span(scs).first(workers_);
        binding.xpn = macsec::is_xpn(channel_.cipher_suite);
        binding.confidentiality_offset = channel_.confidentiality_offset;
        binding.vlan_in_clear = channel_.vlan_in_clear;
        binding.ether_type = channel_.ether_type;
        macsec::ValidateFrame op{copy.data(), static_cast<uint32_t>(frame.size()),
                                 macsec::ValidateVerdict::ok};
        macsec::validate(*aead_, binding, peer_secy_, {&op, 1});
        if (op.verdict == macsec::ValidateVerdict::ok)
            return Bytes(op.frame, op.frame + op.length);
    }
    return std::nullopt;
}

Bytes Testbed::host_frame(const Bytes& ip_packet, uint16_t type) const {
    return ethernet({kVpcMac, kHostMac, -1}, type, ip_packet);
}

Bytes Testbed::peer_frame(const Bytes& ip_packet, uint16_t type, PortId port) const {
    return ethernet({port == kCh0 ? kCh0Mac : kCh1Mac, kPeerMac, kFeatureVlan}, type, ip_packet);
}

control::EdgeAccounting Testbed::accounting() const {
    return control_->accounting(EdgeId(0));
}

uint64_t Testbed::drops(Drop reason) const {
    return accounting().drops[static_cast<std::size_t>(reason)];
}

uint64_t Testbed::total_drops() const {
    uint64_t total = 0;
    for (const uint64_t packets : accounting().drops)
        total += packets;
    return total;
}

std::vector<Bytes> from_channels(Testbed& bed) {
    auto out = bed.received(kCh0);
    for (auto& more : bed.received(kCh1))
        out.push_back(std::move(more));
    return out;
}

} // namespace isthmus::test
