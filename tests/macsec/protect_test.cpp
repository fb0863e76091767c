// Secure frame generation: failing closed, length limits, the end of packet numbers, and bursts.
#include "macsec/protect.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace isthmus::macsec::test {
namespace {

// Frames of one burst in exact-size memory; `plain` octets each.
class Burst {
  public:
    Burst() = default;
    Burst(std::size_t count, const TxBinding& binding, SecyCounters& secy) {
        for (std::size_t i = 0; i < count; ++i)
            add(plain_frame(60), binding, secy);
    }
    // In one run with the frame before, if that goes the same way.
    void add(const Octets& plain, const TxBinding& binding, SecyCounters& secy,
             uint32_t max_length = UINT32_MAX) {
        HeapFrame& memory = memories_.emplace_back(HeapFrame::to_protect(plain));
        frames.push_back({memory.data(), memory.length(), ProtectVerdict::ok});
        if (runs_.empty() || runs_.back().binding != &binding ||
            runs_.back().max_length != max_length)
            runs_.push_back({&binding, &secy, max_length, 0});
        ++runs_.back().size;
    }
    void protect() {
        ProtectBatch batch;
        std::span<ProtectFrame> rest = frames;
        for (const Run& run : runs_) {
            batch.add(*run.binding, *run.secy, run.max_length, ProtectFrames(rest.first(run.size)));
            rest = rest.subspan(run.size);
        }
        batch.seal(engine());
    }
    [[nodiscard]] std::vector<ProtectVerdict> verdicts() const {
        std::vector<ProtectVerdict> all;
        for (const ProtectFrame& frame : frames)
            all.push_back(frame.verdict);
        return all;
    }
    [[nodiscard]] Octets octets(std::size_t i) const {
        return Octets(frames[i].frame, frames[i].frame + frames[i].length);
    }
    [[nodiscard]] uint32_t pn(std::size_t i) const {
        return wire::overlay<Be32>(frames[i].frame + 16)->host();
    }
    std::vector<ProtectFrame> frames;

  private:
    struct Run {
        const TxBinding* binding;
        SecyCounters* secy;
        uint32_t max_length;
        std::size_t size;
    };
    std::deque<HeapFrame> memories_;
    std::vector<Run> runs_;
};

std::vector<ProtectVerdict> first_ok(std::size_t granted, std::size_t count) {
    std::vector<ProtectVerdict> all(count, ProtectVerdict::pn_exhausted);
    std::fill_n(all.begin(), granted, ProtectVerdict::ok);
    return all;
}

TEST(Protect, StopsAfterTheLastPacketNumber) {
    for (CipherSuite suite : kCipherSuites) {
        const uint64_t last = last_pn(suite);
        TxSide tx(kPeerSci, suite, 0, last - 2);
        Burst burst(6, tx.binding, tx.secy);
        burst.protect();
        EXPECT_EQ(burst.verdicts(), first_ok(3, 6));
        for (std::size_t i = 0; i < 3; ++i)
            EXPECT_EQ(burst.pn(i), static_cast<uint32_t>(last - 2 + i));
        EXPECT_EQ(burst.octets(3), plain_frame(60)) << "a refused frame stays as it was";
        EXPECT_EQ(tx.sa->pn->next(), last + 1);
        EXPECT_TRUE(tx.sa->pn->exhausted());
        EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 3u);
        EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), 180u);
        EXPECT_EQ(tx.sa->counters.out_pkts_encrypted.get(), 3u);

        // And it stays stopped: no call later begins at 0 or 1 again.
        for (int again = 0; again < 3; ++again) {
            Burst more(2, tx.binding, tx.secy);
            more.protect();
            EXPECT_EQ(more.verdicts(), first_ok(0, 2));
            EXPECT_EQ(tx.sa->pn->next(), last + 1);
        }
    }
}

TEST(Protect, GoesOnWhenTheLimitIsRaised) {
    TxSide tx;
    for (auto owner : {PacketNumbers::Owner::per_worker, PacketNumbers::Owner::shared}) {
        auto pn = std::make_shared<PacketNumbers>(owner, 10, 14);
        tx.sa->pn = pn;
        Burst burst(8, tx.binding, tx.secy);
        burst.protect();
        EXPECT_EQ(burst.verdicts(), first_ok(5, 8));
        EXPECT_EQ(burst.pn(4), 14u);
        Burst stopped(1, tx.binding, tx.secy);
        stopped.protect();
        EXPECT_EQ(stopped.verdicts(), first_ok(0, 1));

        const uint64_t next = pn->next();
        EXPECT_GE(next, 15u);
        pn->raise_limit(100);
        Burst more(8, tx.binding, tx.secy);
        more.protect();
        EXPECT_EQ(more.verdicts(), first_ok(8, 8));
        EXPECT_EQ(more.pn(0), next) << "no PN comes again";
        EXPECT_EQ(pn->limit(), 100u);
    }
}

