// Replay protection of 10.6: the window as tables, at the end of the PN space, inside one burst,
// and against a slow model.
#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::macsec::test {
namespace {

Octets frame_with_pn(uint32_t pn, bool genuine = true) {
    FrameRecipe recipe;
    recipe.pn = pn;
    recipe.plain = plain_frame(20);
    if (!genuine)
        recipe.sak = test_sak(CipherSuite::gcm_aes_128, 99);
    return build_frame(recipe);
}

struct Step {
    uint32_t pn;
    bool accepted;
};
struct Table {
    const char* what;
    uint32_t window;
    std::vector<Step> steps;
};

const std::vector<Table>& tables() {
    static const std::vector<Table> all = {
        {"window 0 is strict order",
         0,
         {{1, true}, {1, false}, {2, true}, {4, true}, {3, false}, {4, false}, {5, true}}},
        {"window 1 takes the one before the last again",
         1,
         {{1, true}, {2, true}, {1, false}, {2, true}, {4, true}, {3, false}, {4, true}}},
        {"edge of the window",
         32,
         {{100, true}, {69, true}, {68, false}, {100, true}, {101, true}, {69, false}, {70, true}}},
        {"the window reaches below 1 at first",
         1000,
         {{5, true}, {1, true}, {1000, true}, {1, true}, {1001, true}, {1, false}, {2, true}}},
        {"an old frame does not move the window back",
         8,
         {{50, true}, {43, true}, {42, false}, {44, true}, {42, false}}},
        {"last packet number with window 0",
         0,
         {{0xfffffffe, true}, {0xffffffff, true}, {0xffffffff, false}, {1, false}}},
        {"last packet number with window 2",
         2,
         {{0xffffffff, true}, {0xffffffff, true}, {0xfffffffe, true}, {0xfffffffd, false}}},
        {"the largest window",
         0xffffffff,
         {{0xfffffffe, true}, {1, true}, {0xffffffff, true}, {1, true}}},
    };
    return all;
}

TEST(Replay, WindowTables) {
    for (const Table& table : tables()) {
        SCOPED_TRACE(table.what);
        auto one_by_one = peer_rx_side();
        auto burst = peer_rx_side();
        one_by_one->binding.replay_window = burst->binding.replay_window = table.window;
        std::vector<Octets> frames;
        for (const Step& step : table.steps) {
            frames.push_back(frame_with_pn(step.pn));
            EXPECT_EQ(one_by_one->validate(frames.back()).verdict,
                      step.accepted ? ValidateVerdict::ok : ValidateVerdict::late)
                << step.pn;
        }
        // What a frame meets must not depend on how frames are cut into bursts.
        const auto results = burst->validate_batch(frames);
        for (std::size_t i = 0; i < results.size(); ++i)
            EXPECT_EQ(results[i].verdict,
                      table.steps[i].accepted ? ValidateVerdict::ok : ValidateVerdict::late)
                << "in a burst: " << table.steps[i].pn;
        EXPECT_EQ(burst->sa().next_pn.get(), one_by_one->sa().next_pn.get());
        EXPECT_EQ(burst->sa().lowest_pn.get(), one_by_one->sa().lowest_pn.get());
        EXPECT_EQ(burst->counts().ok, one_by_one->counts().ok);
        EXPECT_EQ(burst->counts().late, one_by_one->counts().late);
    }
}

TEST(Replay, StateAfterTheLastPacketNumber) {
    for (uint32_t window : {0u, 1u, 32u, 0xffffffffu}) {
        auto rx = peer_rx_side();
        rx->binding.replay_window = window;
        EXPECT_EQ(rx->validate(frame_with_pn(0xffffffff)).verdict, ValidateVerdict::ok);
        EXPECT_EQ(rx->sa().next_pn.get(), 0x100000000u);
        EXPECT_EQ(rx->sa().lowest_pn.get(), 0x100000000u - window);
    }
}

TEST(Replay, DuplicateInOneBurstIsLateAfterTheCipher) {
    auto rx = peer_rx_side();
    const auto results = rx->validate_batch(
        {frame_with_pn(7), frame_with_pn(7), frame_with_pn(8), frame_with_pn(6)});
    EXPECT_EQ(results[0].verdict, ValidateVerdict::ok);
    EXPECT_EQ(results[1].verdict, ValidateVerdict::late);
    EXPECT_EQ(results[2].verdict, ValidateVerdict::ok);
    EXPECT_EQ(results[3].verdict, ValidateVerdict::late);
    // All four went through the cipher, and octets are counted there.
    EXPECT_EQ(rx->counts(), (Counts{.ok = 2, .late = 2, .octets = 80, .sa_ok = 2}));
}

TEST(Replay, ForgedFramesNeverMoveTheState) {
    auto rx = peer_rx_side(10);
    std::vector<Octets> frames;
    for (uint32_t pn : {0xffffffffu, 0x80000000u, 5000u, 11u, 10u})
        frames.push_back(frame_with_pn(pn, false));
    frames.push_back(frame_with_pn(10));
    const auto results = rx->validate_batch(frames);
    for (std::size_t i = 0; i + 1 < frames.size(); ++i)
        EXPECT_EQ(results[i].verdict, ValidateVerdict::not_valid);
    EXPECT_EQ(results.back().verdict, ValidateVerdict::ok);
    EXPECT_EQ(rx->sa().next_pn.get(), 11u);
    EXPECT_EQ(rx->sa().lowest_pn.get(), 11u);
}

TEST(Replay, LowestPnRaisedByControlIsKept) {
    auto rx = peer_rx_side();
    rx->binding.replay_window = 100;
    rx->sa().lowest_pn.set(50);
    EXPECT_EQ(rx->validate(frame_with_pn(49)).verdict, ValidateVerdict::late);
    EXPECT_EQ(rx->validate(frame_with_pn(60)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(rx->sa().lowest_pn.get(), 50u);
    EXPECT_EQ(rx->validate(frame_with_pn(49)).verdict, ValidateVerdict::late);
}

// Straight from the words of the clause, in signed 128-bit arithmetic and with nothing shared.
struct SlowModel {
    __extension__ using Wide = __int128;
    Wide next = 1;
    Wide lowest = 1;

    ValidateVerdict receive(uint32_t pn, bool genuine, Wide window) {
        if (Wide{pn} < lowest)
            return ValidateVerdict::late;
        if (!genuine)
            return ValidateVerdict::not_valid;
        if (Wide{pn} >= next)
            next = Wide{pn} + 1;
        if (next - window > lowest)
            lowest = next - window;
        return ValidateVerdict::ok;
    }
};

TEST(Replay, RandomSweepAgainstTheModel) {
    constexpr int kSweeps = 40;
    constexpr int kBursts = 20;
    std::mt19937 random(2024);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
        constexpr uint32_t kWindows[] = {0, 1, 2, 31, 64, 1000, 0xffffffff};
        const uint32_t window = kWindows[random() % std::size(kWindows)];
        // Half of the sweeps run into the end of the PN space.
        uint64_t around = sweep % 2 == 0 ? 40 : 0xffffffff - 300;
        auto rx = peer_rx_side();
        rx->binding.replay_window = window;
        SlowModel model;
        for (int burst = 0; burst < kBursts; ++burst) {
            std::vector<Octets> frames;
            std::vector<ValidateVerdict> expected;
            const std::size_t size = 1 + random() % kBurstMax;
            for (std::size_t i = 0; i < size; ++i) {
                const uint64_t pn =
                    std::clamp<uint64_t>(around + random() % 80 - 40, 1, 0xffffffff);
                const bool genuine = random() % 4 != 0;
                frames.push_back(frame_with_pn(static_cast<uint32_t>(pn), genuine));
                expected.push_back(model.receive(static_cast<uint32_t>(pn), genuine, window));
                around += random() % 2;
            }
            const auto results = rx->validate_batch(frames);
            for (std::size_t i = 0; i < size; ++i) {
                // A forged frame that fell behind during the burst is late in both orders of
                // checks.
                ASSERT_EQ(results[i].verdict, expected[i]) << "sweep " << sweep << " frame " << i;
            }
            ASSERT_EQ(rx->sa().next_pn.get(), static_cast<uint64_t>(model.next));
            ASSERT_EQ(rx->sa().lowest_pn.get(), static_cast<uint64_t>(model.lowest));
        }
    }
}

} // namespace
} // namespace isthmus::macsec::test
