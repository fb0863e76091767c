// Cost of each stage and of whole pipelines, per packet, on packets in memory: bursts of 64,
// everything cache-warm, no device. Packets are restored outside the measured time.
//
//   stage/<name>/<bytes>   pipeline/<egress|ingress>/<plain|suite>/<bytes>     bytes: of the IP
//   packet
//
// A pipeline with MACsec takes turns with the bare AEAD of the same frames: aead_cycles, and
// aead_share, the percentage of the bare engine's rate that the pipeline reaches.
//
//   attachments/<stage|egress>/64, attachments/egress/GCM-AES-256/<bytes>: a stage, the plain
//   pipeline, and that with MACsec, with packets of 10 and of 10,000 attachments in random order,
//   each with a VLAN, VRF, meter and counters of its own, in turn; `times` is the ratio of the two.

#include "bench/pipeline_bed.hpp"
#include "bench/rounds.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <functional>

namespace isthmus::bench {
namespace {

// Restoring the packets takes longer than most stages, so bursts are counted, not timed.
constexpr int kTurns = 100, kBurstsInTurn = 20;

rte_mempool* pool = nullptr;

using Stage = std::function<void(StageContext&, Burst&)>;

// TSC cycles of a packet, by burst; the median leaves out those that were interrupted.
class Cycles {
  public:
    // False: work() has dropped packets.
    template <class Work> bool measure(const Burst& burst, const Work& work) {
        const uint64_t start = rte_rdtsc_precise();
        work();
        const uint64_t spent = rte_rdtsc_precise() - start;
        cycles_.push_back(static_cast<double>(spent) / kBurst);
        return burst.live_count == kBurst;
    }
    void add(const Cycles& others) {
        cycles_.insert(cycles_.end(), others.cycles_.begin(), others.cycles_.end());
    }
    [[nodiscard]] double median() const { return bench::median(cycles_); }

  private:
    std::vector<double> cycles_;
};

void report(benchmark::State& state, double cycles) {
    const double ns = cycles * 1e9 / static_cast<double>(rte_get_tsc_hz());
    state.SetIterationTime(ns * 1e-9);
    state.counters["cycles_per_packet"] = cycles;
    state.counters["ns_per_packet"] = ns;
}

// `before` brings the burst to where `measured` starts.
void run_stage(benchmark::State& state, bool from_channel, std::size_t ip_bytes,
               const std::vector<Stage>& before, const Stage& measured) {
    Bed bed(CipherSuite::gcm_aes_256, 1, 1, 1000);
    Packets packets(pool);
    const auto frames = bed.frames(from_channel, ip_bytes);
    Cycles cycles;
    for (auto _ : state) {
        for (int n = 0; n < kTurns * kBurstsInTurn; ++n) {
            Burst& burst = packets.take(frames);
            StageContext context = bed.context(from_channel);
            for (const Stage& stage : before)
                stage(context, burst);
            if (!cycles.measure(burst, [&] { measured(context, burst); }))
                return state.SkipWithError("packets were dropped");
        }
        report(state, cycles.median());
    }
}

// The operations of protected frames.
std::array<macsec::AeadOp, kBurst> aead_ops(macsec::AeadKey* sak, const Burst& burst) {
    constexpr uint32_t kAad = wire::kMacPairLength + macsec::kSecTagLength;
    std::array<macsec::AeadOp, kBurst> ops;
    for (uint16_t n = 0; n < kBurst; ++n) {
        auto* frame = rte_pktmbuf_mtod(burst.packet[n], uint8_t*);
        const uint32_t length = burst.packet[n]->pkt_len - kAad - macsec::kIcvLength;
        const auto* tag = wire::overlay<macsec::SecTagWire>(frame + wire::kMacPairLength);
        ops[n] = {sak, frame, frame + kAad, frame + kAad + length, kAad, length, {}, false};
        std::memcpy(ops[n].iv.data(), &tag->sci, sizeof tag->sci);
        std::memcpy(ops[n].iv.data() + sizeof tag->sci, &tag->pn, sizeof tag->pn);
    }
    return ops;
}

void run_pipeline(benchmark::State& state, std::optional<CipherSuite> suite, bool from_channel,
                  std::size_t ip_bytes) {
    Bed bed(suite, 1, 1, 1000);
    Packets packets(pool);
    const auto frames = bed.frames(from_channel, ip_bytes);
    const auto run = from_channel ? dataplane::run_ingress : dataplane::run_egress;
    Cycles whole, bare;
    std::vector<double> shares;
    const auto pipeline_turn = [&](Cycles& cycles) {
        for (int n = 0; n < kBurstsInTurn; ++n) {
            Burst& burst = packets.take(frames);
            StageContext context = bed.context(from_channel);
            if (!cycles.measure(burst, [&] { run(context, burst); }))
                state.SkipWithError("packets were dropped");
        }
    };
    // To open, authentic frames each time (the IV of XPN suites is another one, which costs the
    // same); to seal, what is left of the last turn.
    const auto bare_turn = [&](Cycles& cycles) {
        for (int n = 0; n < kBurstsInTurn; ++n) {
            Burst& burst = packets.take(frames);
            if (!from_channel)
                for (rte_mbuf* packet : burst.packet) {
                    rte_pktmbuf_prepend(packet, macsec::kSecTagLength + wire::kVlanTagLength);
                    rte_pktmbuf_append(packet, macsec::kIcvLength);
                }
            auto ops = aead_ops(bed.sak(from_channel), burst);
            (void)cycles.measure(
                burst, [&] { from_channel ? bed.aead().open(ops) : bed.aead().seal(ops); });
        }
    };
    for (auto _ : state) {
        for (int turn = 0; turn < kTurns; ++turn) {
            Cycles whole_now, bare_now;
            pipeline_turn(whole_now);
            whole.add(whole_now);
            if (!suite)
                continue;
            bare_turn(bare_now);
            bare.add(bare_now);
            shares.push_back(100 * bare_now.median() / whole_now.median());
        }
        report(state, whole.median());
        if (suite) {
            state.counters["aead_cycles"] = bare.median();
            state.counters["aead_share"] = bench::median(shares);
        }
    }
}

// Packets of `attachments` customers, by chance; long before all are seen again, caches are full of
// others.
class Crowd {
  public:
    Crowd(uint16_t attachments, std::optional<CipherSuite> suite, std::size_t ip_bytes)
        : bed_(suite, attachments, kGroups, 16) {
        std::mt19937 random(1);
        for (uint16_t n = 0; n < kDifferent; ++n)
            bursts_.push_back(bed_.mixed_frames(n % kGroups, ip_bytes, random));
    }
    // False: packets were dropped.
    bool turn(Packets& packets, const std::vector<Stage>& before, const Stage& measured,
              Cycles& cycles) {
        bool good = true;
        for (int n = 0; n < kBurstsInTurn; ++n, ++next_) {
            Burst& burst = packets.take(bursts_[next_ % kDifferent]);
            StageContext context = bed_.context(false, next_ % kGroups);
            for (const Stage& stage : before)
                stage(context, burst);
            good &= cycles.measure(burst, [&] { measured(context, burst); });
        }
        return good;
    }

