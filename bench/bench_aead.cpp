// AES-GCM engines alone, and the two MACsec stages with them, in bursts over frames of their own
// buffers. <bytes> is the length of the IP packet; what is sealed is the packet with the EtherType
// and C-tag before it. The counters are those of the call only; the columns Time and CPU also hold
// the restoring of frames between the calls.
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <benchmark/benchmark.h>

#include <x86intrin.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace isthmus;
using namespace isthmus::macsec;

constexpr std::size_t kBurst = 32;
constexpr uint32_t kInnerHeader = 6; // C-tag and EtherType
constexpr uint32_t kMacPair = 12;
constexpr uint32_t kAadLength = kMacPair + kSecTagLength;
// The distance of packet buffers in a pool: a power of two would put all headers into few cache
// sets.
constexpr uint32_t kSlot = 2304;
constexpr Sci kSci{0x02aabbccdd0e0001};

const Aead& engine() {
    static const std::unique_ptr<Aead> aead = make_aead("auto").value();
    return *aead;
}

std::vector<uint8_t> sak_for(CipherSuite suite) {
    std::vector<uint8_t> sak(sak_length(suite));
    for (std::size_t i = 0; i < sak.size(); ++i)
        sak[i] = static_cast<uint8_t>(i * 7 + 1);
    return sak;
}

// Measures the call of each iteration and nothing around it.
class Meter {
  public:
    explicit Meter(benchmark::State& state) : state_(state) {}
    void measure(auto call) {
        const auto start = std::chrono::steady_clock::now();
        const uint64_t start_tsc = __rdtsc();
        call();
        cycles_ += __rdtsc() - start_tsc;
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        seconds_ += spent.count();
    }
    void report(uint32_t bytes) {
        const auto packets = static_cast<double>(state_.iterations() * kBurst);
        state_.counters["ns_per_packet"] = seconds_ * 1e9 / packets;
        state_.counters["cycles_per_packet"] = static_cast<double>(cycles_) / packets;
        state_.SetBytesProcessed(static_cast<int64_t>(packets) * bytes);
    }

  private:
    benchmark::State& state_;
    uint64_t cycles_ = 0;
    double seconds_ = 0;
};

// Puts the first `length` octets of each slot back.
void restore(std::vector<uint8_t>& memory, const std::vector<uint8_t>& sealed, uint32_t length) {
    for (std::size_t i = 0; i < kBurst; ++i)
        std::memcpy(memory.data() + i * kSlot, sealed.data() + i * kSlot, length);
}

enum class Work { seal, open };

void aead(benchmark::State& state, Work work, CipherSuite suite, uint32_t bytes) {
    const auto sak = engine().make_key(suite, sak_for(suite)).value().release();
    const std::unique_ptr<AeadKey> owner(sak);
    std::vector<uint8_t> memory(kBurst * kSlot, 0x5a);
    std::array<AeadOp, kBurst> ops;
    for (std::size_t i = 0; i < kBurst; ++i) {
        uint8_t* frame = memory.data() + i * kSlot;
        ops[i].sak = sak;
        ops[i].aad = frame;
        ops[i].aad_length = kAadLength;
        ops[i].text = frame + kAadLength;
        ops[i].text_length = bytes + kInnerHeader;
        ops[i].icv = ops[i].text + ops[i].text_length;
        ops[i].iv[11] = static_cast<uint8_t>(i);
    }
    engine().seal(ops);
    const std::vector<uint8_t> sealed = memory;
    Meter meter(state);
    for (auto _ : state) {
        if (work == Work::open)
            restore(memory, sealed, kAadLength + ops[0].text_length + kIcvLength);
        meter.measure([&] { work == Work::seal ? engine().seal(ops) : engine().open(ops); });
    }
    if (work == Work::open && !ops[kBurst - 1].authentic)
        state.SkipWithError("the engine refused a genuine frame");
    meter.report(bytes);
}

// A burst of frames with room for SecTAG and ICV.
struct Frames {
    explicit Frames(uint32_t bytes)
        : memory(kBurst * kSlot, 0x5a), length(kMacPair + kInnerHeader + bytes) {}
    std::array<ProtectFrame, kBurst> outgoing(const TxBinding& tx) {
        std::array<ProtectFrame, kBurst> frames;
        for (std::size_t i = 0; i < kBurst; ++i)
            frames[i] = {memory.data() + i * kSlot + kSecTagLength, length, &tx};
        return frames;
    }
    std::vector<uint8_t> memory;
    uint32_t length;
};

struct Sender {
    explicit Sender(CipherSuite suite)
        : sa(make_tx_sa(engine(), suite, 0, sak_for(suite), 1).value()), binding{&sc, sa.get()} {}
    TxSc sc{.sci = kSci, .counters = {}};
    std::unique_ptr<TxSa> sa;
    TxBinding binding;
};

void stage_protect(benchmark::State& state, CipherSuite suite, uint32_t bytes) {
    Sender sender(suite);
    Frames frames(bytes);
    Meter meter(state);
    for (auto _ : state) {
        auto burst = frames.outgoing(sender.binding);
        meter.measure([&] { protect(engine(), burst); });
        if (burst.back().verdict != ProtectVerdict::ok)
            state.SkipWithError("a frame was not protected");
    }
    meter.report(bytes);
}

void stage_validate(benchmark::State& state, CipherSuite suite, uint32_t bytes) {
    Sender sender(suite);
    Frames frames(bytes);
    auto outgoing = frames.outgoing(sender.binding);
    protect(engine(), outgoing);
    const std::vector<uint8_t> sealed = frames.memory;

    RxSc sc{.sci = kSci, .counters = {}};
    const auto sa = make_rx_sa(engine(), suite, 0, sak_for(suite), 1).value().release();
    const std::unique_ptr<RxSa> owner(sa);
    const std::array<RxScBinding, 1> scs{RxScBinding{kSci, &sc, {sa}}};
    const RxBinding rx{scs, true, 0};
    SecyCounters secy;
    Meter meter(state);
    for (auto _ : state) {
        restore(frames.memory, sealed, frames.length + kMacsecOverhead);
        sa->next_pn.set(1);
        sa->lowest_pn.set(1);
        std::array<ValidateFrame, kBurst> burst;
        for (std::size_t i = 0; i < kBurst; ++i)
            burst[i] = {frames.memory.data() + i * kSlot, frames.length + kMacsecOverhead, &rx,
                        &secy};
        meter.measure([&] { validate(engine(), burst); });
        if (burst.back().verdict != ValidateVerdict::ok)
            state.SkipWithError("a frame was not accepted");
    }
    meter.report(bytes);
}

void add(const std::string& name, auto body) {
    benchmark::RegisterBenchmark(name.c_str(), body);
}

void register_all() {
    for (CipherSuite suite : {CipherSuite::gcm_aes_128, CipherSuite::gcm_aes_256}) {
        for (uint32_t bytes : {64, 512, 1400}) {
            const std::string tail = std::string(name(suite)) + "/" + std::to_string(bytes);
            const std::string with_engine = std::string(engine().name()) + "/" + tail;
            add("aead/seal/" + with_engine,
                [=](benchmark::State& state) { aead(state, Work::seal, suite, bytes); });
            add("aead/open/" + with_engine,
                [=](benchmark::State& state) { aead(state, Work::open, suite, bytes); });
            add("stage/protect/" + tail,
                [=](benchmark::State& state) { stage_protect(state, suite, bytes); });
            add("stage/validate/" + tail,
                [=](benchmark::State& state) { stage_validate(state, suite, bytes); });
        }
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
