// Replay state against a slow model, written from the rules in wide arithmetic and with a set.
#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace isthmus::macsec::test {
namespace {

__extension__ using Wide = __int128;
constexpr Wide kWideTurn = Wide{1} << 32;

bool is_low(ReplayState& state, uint64_t pn) {
    return ReplayState::Working(state).is_low(pn);
}
bool is_late(ReplayState& state, uint64_t pn) {
    const ReplayState::Working working(state);
    return working.is_low(pn) || working.is_duplicate(pn);
}
void commit(ReplayState& state, uint64_t pn, uint32_t window) {
    ReplayState::Working working(state);
    working.commit(pn, window);
    working.put_back();
}

class SlowModel {
  public:
    SlowModel(uint64_t lowest, bool duplicate_proof)
        : next_(lowest), lowest_(lowest), duplicate_proof_(duplicate_proof) {}

    // The smallest number with this lower half that is not below the half turn of lowestPN.
    [[nodiscard]] Wide recover(uint32_t received) const {
        const Wide half = kWideTurn / 2;
        Wide number = lowest_ / half * half / kWideTurn * kWideTurn + received;
        while (number < lowest_ / half * half)
            number += kWideTurn;
        return number;
    }
    [[nodiscard]] bool late(Wide pn) const {
        return pn < lowest_ || (duplicate_proof_ && seen_.contains(pn));
    }
    void accept(Wide pn, Wide window) {
        if (pn >= next_)
            next_ = pn + 1;
        lowest_ = std::max(lowest_, next_ - window);
        seen_.insert(pn);
        seen_.erase(seen_.begin(), seen_.lower_bound(lowest_));
    }
    [[nodiscard]] PnState state() const {
        const Wide most = UINT64_MAX; // 2^64 can not be shown
        return {static_cast<uint64_t>(std::min(next_, most)),
                static_cast<uint64_t>(std::min(lowest_, most))};
    }
    [[nodiscard]] Wide next() const { return next_; }
    [[nodiscard]] Wide lowest() const { return lowest_; }