  private:
    static constexpr uint16_t kGroups = 4, kDifferent = 400;
    Bed bed_;
    std::vector<std::vector<Bytes>> bursts_;
    uint16_t next_ = 0;
};

struct Crowds {
    Crowds(std::optional<CipherSuite> suite, std::size_t ip_bytes)
        : few(10, suite, ip_bytes), many(10'000, suite, ip_bytes) {}
    Crowd few, many;
};

void run_crowds(benchmark::State& state, Crowds& crowds, const std::vector<Stage>& before,
                const Stage& measured) {
    auto& [few, many] = crowds;
    Packets packets(pool);
    Cycles of_few, of_many;
    std::vector<double> ratios;
    for (auto _ : state) {
        for (int turn = 0; turn < kTurns; ++turn) {
            Cycles few_now, many_now;
            if (!few.turn(packets, before, measured, few_now) ||
                !many.turn(packets, before, measured, many_now))
                return state.SkipWithError("packets were dropped");
            of_few.add(few_now);
            of_many.add(many_now);
            ratios.push_back(many_now.median() / few_now.median());
        }
        report(state, of_many.median());
        state.counters["cycles_of_10"] = of_few.median();
        state.counters["times"] = bench::median(ratios);
    }
}

template <class Run> void add(const std::string& name, const Run& run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Iterations(1);
}

void register_stages(std::size_t ip_bytes) {
    std::vector<Stage> before;
    for (const dataplane::Stage& stage : dataplane::kEgressPipeline) {
        add(fmt::format("stage/{}/{}", stage.name, ip_bytes),
            [=](benchmark::State& state) { run_stage(state, false, ip_bytes, before, stage.run); });
        before.emplace_back(stage.run);
    }
    add(fmt::format("stage/validate/{}", ip_bytes), [=](benchmark::State& state) {
        run_stage(state, true, ip_bytes, {}, dataplane::validate_frames);
    });
}

void register_pipelines(std::size_t ip_bytes) {
    const std::vector<std::pair<const char*, std::optional<CipherSuite>>> kinds{
        {"plain", std::nullopt},
        {"GCM-AES-128", CipherSuite::gcm_aes_128},
        {"GCM-AES-256", CipherSuite::gcm_aes_256},
        {"GCM-AES-XPN-256", CipherSuite::gcm_aes_xpn_256}};
    for (const auto& [kind, suite] : kinds)
        for (const bool from_channel : {false, true})
            add(fmt::format("pipeline/{}/{}/{}", from_channel ? "ingress" : "egress", kind,
                            ip_bytes),
                [=, suite = suite](benchmark::State& state) {
                    run_pipeline(state, suite, from_channel, ip_bytes);
                });
}

// Made once: that takes longer than a run.
Crowds& plain_crowds() {
    static Crowds crowds(std::nullopt, 64);
    return crowds;
}

void register_crowds() {
    std::vector<Stage> before;
    for (const dataplane::Stage& stage : dataplane::kEgressPipeline) {
        if (stage.name == "protect")
            break; // without MACsec
        add(fmt::format("attachments/{}/64", stage.name),
            [=](benchmark::State& state) { run_crowds(state, plain_crowds(), before, stage.run); });
        before.emplace_back(stage.run);
    }
    add("attachments/egress/64", [](benchmark::State& state) {
        run_crowds(state, plain_crowds(), {}, dataplane::run_egress);
    });
    for (const std::size_t ip_bytes : {64, 512, 1400})
        add(fmt::format("attachments/egress/GCM-AES-256/{}", ip_bytes),
            [=](benchmark::State& state) {
                Crowds crowds(CipherSuite::gcm_aes_256, ip_bytes);
                run_crowds(state, crowds, {}, dataplane::run_egress);
            });
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
    register_crowds();
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

} // namespace
} // namespace isthmus::bench

int main(int argc, char** argv) {
    return isthmus::bench::run(argc, argv);
}
