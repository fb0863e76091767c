// Every rule of 10.6 as a row: a frame, the verdict, and all counters afterwards.
#include "support.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace isthmus::macsec::test {
namespace {

using enum ValidateVerdict;

constexpr uint8_t kConfidential = kTciEncrypted | kTciChangedText;
constexpr Sci kSingleCopySci{0x02aabbccdd0e0000};
constexpr Sci kOtherSci{0x02aabbccdd0f0001};

FrameRecipe recipe(const std::function<void(FrameRecipe&)>& change) {
    FrameRecipe made;
    change(made);
    return made;
}
FrameRecipe with_tci(uint8_t tci, Sci sci = kPeerSci) {
    return recipe([&](FrameRecipe& r) {
        r.tci = tci;
        r.sci = sci;
    });
}
FrameRecipe with_user_data(std::size_t octets, int short_length = -1, std::size_t padding = 0) {
    return recipe([&](FrameRecipe& r) {
        r.plain = plain_frame(octets);
        r.short_length = short_length;
        r.padding = Octets(padding, 0);
    });
}

struct Row {
    const char* rule;
    FrameRecipe frame;
    ValidateVerdict verdict;
    Counts counts;
    std::vector<Sci> scs{kPeerSci};
};

std::vector<Row> tag_rows() {
    const Counts bad{.bad_tag = 1};
    const Counts ok64{.ok = 1, .octets = 64, .sa_ok = 1};
    return {
        {"a valid frame", {}, ok, ok64},
        {"V set", with_tci(0xac), bad_tag, bad},
        {"ES with SC", with_tci(0x6c), bad_tag, bad},
        {"SCB with SC", with_tci(0x3c), bad_tag, bad},
        {"ES and SCB with SC", with_tci(0x7c), bad_tag, bad},
        {"PN 0", recipe([](FrameRecipe& r) { r.pn = 0; }), bad_tag, bad},
        {"SL bit 7 set", with_user_data(64, 0x40), bad_tag, bad},
        {"SL bit 8 set", with_user_data(64, 0x80), bad_tag, bad},
        {"SL 48 though the lengths agree", with_user_data(48, 48), bad_tag, bad},
        {"SL 63", with_user_data(63, 63), bad_tag, bad},
        {"SL one more than there is", with_user_data(20, 21), bad_tag, bad},
        {"SL 0 on short data", with_user_data(47, 0), bad_tag, bad},
        {"SL 0 on the shortest data that has it",
         with_user_data(48),
         ok,
         {.ok = 1, .octets = 48, .sa_ok = 1}},
        {"SL 47", with_user_data(47), ok, {.ok = 1, .octets = 47, .sa_ok = 1}},
        {"SL 1", with_user_data(1), ok, {.ok = 1, .octets = 1, .sa_ok = 1}},
        {"SL and padding", with_user_data(10, -1, 6), ok, {.ok = 1, .octets = 10, .sa_ok = 1}},
        {"SL less than the data: the ICV is elsewhere",
         with_user_data(20, 19),
         not_valid,
         {.not_valid = 1, .octets = 19, .sa_not_valid = 1}},
        {"padding without SL is taken for the ICV",
         with_user_data(64, -1, 4),
         not_valid,
         {.not_valid = 1, .octets = 68, .sa_not_valid = 1}},
        {"no Secure Data at all", with_user_data(0, 0), bad_tag, bad},
    };
}

std::vector<Row> sc_rows() {
    const Counts ok64{.ok = 1, .octets = 64, .sa_ok = 1};
    const Counts unknown{.no_sci = 1};
    const Counts refused64{.not_valid = 1, .octets = 64, .sa_not_valid = 1};
    const Counts refused{.not_valid = 1, .sa_not_valid = 1};
    return {
        {"explicit SCI of no SC", with_tci(0x2c, kOtherSci), no_sci, unknown},
        {"no SC at all", {}, no_sci, {.no_sci = 1}, {}},
        {"ES stands for port 1", with_tci(0x4c), ok, ok64},
        {"SCB stands for port 0", with_tci(0x1c, kSingleCopySci), ok, ok64, {kSingleCopySci}},
        {"ES with SCB too", with_tci(0x5c, kSingleCopySci), ok, ok64, {kSingleCopySci}},
        {"SCB while only port 1 is known", with_tci(0x1c, kSingleCopySci), no_sci, unknown},
        {"no SCI and one SC", with_tci(kConfidential), ok, ok64},
        {"no SCI, one SC that is not the source address",
         with_tci(kConfidential, kOtherSci),
         ok,
         ok64,
         {kOtherSci}},
        {"no SCI and two SCs", with_tci(kConfidential), no_sci, unknown, {kPeerSci, kOtherSci}},
        {"the second of two SCs is searched too",
         with_tci(0x2c, kOtherSci),
         not_valid,
         {},
         {kPeerSci, kOtherSci}},
        {"AN not in use",
         recipe([](FrameRecipe& r) { r.an = 1; }),
         not_using_sa,
         {.not_using_sa = 1}},
        {"E without C", with_tci(0x28), not_controlled, {}},
        {"E without C of an unknown SC", with_tci(0x28, kOtherSci), not_controlled, {}},
        {"integrity only", with_tci(0x20), not_valid, refused},
        {"C without E", with_tci(0x24), not_valid, refused},
        {"another SAK", recipe([](FrameRecipe& r) { r.sak = test_sak({}, 99); }), not_valid,
         refused64},
        {"IV of another SCI", with_tci(kConfidential, kOtherSci), not_valid, refused64},
        {"bad tag comes before unknown SC", with_tci(0xac, kOtherSci), bad_tag, {.bad_tag = 1}},
        {"unknown SC comes before unused AN", recipe([](FrameRecipe& r) {
             r.sci = kOtherSci;
             r.an = 3;
         }),
         no_sci, unknown},
    };
}

void run(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        RxSide rx;
        for (Sci sci : row.scs) {
            rx.add_sc(sci);
            // A second SC has a SAK of its own, so that a frame that reaches it does not validate.
            rx.add_sa(0, sci == row.scs.front() ? test_sak() : test_sak({}, 50));
        }
        const Validated result = rx.validate(build_frame(row.frame));
        EXPECT_EQ(result.verdict, row.verdict);
        EXPECT_EQ(rx.counts(), row.counts);
        if (result.verdict == ok) {
            EXPECT_EQ(to_hex(result.frame), to_hex(row.frame.plain));
        } else if (row.scs.size() == 1) {
            EXPECT_EQ(rx.sa().next_pn.get(), 1u) << "a refused frame moved nextPN";
            EXPECT_EQ(rx.sa().lowest_pn.get(), 1u);
        }
    }
}

