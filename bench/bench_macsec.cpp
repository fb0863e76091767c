// The protect and validate stages of a SecY (SecTAG, packet number, AEAD, ICV; on receive also
// replay protection and counters) with every engine, and what they cost beyond the bare AEAD:
//
//   macsec/<protect|validate>/<engine>/<suite>/<bytes>
//
// <bytes> is the User Data of a frame. Bursts of 32 frames, each in a buffer of its own; explicit
// SCI, one SA. Stage and bare AEAD are measured in turn: `over_aead_ns` is the median of their
// difference in one round.
#include "bench/rounds.hpp"
#include "macsec/protect.hpp"
#include "macsec/secy.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace isthmus;
using namespace isthmus::macsec;

constexpr std::size_t kBurst = 32;
constexpr uint32_t kMacPair = wire::kMacPairLength;
constexpr uint32_t kAadLength = kMacPair + kSecTagLength;
constexpr uint32_t kMaxBytes = 9000;
// The distance of packet buffers in a pool: a power of two would put all headers into few cache
// sets.
constexpr uint32_t slot(uint32_t bytes) {
    return bytes <= 1500 ? 2304 : 9664;
}
static_assert(slot(kMaxBytes) >= kMaxBytes + kAadLength + kIcvLength + kAeadSlack);
constexpr Sci kSci{0x02aabbccdd0e0001};

// The engines that this CPU has, made once.
const std::vector<std::unique_ptr<Aead>>& engines() {
    static const auto made = [] {
        std::vector<std::unique_ptr<Aead>> all;
        for (const std::string_view name : aead_engines())
            if (auto aead = make_aead(name))
                all.push_back(*std::move(aead));
        return all;
    }();
    return made;
}

SaSpec sa_spec(CipherSuite suite) {
    static std::array<uint8_t, 32> sak;
    for (std::size_t i = 0; i < sak.size(); ++i)
        sak[i] = static_cast<uint8_t>(i * 7 + 1);
    SaSpec spec{suite, 0, std::span(sak).first(sak_length(suite)), kSci, std::nullopt};
    if (is_xpn(suite))
        spec.xpn = XpnParameters{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1};
    return spec;
}

