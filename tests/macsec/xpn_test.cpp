// What XPN suites derive: salts, SSCIs and the upper half of a packet number.
#include "support.hpp"

#include "macsec/xpn.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace isthmus::macsec::test {
namespace {

TEST(Salt, PutsTheKeyNumberIntoTheFirstFourOctets) {
    const MemberIdentifier zeros{};
    EXPECT_EQ(to_hex(make_salt(zeros, 0)), "000000000000000000000000");
    EXPECT_EQ(to_hex(make_salt(zeros, 1)), "000100000000000000000000");
    EXPECT_EQ(to_hex(make_salt(zeros, 0x12345678)), "567812340000000000000000");
    MemberIdentifier counted;
    for (std::size_t i = 0; i < counted.size(); ++i)
        counted[i] = static_cast<uint8_t>(i + 1);
    EXPECT_EQ(to_hex(make_salt(counted, 0xa1b2c3d4)), "c2d6a2b605060708090a0b0c");
}

TEST(Ssci, CountsFromTheGreatestSci) {
    std::vector<Sci> members = {{0x0000000000010001}, {0xffffffffffff0001}, {0x000000000001000a}};
    std::ranges::sort(members);
    do {
        EXPECT_EQ(ssci_of({0xffffffffffff0001}, members), 1u);
        EXPECT_EQ(ssci_of({0x000000000001000a}, members), 2u);
        EXPECT_EQ(ssci_of({0x0000000000010001}, members), 3u);
        EXPECT_EQ(ssci_of({0x0000000000010002}, members), 0u) << "no member";
    } while (std::ranges::next_permutation(members).found);
    EXPECT_EQ(ssci_of({1}, {}), 0u);
}

struct Recovery {
    uint64_t lowest;
    uint32_t received;
    uint64_t pn;
};

TEST(RecoverPn, Table) {
    constexpr Recovery kRows[] = {
        {1, 1, 1},
        {1, 0x7fff'ffff, 0x7fff'ffff},
        {1, 0x8000'0000, 0x8000'0000},
        {1, 0xffff'ffff, 0xffff'ffff},
        {0x7fff'ffff, 0, 0}, // lowestPN is in the lower half: the same turn, and low
        {0x8000'0000, 0, 0x1'0000'0000},
        {0x8000'0000, 0x7fff'ffff, 0x1'7fff'ffff},
        {0x8000'0000, 0x8000'0000, 0x8000'0000},
        {0xffff'ffff, 0, 0x1'0000'0000},
        {0xffff'ffff, 0xffff'fffe, 0xffff'fffe},
        {0x1'0000'0000, 0xffff'ffff, 0x1'ffff'ffff}, // a straggler gets the wrong turn
        {0x5'c000'0000, 0xbfff'ffff, 0x5'bfff'ffff},
        {0xb0df'459b'ffff'fff0, 5, 0xb0df'459c'0000'0005},
        {0xffff'ffff'8000'0000, 0, 0}, // no turn follows: low
        {0xffff'ffff'ffff'fffe, 0xffff'ffff, UINT64_MAX},
    };
    for (const Recovery& row : kRows)
        EXPECT_EQ(recover_pn(row.lowest, row.received), row.pn)
            << row.lowest << " " << row.received;
}

// Whatever lies up to 2^31 - 1 above lowestPN comes back, and nothing else can be promised.
TEST(RecoverPn, EveryPnOfTheNextHalfTurn) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 200'000; ++i) {
        const uint64_t lowest = (random() >> (random() % 33)) | 1;
        const uint64_t pn = lowest + random() % 0x8000'0000;
        if (pn < lowest)
            continue;
        ASSERT_EQ(recover_pn(lowest, static_cast<uint32_t>(pn)), pn) << lowest;
    }
}

} // namespace
} // namespace isthmus::macsec::test
