// What ControlPlane tells: counters summed over workers, states, accounting.

#include "control/control_plane_state.hpp"
#include "dataplane/stages.hpp"

namespace isthmus::control {

ChannelInfo ControlPlane::channel_info(ChannelId channel) const {
    const State& s = *state_;
    ChannelInfo info;
    info.id = channel;
    info.admin_state = s.model.channel_admin[channel.value];
    info.link_up = s.ports[s.model.config.channels[channel.value].port.value].link_up;
    info.reason = unusable_reason(s.model, channel, info.link_up, *s.secys[channel.value]);
    info.usable = info.reason.empty();
    for (uint16_t w = 0; w < s.dataplane.worker_count(); ++w)
        info.counters.add(s.dataplane.counters(WorkerId(w)).secys[channel.value]);
    s.secys[channel.value]->describe(info);
    return info;
}

uint64_t ChannelInfo::in_pkts_no_sa() const {
    uint64_t sum = counters[&macsec::SecyCounters::in_pkts_unknown_sci];
    for (const RxScInfo& sc : rx_scs)
        sum += sc.counters[&macsec::RxScCounters::in_pkts_unused_sa];
    return sum;
}

uint64_t ChannelInfo::in_pkts_no_sa_error() const {
    uint64_t sum = counters[&macsec::SecyCounters::in_pkts_no_sci];
    for (const RxScInfo& sc : rx_scs)
        sum += sc.counters[&macsec::RxScCounters::in_pkts_not_using_sa];
    return sum;
}

AttachmentCounters ControlPlane::attachment_counters(AttachmentId id) const {
    AttachmentCounters now = state_->raw_counters(id);
    const AttachmentCounters& before = state_->baseline[id.value];
    const auto subtract = [](DirectionCounters& from, const DirectionCounters& what) {
        from.rx_packets -= what.rx_packets;
        from.rx_bytes -= what.rx_bytes;
        from.tx_packets -= what.tx_packets;
        from.tx_bytes -= what.tx_bytes;
        from.meter_drop_packets -= what.meter_drop_packets;
        from.meter_drop_bytes -= what.meter_drop_bytes;
        from.mss_clamped -= what.mss_clamped;
    };
    subtract(now.egress, before.egress);
    subtract(now.ingress, before.ingress);
    return now;
}

PortInfo ControlPlane::port_info(PortId id) const {
    const State& s = *state_;
    dataplane::Port& port = s.dataplane.port(id);
    PortInfo info;
    info.id = id;
    info.mac = s.ports[id.value].mac;
    info.driver = port.driver();
    info.mode = port.mode();
    for (const auto& [name, value] : port.counts())
        info.frames.emplace_back(name, value);
    info.enabled = s.model.port_enabled[id.value];
    info.link_up = s.ports[id.value].link_up;
    for (uint16_t w = 0; w < s.dataplane.worker_count(); ++w) {
        const auto& counters = s.dataplane.counters(WorkerId(w)).ports[id.value];
        info.rx_packets += counters.rx_packets.get();
        info.rx_bytes += counters.rx_bytes.get();
        info.tx_packets += counters.tx_packets.get();
        info.tx_bytes += counters.tx_bytes.get();
        info.rx_chained += counters.rx_chained.get();
    }
    const auto losses = port.losses();
    info.rx_missed = losses.rx_missed;
    info.rx_errors = losses.rx_errors;
    info.rx_oversized = losses.rx_oversized;
    info.rx_nombuf = losses.rx_nombuf;
    info.tx_errors = losses.tx_errors;
    return info;
}

EdgeAccounting ControlPlane::accounting(EdgeId edge) const {
    const State& s = *state_;
    EdgeAccounting sum;
    sum.id = edge;
    for (uint16_t w = 0; w < s.dataplane.worker_count(); ++w) {
        const auto& counters = s.dataplane.counters(WorkerId(w)).edges[edge.value];
        sum.rx += counters.rx.get();
        sum.tx += counters.tx.get();
        sum.originated += counters.originated.get();
        sum.fragmented += counters.fragmented.get();
        sum.fragments += counters.fragments.get();
        for (std::size_t reason = 0; reason < kDropCount; ++reason)
            sum.drops[reason] += counters.drops[reason].get();
        for (std::size_t reason = 0; reason < kPuntReasonCount; ++reason)
            sum.punted[reason] += counters.punted[reason].get();
    }
    // Workers count a packet without neighbour as punted; one that then waited in vain is a drop.
    const uint64_t held = s.held_dropped[edge.value];
    sum.drops[static_cast<std::size_t>(Drop::neighbour_unresolved)] += held;
    sum.punted[static_cast<std::size_t>(PuntReason::unresolved)] -= held;
    for (std::size_t p = 0; p < s.ports.size(); ++p) {
        if (s.model.config.ports[p].edge != edge)
            continue;
        const auto losses = s.dataplane.port(PortId(p)).losses();
        sum.device_rx_lost += losses.rx_missed + losses.rx_errors + losses.rx_nombuf;
        sum.device_tx_lost += losses.tx_errors;
    }
    return sum;
}

namespace {

void add_stage(WorkerRuntimeInfo& worker, std::string_view pipeline, std::string_view stage,
               const dataplane::StageRuntime& runtime) {
    worker.stages.push_back({pipeline, stage, runtime.bursts.get(), runtime.packets.get(),
                             runtime.sampled_packets.get(), runtime.sampled_cycles.get()});
}

void add_round_times(WorkerRuntimeInfo& worker, const dataplane::BurstTimes& times,
                     uint64_t tsc_hz) {
    const auto to_ns = [tsc_hz](uint64_t cycles) {
        return static_cast<uint64_t>(static_cast<double>(cycles) * 1e9 /
                                     static_cast<double>(tsc_hz));
    };
    for (std::size_t bucket = 0; bucket < dataplane::BurstTimes::kBuckets; ++bucket)
        if (const uint64_t rounds = times.count_in(bucket); rounds != 0)
            worker.round_times.push_back({to_ns(dataplane::BurstTimes::top_of(bucket)), rounds});
    worker.longest_round_ns = to_ns(times.longest());
}

} // namespace

uint64_t WorkerRuntimeInfo::round_time_ns(uint64_t one_in) const {
    uint64_t rounds = 0;
    for (const RoundTimeRange& range : round_times)
        rounds += range.rounds;
    const uint64_t wanted = rounds - rounds / one_in;
    uint64_t seen = 0;
    for (const RoundTimeRange& range : round_times)
        if ((seen += range.rounds) >= wanted)
            return std::min(range.up_to_ns, longest_round_ns);
    return 0;
}

std::vector<WorkerRuntimeInfo> ControlPlane::runtime() const {
    std::vector<WorkerRuntimeInfo> workers;
    const State& s = *state_;
    for (uint16_t w = 0; w < s.dataplane.worker_count(); ++w) {
        const auto& runtime = s.dataplane.counters(WorkerId(w)).runtime;
        WorkerRuntimeInfo& worker = workers.emplace_back();
        worker.core = s.model.config.worker_cores[w];
        worker.polls = runtime.polls.get();
        worker.idle_polls = runtime.idle_polls.get();
        worker.rests = runtime.rests.get();
        worker.wakes = runtime.wakes.get();
        add_round_times(worker, runtime.round_times, s.dataplane.tsc_hz());
        add_stage(worker, "both", "rx", runtime.rx);
        for (std::size_t i = 0; i < runtime.egress.size(); ++i)
            add_stage(worker, "egress", dataplane::kEgressPipeline[i].name, runtime.egress[i]);
        for (std::size_t i = 0; i < runtime.ingress.size(); ++i)
            add_stage(worker, "ingress", dataplane::kIngressPipeline[i].name, runtime.ingress[i]);
        add_stage(worker, "both", "tx", runtime.tx);
    }
    return workers;
}

Status ControlPlane::status() const {
    Status status;
    status.version = ISTHMUS_VERSION;
    status.memory = state_->memory;
    status.uptime_ns = monotonic_ns() - state_->started_ns;
    status.generation = state_->generation;
    status.state = state_->store->database().path();
    status.state_problem = state_->store->database().problem();
    status.usage_problem = state_->usage_problem();
    if (state_->usage.meter)
        status.usage_metered_to_ms = state_->store->usage().metered_to_ms();
    status.keeps_sas = state_->store->keeps_sas();
    status.macsec_engine = state_->dataplane.aead().name();
    status.worker_cores = state_->model.config.worker_cores;
    status.packet_buffers = state_->dataplane.buffers();
    status.packet_buffers_free = state_->dataplane.free_buffers();
    status.host = state_->host.counters();
    return status;
}

} // namespace isthmus::control
