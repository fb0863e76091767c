// Replay protection of 10.6 on frames: the window as tables, at the end of the PN space, and inside
// one burst.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

constexpr uint64_t kTurn = uint64_t{1} << 32;

struct Step {
    uint64_t pn;
    bool accepted;
};
struct Table {
    const char* what;
    CipherSuite suite;
    uint32_t window;
    std::vector<Step> steps;
    uint64_t lowest_pn = 1;
    bool duplicate_proof = false;
};

Octets frame_with_pn(uint64_t pn, CipherSuite suite = CipherSuite::gcm_aes_128,
                     bool genuine = true) {
    FrameRecipe recipe;
    recipe.pn = pn;
    recipe.plain = plain_frame(20);
    recipe.sak = test_sak(suite, genuine ? 1 : 99);
    recipe.xpn = test_xpn(suite);
    return build_frame(recipe);
}

std::vector<Table> tables() {
    using enum CipherSuite;
    return {
        {"window 0 is strict order",
         gcm_aes_128,
         0,
         {{1, true}, {1, false}, {2, true}, {4, true}, {3, false}, {4, false}, {5, true}}},
        {"window 1 takes the one before the last again",
         gcm_aes_128,
         1,
         {{1, true}, {2, true}, {1, false}, {2, true}, {4, true}, {3, false}, {4, true}}},
        {"window 64: both edges",
         gcm_aes_128,
         64,
         {{100, true}, {37, true}, {36, false}, {101, true}, {37, false}, {38, true}, {101, true}}},
        {"the window reaches below 1 at first",
         gcm_aes_128,
         1000,
         {{5, true}, {1, true}, {1000, true}, {1, true}, {1001, true}, {1, false}, {2, true}}},
        {"an old frame does not move the window back",
         gcm_aes_128,
         8,
         {{50, true}, {43, true}, {42, false}, {44, true}, {42, false}}},
        {"the last packet number with window 0",
         gcm_aes_128,
         0,
         {{0xffff'fffe, true}, {0xffff'ffff, true}, {0xffff'ffff, false}, {1, false}}},
        {"the last packet number with window 2",
         gcm_aes_128,
         2,
         {{0xffff'ffff, true}, {0xffff'ffff, true}, {0xffff'fffe, true}, {0xffff'fffd, false}}},
        {"the largest window",
         gcm_aes_128,
         0xffff'ffff,
         {{0xffff'fffe, true}, {1, true}, {0xffff'ffff, true}, {1, true}}},
        {"XPN, window 0 across the wrap",
         gcm_aes_xpn_128,
         0,
         {{kTurn - 1, true}, {kTurn, true}, {kTurn, false}, {kTurn + 1, true}, {kTurn - 1, false}},
         kTurn - 100},
        {"XPN, window 64 across the wrap",
         gcm_aes_xpn_128,
         64,
         {{kTurn - 1, true},
          {kTurn + 20, true},
          {kTurn - 43, true},
          {kTurn - 44, false},
          {kTurn + 63, true},
          {kTurn - 1, false},
          {kTurn, true}},
         kTurn - 100},
        {"XPN, the largest window",
         gcm_aes_xpn_256,
         (1u << 30) - 1,
         {{kTurn + 5, true},
          {kTurn + 6 - (1u << 30) + 1, true},
          {kTurn + 6 - (1u << 30), false},
          {kTurn, true},
          {kTurn + (1u << 30), true},
          {kTurn + 1, false},
          {kTurn + 2, true}},
         kTurn - (1u << 30)},
        {"XPN, the last packet number with window 0",
         gcm_aes_xpn_128,
         0,
         {{UINT64_MAX - 1, true}, {UINT64_MAX, true}, {UINT64_MAX, false}, {UINT64_MAX - 1, false}},
         UINT64_MAX - 5},
        {"XPN, the last packet number with window 1",
         gcm_aes_xpn_128,
         1,
         {{UINT64_MAX, true}, {UINT64_MAX, true}, {UINT64_MAX - 1, false}},
         UINT64_MAX - 5},
        {"XPN, the last packet number, no duplicates",
         gcm_aes_xpn_128,
         2,
         {{UINT64_MAX, true}, {UINT64_MAX, false}, {UINT64_MAX - 1, true}, {UINT64_MAX - 1, false}},
         UINT64_MAX - 5,
         true},
        {"no duplicates inside the window",
         gcm_aes_128,
         64,
         {{100, true}, {100, false}, {37, true}, {37, false}, {99, true}, {99, false}, {36, false}},
         1,
         true},
        {"no duplicates, far jump: what was remembered has left the window",
         gcm_aes_128,
         64,
         {{100, true}, {100'100, true}, {100'090, true}, {100'090, false}, {100, false}},
         1,
         true},
    };
}

std::unique_ptr<RxSide> side_for(const Table& table) {
    auto rx = std::make_unique<RxSide>(table.suite);
    rx->binding.replay_window = table.window;
    rx->add_sc(kPeerSci);
    rx->add_sa(0, {}, 1, table.duplicate_proof ? table.window : 0);
    rx->sa().replay.start_at(table.lowest_pn, table.lowest_pn);
    return rx;
}

TEST(Replay, WindowTables) {
    for (const Table& table : tables()) {
        SCOPED_TRACE(table.what);
        auto one_by_one = side_for(table);
        auto burst = side_for(table);
        std::vector<Octets> frames;
        for (const Step& step : table.steps) {
            frames.push_back(frame_with_pn(step.pn, table.suite));
            const auto verdict = one_by_one->receive(frames.back()).verdict;
            EXPECT_EQ(verdict == ValidateVerdict::ok, step.accepted) << step.pn << " " << verdict;
        }
        // What a frame meets must not depend on how frames are cut into bursts.
        const auto results = burst->receive_burst(frames);
        for (std::size_t i = 0; i < results.size(); ++i)
            EXPECT_EQ(results[i].verdict == ValidateVerdict::ok, table.steps[i].accepted)
                << "in a burst: " << table.steps[i].pn << " " << results[i].verdict;
        EXPECT_EQ(pn_state(burst->sa()), pn_state(one_by_one->sa()));
        EXPECT_EQ(burst->counts().ok, one_by_one->counts().ok);
        EXPECT_EQ(burst->counts().late + burst->counts().not_valid,
                  one_by_one->counts().late + one_by_one->counts().not_valid);
    }
}

// The one thing in which bursts differ: the upper half of an extended PN comes from lowestPN before
// the burst, for nothing that is not validated yet may decide. It takes a jump of half a turn, as
// when an SA that starts at PN 1 meets a peer that is about to wrap, and costs the rest of a burst.
TEST(Replay, FarJumpAndWrapInOneBurst) {
    const CipherSuite suite = CipherSuite::gcm_aes_xpn_128;
    const std::vector<Octets> frames = {frame_with_pn(kTurn - 1, suite),
                                        frame_with_pn(kTurn, suite)};
    for (bool one_by_one : {true, false}) {
        RxSide rx(suite);
        rx.add_sc(kPeerSci);
        rx.add_sa(0);
        std::vector<Validated> results;
        if (one_by_one) {
            for (const Octets& frame : frames)
                results.push_back(rx.receive(frame));
        } else {
            results = rx.receive_burst(frames);
        }
        EXPECT_EQ(results[0].verdict, ValidateVerdict::ok);
        EXPECT_EQ(results[1].verdict == ValidateVerdict::ok, one_by_one);
        EXPECT_EQ(rx.receive(frame_with_pn(kTurn + 1, suite)).verdict, ValidateVerdict::ok);
    }
}

TEST(Replay, StateAfterTheLastPacketNumber) {
    for (uint32_t window : {0u, 1u, 32u, 0xffff'ffffu}) {
        auto rx = peer_rx_side();
        rx->binding.replay_window = window;
        EXPECT_EQ(rx->receive(frame_with_pn(0xffff'ffff)).verdict, ValidateVerdict::ok);
        EXPECT_EQ(pn_state(rx->sa()), (PnState{kTurn, kTurn - window}));
    }
}

TEST(Replay, DuplicateInOneBurstIsLateAfterTheCipher) {
    for (uint32_t window : {0u, 16u}) {
        RxSide rx;
        rx.binding.replay_window = window;
        rx.add_sc(kPeerSci);
        rx.add_sa(0, {}, 1, window);
        const auto results = rx.receive_burst(
            std::vector{frame_with_pn(7), frame_with_pn(7), frame_with_pn(8), frame_with_pn(8)});
        EXPECT_EQ(results[0].verdict, ValidateVerdict::ok);
        EXPECT_EQ(results[1].verdict, ValidateVerdict::late);
        EXPECT_EQ(results[2].verdict, ValidateVerdict::ok);
        EXPECT_EQ(results[3].verdict, ValidateVerdict::late);
        // All four went through the cipher, and octets are counted there.
        EXPECT_EQ(rx.counts(), (Counts{.ok = 2, .late = 2, .decrypted = 80, .sa_ok = 2}));
        EXPECT_EQ(rx.receive(frame_with_pn(8)).verdict, ValidateVerdict::late);
        EXPECT_EQ(rx.counts().decrypted, 80u) << "this one did not";
    }
}

TEST(Replay, ForgedFramesNeverMoveTheState) {
    for (auto mode : {ValidateFrames::strict, ValidateFrames::check}) {
        auto rx = peer_rx_side(10);
        rx->binding.validate_frames = mode;
        std::vector<Octets> frames;
        for (uint32_t pn : {0xffff'ffffu, 0x8000'0000u, 5000u, 11u, 10u})
            frames.push_back(frame_with_pn(pn, CipherSuite::gcm_aes_128, false));
        frames.push_back(frame_with_pn(10));
        const auto results = rx->receive_burst(frames);
        for (std::size_t i = 0; i + 1 < frames.size(); ++i)
            EXPECT_EQ(results[i].verdict, ValidateVerdict::not_valid);
        EXPECT_EQ(results.back().verdict, ValidateVerdict::ok);
        EXPECT_EQ(pn_state(rx->sa()), (PnState{11, 11}));
    }
}

// Nothing is validated in disabled mode, so nothing moves; nor for frames that check delivers.
TEST(Replay, UnvalidatedFramesNeverMoveTheState) {
    FrameRecipe recipe;
    recipe.tci = kTciExplicitSci;
    recipe.pn = 50;
    auto rx = peer_rx_side(10);
    rx->binding.validate_frames = ValidateFrames::disabled;
    EXPECT_EQ(rx->receive(build_frame(recipe)).verdict, ValidateVerdict::ok);
    recipe.sak = test_sak(CipherSuite::gcm_aes_128, 99);
    rx->binding.validate_frames = ValidateFrames::check;
    EXPECT_EQ(rx->receive(build_frame(recipe)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(pn_state(rx->sa()), (PnState{10, 10}));
}

TEST(Replay, WithoutProtectionEverythingIsDelivered) {
    RxSide rx;
    rx.binding.replay_protect = false;
    rx.add_sc(kPeerSci);
    rx.add_sa(0, {}, 1, 64);
    for (uint64_t pn : {100, 100, 99, 1, 101, 101})
        EXPECT_EQ(rx.receive(frame_with_pn(pn)).verdict, ValidateVerdict::ok) << pn;
    EXPECT_EQ(rx.counts(), (Counts{.ok = 2, .delayed = 4, .decrypted = 120, .sa_ok = 2}));
    EXPECT_EQ(pn_state(rx.sa()), (PnState{102, 102}));
}

TEST(Replay, RaisedLowestPnIsKept) {
    auto rx = peer_rx_side();
    rx->binding.replay_window = 100;
    rx->sa().replay.start_at(50, 50);
    EXPECT_EQ(rx->receive(frame_with_pn(49)).verdict, ValidateVerdict::late);
    EXPECT_EQ(rx->receive(frame_with_pn(60)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(pn_state(rx->sa()), (PnState{61, 50}));
    EXPECT_EQ(rx->receive(frame_with_pn(49)).verdict, ValidateVerdict::late);
}

// A window that is changed while frames pass moves lowestPN up with the next valid frame, and
// never down.
TEST(Replay, WindowChangedAtRunTime) {
    auto rx = peer_rx_side();
    rx->binding.replay_window = 100;
    EXPECT_EQ(rx->receive(frame_with_pn(500)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(pn_state(rx->sa()), (PnState{501, 401}));
    rx->binding.replay_window = 10;
    EXPECT_EQ(rx->receive(frame_with_pn(450)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(pn_state(rx->sa()), (PnState{501, 491}));
    EXPECT_EQ(rx->receive(frame_with_pn(490)).verdict, ValidateVerdict::late);
    rx->binding.replay_window = 200;
    EXPECT_EQ(rx->receive(frame_with_pn(510)).verdict, ValidateVerdict::ok);
    EXPECT_EQ(pn_state(rx->sa()), (PnState{511, 491}));
    EXPECT_EQ(rx->receive(frame_with_pn(490)).verdict, ValidateVerdict::late);
}

} // namespace
} // namespace isthmus::macsec::test