  private:
    Wide next_, lowest_;
    bool duplicate_proof_;
    std::set<Wide> seen_;
};

// Numbers around nextPN, around both edges of the window, and jumps of every size.
Wide pick(std::mt19937_64& random, const SlowModel& model, Wide window, Wide last) {
    Wide pn = model.next();
    switch (random() % 8) {
    case 0:
    case 1:
    case 2:
        break;
    case 3:
        pn += random() % 100;
        break;
    case 4:
        pn = model.next() - 1 - Wide{random() % (static_cast<uint64_t>(window) + 2)};
        break;
    case 5:
        pn = model.lowest() - 3 + Wide{random() % 6};
        break;
    case 6: // up to a few windows, so that whole turns of the record are passed and not passed
        pn += Wide{random() % (3 * static_cast<uint64_t>(window) + 300)};
        break;
    default:
        if (random() % 8 == 0)
            pn += Wide{random() >> (random() % 64)};
        break;
    }
    return std::clamp<Wide>(pn, 1, last);
}

struct Sweep {
    uint64_t lowest;
    uint64_t last;
    uint32_t window;
    bool duplicate_proof;
    bool replay_protect = true;
};

void run(const Sweep& sweep, uint64_t seed) {
    std::mt19937_64 random(seed);
    ReplayState state(sweep.lowest, sweep.duplicate_proof ? sweep.window : 0);
    SlowModel model(sweep.lowest, sweep.duplicate_proof);
    for (int step = 0; step < 3000; ++step) {
        const auto pn = static_cast<uint64_t>(pick(random, model, sweep.window, sweep.last));
        const bool late = is_late(state, pn);
        if (sweep.replay_protect) {
            ASSERT_EQ(late, model.late(pn)) << "step " << step << " pn " << pn;
        } else {
            ASSERT_EQ(is_low(state, pn), Wide{pn} < model.lowest());
        }
        if ((late && sweep.replay_protect) || random() % 5 == 0)
            continue; // dropped, or forged
        commit(state, pn, sweep.window);
        model.accept(pn, sweep.window);
        ASSERT_EQ((PnState{state.next_pn(), state.lowest_pn()}), model.state()) << pn;
    }
}

TEST(ReplayModel, EveryWindowWithAndWithoutDuplicates) {
    constexpr uint64_t kLast32 = 0xffff'ffff;
    uint64_t seed = 1;
    for (uint32_t window : {0u, 1u, 2u, 31u, 63u, 64u, 65u, 127u, 128u, 1000u, 65536u}) {
        for (bool duplicate_proof : {false, true}) {
            for (bool replay_protect : {true, false}) {
                // A fresh SA, and the end of the packet numbers.
                for (uint64_t lowest : {uint64_t{1}, uint64_t{77}, kLast32 - 2000, kLast32})
                    run({lowest, kLast32, window, duplicate_proof, replay_protect}, seed++);
                for (uint64_t lowest : {uint64_t{1}, kLast32 - 1500, (uint64_t{7} << 32) - 1500,
                                        (uint64_t{9} << 32) + 3, UINT64_MAX - 2000, UINT64_MAX})
                    run({lowest, UINT64_MAX, window, duplicate_proof, replay_protect}, seed++);
            }
        }
    }
}

TEST(ReplayModel, LargeWindowsOfTheStandard) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        run({1, 0xffff'ffff, 0xffff'ffff, false}, seed);
        run({0xffff'f000, UINT64_MAX, (1u << 30) - 1, false}, seed);
        run({UINT64_MAX - (1u << 30), UINT64_MAX, (1u << 30) - 1, false}, seed);
    }
}

// The duplicate record is a ring: every single jump length around its size, from every phase.
TEST(ReplayModel, JumpsOfEveryLength) {
    for (uint32_t window : {1u, 64u, 100u, 200u}) {
        for (uint64_t start = 1; start < 70; start += 7) {
            for (uint64_t jump = 1; jump < 1200; ++jump) {
                ReplayState state(start, window);
                SlowModel model(start, true);
                for (uint64_t pn = start; pn < start + 300; pn += 2) {
                    commit(state, pn, window);
                    model.accept(pn, window);
                }
                const uint64_t pn = start + 300 + jump;
                commit(state, pn, window);
                model.accept(pn, window);
                for (uint64_t probe = pn > 300 ? pn - 300 : 1; probe <= pn + 1; ++probe)
                    ASSERT_EQ(is_late(state, probe), model.late(probe))
                        << window << " " << start << " " << jump << " " << probe;
            }
        }
    }
}

// Sender and receiver with the 32 bits on the wire between them, across wraps (10.6.2).
TEST(ReplayModel, RecoveryAcrossWraps) {
    std::mt19937_64 random(99);
    for (uint32_t window : {0u, 64u, 100'000u, (1u << 30) - 1}) {
        for (uint64_t lowest :
             {uint64_t{1}, uint64_t{0x7fff'ff00}, uint64_t{0xffff'ff00}, uint64_t{0x5'ffff'ff00}}) {
            ReplayState state(lowest, 0);
            SlowModel model(lowest, false);
            for (int step = 0; step < 20'000; ++step) {
                const auto sent =
                    static_cast<uint64_t>(pick(random, model, window, UINT64_MAX / 2));
                const auto wire = static_cast<uint32_t>(sent);
                const uint64_t pn = recover_pn(state.lowest_pn(), wire);
                ASSERT_EQ(Wide{pn}, model.recover(wire)) << state.lowest_pn() << " " << wire;
                // Of a genuine sender, what is not late and within half a turn is never mistaken.
                if (!model.late(sent) && sent - state.lowest_pn() < 0x8000'0000) {
                    ASSERT_EQ(pn, sent);
                }
                if (pn != sent || is_low(state, pn))
                    continue; // the ICV does not fit, or it is late
                commit(state, pn, window);
                model.accept(pn, window);
                ASSERT_EQ((PnState{state.next_pn(), state.lowest_pn()}), model.state());
            }
        }
    }
}

// A window larger than the record finds fewer duplicates, but takes no number for another one.
TEST(ReplayModel, WindowLargerThanTheRecord) {
    std::mt19937_64 random(3);
    ReplayState state(1, 64);
    SlowModel model(1, true);
    for (int step = 0; step < 100'000; ++step) {
        const auto pn = static_cast<uint64_t>(pick(random, model, 1000, UINT32_MAX));
        const bool late = is_late(state, pn);
        if (late) {
            ASSERT_TRUE(model.late(pn)) << pn;
            continue;
        }
        if (Wide{pn} > model.next() - 1 - 64) {
            ASSERT_FALSE(model.late(pn)) << "inside the record";
        }
        commit(state, pn, 1000);
        model.accept(pn, 1000);
    }
}

// The same through frames, cut into bursts at random.
TEST(ReplayModel, FramesInBursts) {
    constexpr uint32_t kWindows[] = {0, 1, 2, 31, 64, 1000, 0xffff'ffff};
    std::mt19937_64 random(2024);
    for (int sweep = 0; sweep < 40; ++sweep) {
        const CipherSuite suite = kCipherSuites[random() % 4];
        uint32_t window = kWindows[random() % std::size(kWindows)];
        const bool duplicate_proof = window <= 1000 && random() % 2 == 0;
        if (is_xpn(suite))
            window = std::min(window, max_replay_window(suite));
        const uint64_t last = is_xpn(suite) ? UINT64_MAX : UINT32_MAX;
        // Half of the sweeps run into the end of 32 bits.
        uint64_t around = sweep % 2 == 0 ? 100 : 0xffff'ffff - 300;
        RxSide rx(suite);
        rx.binding.replay_window = window;
        rx.add_sc(kPeerSci);
        rx.add_sa(0, {}, around - 60, duplicate_proof ? window : 0);
        SlowModel model(around - 60, duplicate_proof);
        for (int burst = 0; burst < 20; ++burst) {
            std::vector<Octets> frames;
            std::vector<ValidateVerdict> expected;
            const std::size_t size = 1 + random() % kBurstMax;
            for (std::size_t i = 0; i < size; ++i) {
                FrameRecipe recipe;
                recipe.pn = std::clamp<uint64_t>(around + random() % 80 - 40, 1, last);
                const bool genuine = random() % 4 != 0;
                recipe.sak = test_sak(suite, genuine ? 1 : 99);
                recipe.xpn = test_xpn(suite);
                recipe.plain = plain_frame(20);
                frames.push_back(build_frame(recipe));
                expected.push_back(model.late(recipe.pn) ? ValidateVerdict::late
                                   : genuine             ? ValidateVerdict::ok
                                                         : ValidateVerdict::not_valid);
                if (expected.back() == ValidateVerdict::ok)
                    model.accept(recipe.pn, window);
                around += random() % 2;
            }
            const auto results = rx.receive_burst(frames);
            for (std::size_t i = 0; i < size; ++i) {
                // With XPN a straggler of the turn before may be not valid instead of late.
                if (is_xpn(suite) && expected[i] == ValidateVerdict::late) {
                    ASSERT_NE(results[i].verdict, ValidateVerdict::ok);
                } else {
                    ASSERT_EQ(results[i].verdict, expected[i]) << "sweep " << sweep << " " << i;
                }
            }
            ASSERT_EQ(pn_state(rx.sa()), model.state());
        }
    }
}

} // namespace
} // namespace isthmus::macsec::test