TEST(Validate, TagRules) {
    run(tag_rows());
}
TEST(Validate, ScAndSaRules) {
    run(sc_rows());
}

TEST(Validate, ReplayRules) {
    const FrameRecipe old = recipe([](FrameRecipe& r) { r.pn = 99; });
    FrameRecipe forged_old = old;
    forged_old.sak = test_sak({}, 99);
    FrameRecipe integrity_old = old;
    integrity_old.tci = kTciExplicitSci;

    for (const FrameRecipe& frame : {old, forged_old, integrity_old}) {
        auto rx = peer_rx_side(100);
        EXPECT_EQ(rx->validate(build_frame(frame)).verdict, late) << "late before validity";
        EXPECT_EQ(rx->counts(), Counts{.late = 1});
    }
    auto rx = peer_rx_side(100);
    rx->binding.replay_protect = false;
    EXPECT_EQ(rx->validate(build_frame(old)).verdict, ok);
    EXPECT_EQ(rx->counts(), (Counts{.delayed = 1, .octets = 64}));
    EXPECT_EQ(rx->validate(build_frame(forged_old)).verdict, not_valid);
    EXPECT_EQ(rx->sa().next_pn.get(), 100u);
    EXPECT_EQ(rx->sa().lowest_pn.get(), 100u);
}

TEST(Validate, UntaggedAndTruncatedFramesHaveNoTag) {
    const Octets whole = plain_frame(64);
    for (std::size_t length = 0; length <= whole.size(); ++length) {
        auto rx = peer_rx_side();
        const Octets frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_EQ(rx->validate(frame).verdict, no_tag) << length;
        EXPECT_EQ(rx->counts(), Counts{.no_tag = 1});
    }
}

// SAs of two SCs and two suites, refused frames of every kind between them, in one call and in
// order.
TEST(Validate, MixedBatch) {
    RxSide rx;
    rx.add_sc(kPeerSci);
    rx.add_sa(0, test_sak());
    rx.add_sa(1, test_sak(CipherSuite::gcm_aes_256, 5), 1, CipherSuite::gcm_aes_256);
    rx.add_sc(kOtherSci);
    rx.add_sa(3, test_sak({}, 6));

    std::vector<Octets> frames;
    std::vector<Octets> plains;
    std::vector<ValidateVerdict> verdicts;
    const auto add = [&](ValidateVerdict verdict, const FrameRecipe& frame) {
        frames.push_back(build_frame(frame));
        plains.push_back(frame.plain);
        verdicts.push_back(verdict);
    };
    for (uint32_t pn = 1; pn <= 6; ++pn) {
        FrameRecipe frame;
        frame.pn = pn;
        frame.plain = plain_frame(30 + 100 * pn, pn);
        add(ok, frame);
        FrameRecipe forged = frame;
        forged.pn = pn + 1000;
        forged.sak = test_sak({}, 77);
        add(not_valid, forged);
        frame.an = 1;
        frame.sak = test_sak(CipherSuite::gcm_aes_256, 5);
        add(ok, frame);
        frame.tci = kTciExplicitSci;
        frame.pn = pn + 1;
        add(not_valid, frame);
        FrameRecipe other;
        other.sci = kOtherSci;
        other.an = 3;
        other.sak = test_sak({}, 6);
        other.pn = pn;
        add(ok, other);
        add(late, other);
        other.an = 2;
        add(not_using_sa, other);
        other.tci = 0xac;
        add(bad_tag, other);
    }
    const auto results = rx.validate_batch(frames);
    for (std::size_t i = 0; i < results.size(); ++i) {
        ASSERT_EQ(results[i].verdict, verdicts[i]) << i;
        if (verdicts[i] == ok) {
            EXPECT_EQ(to_hex(results[i].frame), to_hex(plains[i])) << i;
        }
    }
    EXPECT_EQ(rx.sc(0).counters.in_pkts_ok.get(), 12u);
    EXPECT_EQ(rx.sc(1).counters.in_pkts_ok.get(), 6u);
    EXPECT_EQ(rx.sc(1).counters.in_pkts_late.get(), 6u);
    EXPECT_EQ(rx.sa(0).in_pkts_not_valid.get(), 6u);
    EXPECT_EQ(rx.sa(1).in_pkts_not_valid.get(), 6u);
    for (std::size_t sa = 0; sa < 3; ++sa) {
        EXPECT_EQ(rx.sa(sa).in_pkts_ok.get(), 6u);
        EXPECT_EQ(rx.sa(sa).next_pn.get(), 7u);
    }
}

} // namespace
} // namespace isthmus::macsec::test
