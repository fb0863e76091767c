// AES-GCM engines side by side: bursts of packets in place, with the AAD of a frame with explicit
// SCI. <bytes> is the length of the text. All engines of a row are measured in one go, a round of
// each in turn, so that whatever else the machine does meets all of them; each counter is the
// median over the rounds, and `vs_<engine>` the median of the ratios within each round: how many
// times as fast as that engine. Forms of an engine: "vaes256" has vectors of 256 bits only, and
// "ipsec_mb_avx2" is what a CPU without AVX-512 gets from that library.
#include "macsec/aead.hpp"

#include <benchmark/benchmark.h>

#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace isthmus;
using namespace isthmus::macsec;

constexpr std::size_t kBurst = 32;
constexpr uint32_t kAadLength = 12 + kSecTagLength;
constexpr std::size_t kRounds = 101;
constexpr double kRoundSeconds = 0.4e-3; // of one engine
constexpr uint32_t kBytes[] = {46, 64, 128, 256, 512, 1024, 1400, 1500, 9000};

enum class Work { seal, open };

uint64_t tsc() {
    _mm_lfence();
    const uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
}

double ns_per_cycle() {
    static const double ratio = [] {
        const auto start = std::chrono::steady_clock::now();
        const uint64_t start_tsc = tsc();
        std::chrono::duration<double, std::nano> spent{};
        while (spent < std::chrono::milliseconds(50))
            spent = std::chrono::steady_clock::now() - start;
        return spent.count() / static_cast<double>(tsc() - start_tsc);
    }();
    return ratio;
}

std::vector<std::unique_ptr<Aead>>& engines() {
    static auto made = [] {
        std::vector<std::unique_ptr<Aead>> all;
        for (std::string_view name : {"vaes", "vaes256", "ipsec_mb", "ipsec_mb_avx2", "openssl"})
            if (auto aead = make_aead(name))
                all.push_back(*std::move(aead));
        return all;
    }();
    return made;
}

// A burst with one key in the memory of packet buffers.
class Burst {
  public:
    Burst(const Aead& aead, Work work, CipherSuite suite, uint32_t bytes)
        : aead_(&aead), work_(work), sak_(key_for(aead, suite)), slot_(slot_for(bytes)),
          memory_(kBurst * slot_, 0x5a) {
        for (std::size_t i = 0; i < kBurst; ++i) {
            AeadOp& op = ops_[i];
            op.sak = sak_.get();
            op.aad = memory_.data() + i * slot_;
            op.aad_length = kAadLength;
            op.text = memory_.data() + i * slot_ + kAadLength;
            op.text_length = bytes;
            op.icv = op.text + bytes;
            op.iv[11] = static_cast<uint8_t>(i);
        }
        aead.seal(ops_);
        sealed_ = memory_;
    }

    // Cycles of one call. What open needs to find again is put back after it, not timed.
    uint64_t measure() {
        const uint64_t start = tsc();
        if (work_ == Work::seal)
            aead_->seal(ops_);
        else
            aead_->open(ops_);
        const uint64_t spent = tsc() - start;
        if (work_ == Work::open)
            restore();
        return spent;
    }
    [[nodiscard]] bool all_authentic() const {
        return std::ranges::all_of(ops_, [](const AeadOp& op) { return op.authentic; });
    }

  private:
    static std::unique_ptr<AeadKey> key_for(const Aead& aead, CipherSuite suite) {
        std::vector<uint8_t> sak(sak_length(suite));
        for (std::size_t i = 0; i < sak.size(); ++i)
            sak[i] = static_cast<uint8_t>(i * 7 + 1);
        return aead.make_key(suite, sak).value();
    }
    // An odd number of cache lines: a power of two would put all headers into few cache sets.
    static std::size_t slot_for(uint32_t bytes) {
        const std::size_t lines = (kAadLength + bytes + kAeadSlack + 63) / 64;
        return std::max<std::size_t>(2304, (lines | 1) * 64);
    }
    void restore() {
        for (const AeadOp& op : ops_) {
            const auto offset = op.text - memory_.data();
            std::memcpy(op.text, sealed_.data() + offset, op.text_length + kIcvLength);
        }
    }

    const Aead* aead_;
    Work work_;
    std::unique_ptr<AeadKey> sak_;
    std::size_t slot_;
    std::vector<uint8_t> memory_;
    std::vector<uint8_t> sealed_;
    std::array<AeadOp, kBurst> ops_;
};

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + values.size() / 2);
    return values[values.size() / 2];
}

// Cycles per packet of every engine in every round.
using Row = std::vector<std::vector<double>>;

Row measure_row(Work work, CipherSuite suite, uint32_t bytes) {
    std::vector<Burst> bursts;
    std::vector<std::size_t> calls;
    for (const auto& aead : engines()) {
        Burst& burst = bursts.emplace_back(*aead, work, suite, bytes);
        uint64_t fastest = UINT64_MAX;
        for (int i = 0; i < 20; ++i)
            fastest = std::min(fastest, burst.measure());
        const double seconds = static_cast<double>(fastest) * ns_per_cycle() * 1e-9;
        calls.push_back(static_cast<std::size_t>(kRoundSeconds / seconds) + 1);
    }
    Row row(bursts.size());
    for (std::size_t round = 0; round < kRounds; ++round)
        for (std::size_t e = 0; e < bursts.size(); ++e) {
            uint64_t cycles = 0;
            for (std::size_t call = 0; call < calls[e]; ++call)
                cycles += bursts[e].measure();
            row[e].push_back(static_cast<double>(cycles) / static_cast<double>(calls[e] * kBurst));
        }
    for (const Burst& burst : bursts)
        if (work == Work::open && !burst.all_authentic())
            return {};
    return row;
}

const Row& row_of(Work work, CipherSuite suite, uint32_t bytes) {
    static std::map<std::tuple<Work, CipherSuite, uint32_t>, Row> rows;
    const auto at = std::tuple(work, suite, bytes);
    if (!rows.contains(at))
        rows[at] = measure_row(work, suite, bytes);
    return rows[at];
}

void aead(benchmark::State& state, Work work, std::size_t engine, CipherSuite suite,
          uint32_t bytes) {
    const Row& row = row_of(work, suite, bytes);
    for (auto _ : state)
        state.SetIterationTime(1e-9);
    if (row.empty()) {
        state.SkipWithError("an engine refused a genuine packet");
        return;
    }
    const double cycles = median(row[engine]);
    const double ns = cycles * ns_per_cycle();
    state.counters["cycles_per_packet"] = cycles;
    state.counters["ns_per_packet"] = ns;
    state.counters["gbps"] = bytes * 8 / ns;
    for (std::size_t other = 0; other < row.size(); ++other) {
        if (other == engine)
            continue;
        std::vector<double> ratios;
        for (std::size_t round = 0; round < kRounds; ++round)
            ratios.push_back(row[other][round] / row[engine][round]);
        state.counters["vs_" + std::string(engines()[other]->name())] = median(ratios);
    }
}

void register_all() {
    for (Work work : {Work::seal, Work::open})
        for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256})
            for (uint32_t bytes : kBytes)
                for (std::size_t engine = 0; engine < engines().size(); ++engine) {
                    const std::string full_name =
                        std::string(work == Work::seal ? "aead/seal/" : "aead/open/") +
                        std::string(engines()[engine]->name()) + "/" + std::string(name(suite)) +
                        "/" + std::to_string(bytes);
                    benchmark::RegisterBenchmark(
                        full_name.c_str(),
                        [=](benchmark::State& state) { aead(state, work, engine, suite, bytes); })
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
