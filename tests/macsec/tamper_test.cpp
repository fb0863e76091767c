// What an attacker on the channel can do to a frame: change bits, cut it, lengthen it.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

// Two SCs, so that a changed SCI or TCI can also lead to an SA that exists.
std::unique_ptr<RxSide> open_rx_side() {
    auto rx = std::make_unique<RxSide>();
    rx->binding.replay_protect = false;
    rx->add_sc(kPeerSci);
    for (uint8_t an = 0; an < kAssociationNumbers; ++an)
        rx->add_sa(an);
    return rx;
}

std::vector<FrameRecipe> genuine_frames() {
    std::vector<FrameRecipe> all;
    for (const uint8_t tci : std::initializer_list<uint8_t>{0x2c, 0x4c, 0x0c, 0x20, 0x40, 0x00}) {
        for (std::size_t user : {1, 2, 20, 47, 48, 60}) {
            FrameRecipe& recipe = all.emplace_back();
            recipe.tci = tci;
            recipe.pn = 0x00010203;
            recipe.plain = plain_frame(user);
        }
    }
    return all;
}

TEST(Tamper, EveryBitIsProtected) {
    for (const FrameRecipe& recipe : genuine_frames()) {
        const Octets genuine = build_frame(recipe);
        auto rx = open_rx_side();
        ASSERT_EQ(rx->receive(genuine).verdict, ValidateVerdict::ok);
        for (std::size_t bit = 0; bit < genuine.size() * 8; ++bit) {
            Octets forged = genuine;
            forged[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
            ASSERT_NE(rx->receive(forged).verdict, ValidateVerdict::ok)
                << "bit " << bit << " of " << to_hex(genuine);
        }
        EXPECT_EQ(rx->counts().ok, 1u);
        EXPECT_EQ(rx->sa().replay.next_pn(), 0x00010204u);
    }
}

TEST(Tamper, TruncationIsNeverAccepted) {
    for (const FrameRecipe& recipe : genuine_frames()) {
        const Octets genuine = build_frame(recipe);
        auto rx = open_rx_side();
        for (std::size_t length = 0; length < genuine.size(); ++length) {
            const Octets cut(genuine.begin(),
                             genuine.begin() + static_cast<std::ptrdiff_t>(length));
            ASSERT_NE(rx->receive(cut).verdict, ValidateVerdict::ok) << length;
        }
        EXPECT_EQ(rx->sa().replay.next_pn(), 1u);
    }
}

TEST(Tamper, TrailingOctetsNeverReachTheClient) {
    for (FrameRecipe recipe : genuine_frames()) {
        const bool has_short_length = recipe.plain.size() - 12 < 48;
        for (std::size_t extra : {1, 2, 16, 40, 1000}) {
            recipe.padding = random_octets(extra, 3);
            auto rx = open_rx_side();
            const Validated result = rx->receive(build_frame(recipe));
            EXPECT_EQ(result.verdict,
                      has_short_length ? ValidateVerdict::ok : ValidateVerdict::not_valid);
            if (has_short_length) {
                EXPECT_EQ(result.frame, recipe.plain);
            }
        }
    }
}

} // namespace
} // namespace isthmus::macsec::test