// A burst of frames: `plain` before protect, `sealed` as it comes out of it.
class Frames {
  public:
    Frames(const Aead& aead, CipherSuite suite, uint32_t bytes)
        : aead_(aead), bytes_(bytes), slot_(slot(bytes)), memory_(kBurst * slot_, 0x5a),
          tx_sa_(make_tx_sa(aead, sa_spec(suite),
                            std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1,
                                                            last_pn(suite)))
                     .value()),
          rx_sa_(make_rx_sa(aead, sa_spec(suite), 1).value()) {
        tx_sc_.sci = rx_sc_.sci = kSci;
        tx_ = {&tx_sc_, tx_sa_.get(), {}, true};
        rx_scs_[0] = {kSci, &rx_sc_, {rx_sa_.get()}, {true}};
        rx_.scs = rx_scs_;
        rx_.xpn = is_xpn(suite);
        aead_key_ = aead.make_key(suite, sa_spec(suite).sak).value();
        prepare_protect();
        protect();
        sealed_ = memory_;
        prepare_aead();
    }
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    bench::Contestant protect_stage() {
        return {[this] { prepare_protect(); }, [this] { protect(); }};
    }
    bench::Contestant validate_stage() {
        return {[this] { prepare_validate(); }, [this] { validate(aead_, rx_, secy_, incoming_); }};
    }
    bench::Contestant bare_seal() {
        return {[] {}, [this] { aead_.seal(ops_); }};
    }
    bench::Contestant bare_open() {
        return {[this] { restore(); }, [this] { aead_.open(ops_); }};
    }
    // The last call did what it was asked for.
    [[nodiscard]] bool good() const {
        return outgoing_.back().verdict == ProtectVerdict::ok &&
               incoming_.back().verdict == ValidateVerdict::ok && ops_.back().authentic;
    }

  private:
    uint8_t* frame(std::size_t i) { return memory_.data() + i * slot_; }
    void restore() {
        for (std::size_t i = 0; i < kBurst; ++i)
            std::memcpy(frame(i), sealed_.data() + i * slot_, bytes_ + kAadLength + kIcvLength);
    }
    void prepare_protect() {
        for (std::size_t i = 0; i < kBurst; ++i)
            outgoing_[i] = {frame(i) + kSecTagLength, kMacPair + bytes_, ProtectVerdict::ok};
    }
    void prepare_validate() {
        restore();
        rx_sa_->replay.start_at(1, 1);
        for (std::size_t i = 0; i < kBurst; ++i)
            incoming_[i] = {frame(i), bytes_ + kAadLength + kIcvLength, ValidateVerdict::ok};
    }
    void protect() {
        ProtectBatch batch;
        batch.add(tx_, secy_, UINT32_MAX, ProtectFrames(outgoing_));
        batch.seal(aead_);
    }
    // The operations of the burst as validate would describe them.
    void prepare_aead() {
        for (std::size_t i = 0; i < kBurst; ++i) {
            AeadOp& op = ops_[i];
            op.sak = aead_key_.get();
            op.aad = frame(i);
            op.aad_length = kAadLength;
            op.text = frame(i) + kAadLength;
            op.text_length = bytes_;
            op.icv = op.text + bytes_;
            uint64_t tail;
            std::memcpy(op.iv.data(), tx_sa_->iv.octets.data(), op.iv.size());
            std::memcpy(&tail, op.iv.data() + 4, sizeof(tail));
            tail ^= byte_swap(uint64_t{i + 1});
            std::memcpy(op.iv.data() + 4, &tail, sizeof(tail));
        }
    }

    const Aead& aead_;
    uint32_t bytes_, slot_;
    std::vector<uint8_t> memory_, sealed_;
    TxSc tx_sc_;
    RxSc rx_sc_;
    std::unique_ptr<TxSa> tx_sa_;
    std::unique_ptr<RxSa> rx_sa_;
    std::array<RxScBinding, 1> rx_scs_;
    TxBinding tx_;
    RxBinding rx_;
    SecyCounters secy_;
    std::unique_ptr<AeadKey> aead_key_;
    std::array<ProtectFrame, kBurst> outgoing_;
    std::array<ValidateFrame, kBurst> incoming_;
    std::array<AeadOp, kBurst> ops_;
};

enum class Stage { protect, validate };

void run(benchmark::State& state, const Aead& aead, Stage stage, CipherSuite suite,
         uint32_t bytes) {
    Frames frames(aead, suite, bytes);
    const bool out = stage == Stage::protect;
    for (auto _ : state) {
        const bench::Rounds rounds({out ? frames.protect_stage() : frames.validate_stage(),
                                    out ? frames.bare_seal() : frames.bare_open()});
        const double ns = rounds.ns(0) / kBurst;
        state.SetIterationTime(ns * 1e-9);
        state.counters["ns_per_packet"] = ns;
        state.counters["cycles_per_packet"] = rounds.cycles(0) / kBurst;
        state.counters["gbps"] = 8 * bytes / ns;
        state.counters["aead_ns"] = rounds.ns(1) / kBurst;
        state.counters["over_aead_ns"] =
            rounds.paired(0, 1, [](double whole, double bare) { return (whole - bare) / kBurst; });
    }
    // Both directions once more, so that a stage that refuses its frames is not taken for a fast
    // one.
    for (const auto& contestant :
         {frames.protect_stage(), frames.validate_stage(), frames.bare_open()}) {
        contestant.prepare();
        contestant.work();
    }
    if (!frames.good())
        state.SkipWithError("a frame was refused");
}

void register_all() {
    for (const auto& aead : engines())
        for (const CipherSuite suite :
             {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256, CipherSuite::gcm_aes_xpn_256})
            for (const uint32_t bytes : {64, 128, 256, 512, 1024, 1400, 1500, 9000})
                for (const Stage stage : {Stage::protect, Stage::validate}) {
                    const std::string label = std::string("macsec/") +
                                              (stage == Stage::protect ? "protect/" : "validate/") +
                                              std::string(aead->name()) + "/" +
                                              std::string(name(suite)) + "/" +
                                              std::to_string(bytes);
                    benchmark::RegisterBenchmark(label.c_str(),
                                                 [&aead, stage, suite, bytes](auto& state) {
                                                     run(state, *aead, stage, suite, bytes);
                                                 })
                        ->Iterations(1)
                        ->UseManualTime();
                }
}

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    register_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
