// The parse and check of 9.12 on its own.
#include "support.hpp"

#include <gtest/gtest.h>

namespace isthmus::macsec::test {
namespace {

// DA, SA, EtherType 88E5, the tag's octets and `rest` further octets.
Octets tagged(uint8_t tci_an, uint8_t short_length, std::string_view pn, std::size_t rest) {
    Octets frame = from_hex("02112233445a");
    for (std::string_view part : {kSourceAddress, std::string_view("88e5")}) {
        const Octets octets = from_hex(part);
        frame.insert(frame.end(), octets.begin(), octets.end());
    }
    frame.push_back(tci_an);
    frame.push_back(short_length);
    const Octets number = from_hex(pn);
    frame.insert(frame.end(), number.begin(), number.end());
    for (std::size_t i = 0; i < rest; ++i)
        frame.push_back(static_cast<uint8_t>(0xd0 + i));
    return frame;
}

// Without any octet to spare: the parser reads nothing beyond the frame.
SecTag parse(const Octets& frame, const TagRules& rules = {}) {
    HeapFrame memory(frame, 0, 0);
    return parse_sectag(memory.data(), memory.length(), rules);
}

TEST(SecTag, ExplicitSci) {
    const SecTag tag = parse(tagged(0x2e, 0, "89abcdef", 8 + 50 + 16));
    EXPECT_EQ(tag.verdict, TagVerdict::ok);
    EXPECT_EQ(tag.tci, 0x2c);
    EXPECT_EQ(tag.an, 2);
    EXPECT_EQ(tag.pn, 0x89abcdef);
    EXPECT_EQ(tag.sci.value, 0xd0d1d2d3d4d5d6d7);
    EXPECT_TRUE(tag.sci_known);
    EXPECT_EQ(tag.tag_offset, 12u);
    EXPECT_EQ(tag.short_length, 0u);
    EXPECT_EQ(tag.secure_offset, 28u);
    EXPECT_EQ(tag.secure_length, 50u);
}

struct ImpliedRow {
    uint8_t tci;
    bool known;
    uint64_t sci;
};

TEST(SecTag, ImpliedSci) {
    constexpr ImpliedRow kRows[] = {
        {0x4c, true, 0x02aabbccdd0e0001},
        {0x1c, true, 0x02aabbccdd0e0000},
        {0x5c, true, 0x02aabbccdd0e0000},
        {0x0c, false, 0},
    };
    for (const ImpliedRow& row : kRows) {
        const SecTag tag = parse(tagged(row.tci, 5, "00000001", 5 + 16 + 3));
        EXPECT_EQ(tag.verdict, TagVerdict::ok);
        EXPECT_EQ(tag.sci_known, row.known) << int{row.tci};
        EXPECT_EQ(tag.sci.value, row.sci) << int{row.tci};
        EXPECT_EQ(tag.short_length, 5u);
        EXPECT_EQ(tag.secure_offset, 20u);
        EXPECT_EQ(tag.secure_length, 5u) << "three octets of padding are not Secure Data";
    }
}

// The table of lengths in 9.12: what must be there, and one octet less.
TEST(SecTag, LengthTable) {
    for (const uint8_t tci : std::initializer_list<uint8_t>{0x00, 0x20, 0x0c, 0x2c}) {
        const uint32_t sci = (tci & kTciExplicitSci) != 0 ? 8 : 0;
        for (uint32_t sl = 0; sl <= 0xff; ++sl) {
            const uint32_t data = sl == 0 ? 48 : sl;
            const auto short_length = static_cast<uint8_t>(sl);
            const bool legal = sl < 48;
            EXPECT_EQ(parse(tagged(tci, short_length, "00000001", sci + data + 16)).verdict,
                      legal ? TagVerdict::ok : TagVerdict::bad_tag)
                << sl;
            EXPECT_EQ(parse(tagged(tci, short_length, "00000001", sci + data + 15)).verdict,
                      TagVerdict::bad_tag)
                << sl;
        }
    }
}

// All 256 values of the TCI and AN octet against the two rules that 9.12 has for it.
TEST(SecTag, TciTable) {
    for (unsigned tci_an = 0; tci_an < 256; ++tci_an) {
        const bool version = (tci_an & 0x80) != 0;
        const bool both = (tci_an & 0x20) != 0 && (tci_an & 0x50) != 0;
        const SecTag tag = parse(tagged(static_cast<uint8_t>(tci_an), 0, "00000001", 100));
        EXPECT_EQ(tag.verdict, version || both ? TagVerdict::bad_tag : TagVerdict::ok) << tci_an;
        EXPECT_EQ(tag.an, tci_an & 3);
    }
}

TEST(SecTag, PacketNumberZero) {
    EXPECT_EQ(parse(tagged(0x2c, 0, "00000000", 100)).verdict, TagVerdict::bad_tag);
    EXPECT_EQ(parse(tagged(0x2c, 0, "ffffffff", 100)).verdict, TagVerdict::ok);
    TagRules xpn;
    xpn.xpn = true; // half of a longer number
    EXPECT_EQ(parse(tagged(0x2c, 0, "00000000", 100), xpn).verdict, TagVerdict::ok);
}

TEST(SecTag, TruncationNeverReadsPastTheEnd) {
    for (const uint8_t tci : std::initializer_list<uint8_t>{0x0c, 0x2c, 0x4c}) {
        const Octets whole = tagged(tci, 1, "00000001", 8 + 1 + 16);
        for (std::size_t length = 0; length < whole.size(); ++length) {
            const Octets frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            const SecTag tag = parse(frame);
            const uint32_t needed = 12u + ((tci & kTciExplicitSci) != 0 ? 16u : 8u) + 1 + 16;
            EXPECT_EQ(tag.verdict, length < 14       ? TagVerdict::no_tag
                                   : length < needed ? TagVerdict::bad_tag
                                                     : TagVerdict::ok)
                << length;
        }
    }
}

TEST(SecTag, AnotherEtherTypeIsNoTag) {
    for (std::string_view type : {"0800", "8100", "888e", "88e4", "e588"}) {
        Octets frame = tagged(0x2c, 0, "00000001", 100);
        const Octets octets = from_hex(type);
        std::copy(octets.begin(), octets.end(), frame.begin() + 12);
        EXPECT_EQ(parse(frame).verdict, TagVerdict::no_tag) << type;
    }
}

TEST(SecTag, ConfiguredEtherType) {
    TagRules rules;
    rules.ether_type = 0x876f;
    Octets frame = tagged(0x2c, 0, "00000001", 100);
    EXPECT_EQ(parse(frame, rules).verdict, TagVerdict::no_tag);
    frame[12] = 0x87;
    frame[13] = 0x6f;
    EXPECT_EQ(parse(frame, rules).verdict, TagVerdict::ok);
}

TEST(SecTag, BehindTagsInClear) {
    const Octets tags = {0x88, 0xa8, 0, 1, 0x81, 0, 0, 2};
    const Octets bare = tagged(0x4c, 5, "00000001", 5 + 16);
    for (uint32_t count = 0; count <= 2; ++count) {
        const Octets frame = with_tags(bare, Octets(tags.begin(), tags.begin() + 4 * count));
        for (uint8_t allowed = 0; allowed <= 2; ++allowed) {
            TagRules rules;
            rules.vlan_in_clear = allowed;
            const SecTag tag = parse(frame, rules);
            EXPECT_EQ(tag.verdict, count <= allowed ? TagVerdict::ok : TagVerdict::no_tag);
            if (tag.verdict == TagVerdict::ok) {
                EXPECT_EQ(tag.tag_offset, 12 + 4 * count);
                EXPECT_EQ(tag.secure_offset, 20 + 4 * count);
                EXPECT_EQ(tag.secure_length, 5u);
                EXPECT_EQ(tag.sci, kPeerSci) << "of the source address";
            }
            for (std::size_t length = 0; length < frame.size(); ++length) {
                const Octets cut(frame.begin(),
                                 frame.begin() + static_cast<std::ptrdiff_t>(length));
                EXPECT_NE(parse(cut, rules).verdict, TagVerdict::ok) << length;
            }
        }
    }
}

TEST(SecTag, CountOfVlanTags) {
    const Octets tags = {0x81, 0, 0, 1, 0x88, 0xa8, 0, 2, 0x81, 0, 0, 3};
    const Octets frame = with_tags(plain_frame(1), tags);
    for (uint32_t length = 0; length <= frame.size(); ++length) {
        const std::span<const uint8_t> octets(frame);
        HeapFrame memory(octets.first(length), 0, 0);
        for (uint32_t limit = 0; limit <= 4; ++limit)
            EXPECT_EQ(count_vlan_tags(memory.data(), length, limit),
                      std::min(limit, length <= 16 ? 0 : (length - 13) / 4))
                << length;
    }
}

} // namespace
} // namespace isthmus::macsec::test