TEST(Protect, FailsClosedWithoutSa) {
    TxSide tx;
    const TxBinding no_sa{&tx.sc, nullptr, {}};
    const TxBinding no_sc{nullptr, tx.sa.get(), {}};
    for (const TxBinding* binding : {&no_sa, &no_sc}) {
        Burst burst(3, *binding, tx.secy);
        burst.protect();
        EXPECT_EQ(burst.verdicts(), std::vector(3, ProtectVerdict::no_tx_sa));
        EXPECT_EQ(burst.octets(2), plain_frame(60));
    }
    EXPECT_EQ(tx.sa->pn->next(), 1u);
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 0u);
    EXPECT_EQ(tx.secy.out_pkts_untagged.get(), 0u);
}

// With protectFrames off frames go out as they are, SA or not, and are counted (10.5.1).
TEST(Protect, ProtectFramesOff) {
    TxSide tx;
    TxBinding bare;
    for (TxBinding* binding : {&tx.binding, &bare}) {
        binding->protect_frames = false;
        Burst burst(5, *binding, tx.secy);
        burst.protect();
        EXPECT_EQ(burst.verdicts(), std::vector(5, ProtectVerdict::ok));
        for (std::size_t i = 0; i < 5; ++i)
            EXPECT_EQ(burst.octets(i), plain_frame(60));
    }
    EXPECT_EQ(tx.secy.out_pkts_untagged.get(), 10u);
    EXPECT_EQ(tx.sa->pn->next(), 1u);
    EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 0u);
}

// The limit is that of the protected frame; a refused one takes no packet number.
TEST(Protect, TooLong) {
    using enum ProtectVerdict;
    struct Row {
        uint8_t tci;
        uint32_t overhead;
    };
    for (const Row& row : {Row{kExplicitConfidential, 32}, Row{kConfidential, 24},
                           Row{kTciExplicitSci, 32}, Row{kTciEndStation, 24}}) {
        TxSide tx;
        tx.binding.format.tci = row.tci;
        const uint32_t most = 12 + 60 + row.overhead;
        Burst burst;
        for (std::size_t user : {60, 61, 59, 500, 60})
            burst.add(plain_frame(user), tx.binding, tx.secy, most);
        burst.add(plain_frame(60), tx.binding, tx.secy, 0);
        burst.protect();
        EXPECT_EQ(burst.verdicts(), (std::vector{ok, too_long, ok, too_long, ok, too_long}));
        EXPECT_EQ(tx.secy.out_pkts_too_long.get(), 3u);
        EXPECT_EQ(tx.sa->pn->next(), 4u);
        EXPECT_EQ(burst.pn(4), 3u);
        EXPECT_EQ(burst.octets(1), plain_frame(61));
        const TxScCounters& counters = tx.sc.counters;
        EXPECT_EQ(counters.out_pkts_encrypted.get() + counters.out_pkts_protected.get(), 3u);
        EXPECT_EQ(counters.out_octets_encrypted.get() + counters.out_octets_protected.get(), 179u);
    }
}

TEST(Protect, MixedBatchKeepsPacketNumbersPerSa) {
    TxSide first;
    TxSide second(kOtherSci, CipherSuite::gcm_aes_256, 3, 500);
    second.binding.format.tci = kTciExplicitSci;
    const TxBinding none{};
    TxBinding open;
    open.protect_frames = false;
    RxSide first_rx;
    first_rx.add_sc(kPeerSci);
    first_rx.add_sa(0);
    RxSide second_rx(CipherSuite::gcm_aes_256);
    second_rx.add_sc(kOtherSci);
    second_rx.add_sa(3);

    SecyCounters secy;
    Burst burst;
    const TxBinding* bindings[] = {&first.binding, &second.binding, &none, &open};
    for (std::size_t i = 0; i < kBurstMax; ++i)
        burst.add(plain_frame(60), *bindings[i % 4], secy);
    burst.protect();
    for (std::size_t i = 0; i < kBurstMax; ++i) {
        const auto turn = static_cast<uint32_t>(i / 4);
        ASSERT_EQ(burst.frames[i].verdict,
                  i % 4 == 2 ? ProtectVerdict::no_tx_sa : ProtectVerdict::ok)
            << i;
        if (i % 4 < 2) {
            EXPECT_EQ(burst.pn(i), i % 4 == 0 ? 1 + turn : 500 + turn);
            EXPECT_EQ((i % 4 == 0 ? first_rx : second_rx).receive(burst.octets(i)).verdict,
                      ValidateVerdict::ok);
        }
    }
    EXPECT_EQ(first.sc.counters.out_pkts_encrypted.get(), 16u);
    EXPECT_EQ(first.sc.counters.out_octets_encrypted.get(), 16u * 60u);
    EXPECT_EQ(second.sc.counters.out_pkts_protected.get(), 16u);
    EXPECT_EQ(second.sc.counters.out_octets_protected.get(), 16u * 60u);
    EXPECT_EQ(second.sa->counters.out_pkts_protected.get(), 16u);
    EXPECT_EQ(secy.out_pkts_untagged.get(), 16u);
}

} // namespace
} // namespace isthmus::macsec::test
