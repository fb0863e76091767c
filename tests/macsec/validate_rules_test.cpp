// Every rule of 10.6 as a row: a frame, and under each mode of validateFrames the verdict and all
// counters of the SecY, the SC and the SA afterwards.
#include "support.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace isthmus::macsec::test {
namespace {

using enum ValidateVerdict;

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
FrameRecipe forged(FrameRecipe frame) {
    frame.sak = test_sak(CipherSuite::gcm_aes_128, 99);
    return frame;
}
FrameRecipe with_an(FrameRecipe frame, uint8_t an) {
    frame.an = an;
    return frame;
}
FrameRecipe with_pn(FrameRecipe frame, uint64_t pn) {
    frame.pn = pn;
    return frame;
}
const FrameRecipe kIntegrityOnly = with_tci(kTciExplicitSci);

struct Expect {
    ValidateVerdict verdict;
    Counts counts;
};
struct RuleRow {
    const char* rule;
    FrameRecipe frame;
    Expect strict, check, disabled;
    std::vector<Sci> scs{kPeerSci};
    uint64_t lowest_pn = 1;
    bool replay_protect = true;
    bool sa_in_use = true;
};

RuleRow always(const char* rule, const FrameRecipe& frame, ValidateVerdict verdict,
               const Counts& counts, std::vector<Sci> scs = {kPeerSci}) {
    return {rule, frame, {verdict, counts}, {verdict, counts}, {verdict, counts}, std::move(scs)};
}
// A frame that validates: encrypted, so that without validation there is nothing to deliver.
RuleRow valid(const char* rule, const FrameRecipe& frame, std::vector<Sci> scs = {kPeerSci}) {
    const Expect accepted{ok, {.ok = 1, .decrypted = frame.plain.size() - 12, .sa_ok = 1}};
    return {
        rule,          frame, accepted, accepted, {not_valid, {.not_valid = 1, .sa_not_valid = 1}},
        std::move(scs)};
}
// An encrypted frame that does not validate; its Secure Data has so many octets.
RuleRow refused(const char* rule, const FrameRecipe& frame, uint64_t octets,
                std::vector<Sci> scs = {kPeerSci}) {
    const Expect seen{not_valid, {.not_valid = 1, .decrypted = octets, .sa_not_valid = 1}};
    return {rule,          frame, seen, seen, {not_valid, {.not_valid = 1, .sa_not_valid = 1}},
            std::move(scs)};
}

void run_row(const RuleRow& row, ValidateFrames mode, const Expect& expect) {
    RxSide rx;
    rx.binding.validate_frames = mode;
    rx.binding.replay_protect = row.replay_protect;
    for (Sci sci : row.scs) {
        rx.add_sc(sci);
        // A second SC has a SAK of its own, so that a frame that reaches it does not validate.
        const uint32_t seed = sci == row.scs.front() ? 1 : 50;
        rx.add_sa(0, test_sak(CipherSuite::gcm_aes_128, seed), row.lowest_pn);
        rx.set_in_use(sci, 0, row.sa_in_use);
    }
    const Octets frame = build_frame(row.frame);
    const Validated result = rx.receive(frame);
    EXPECT_EQ(result.verdict, expect.verdict);
    EXPECT_EQ(rx.counts(), expect.counts);
    if (result.verdict == ok) {
        EXPECT_EQ(to_hex(result.frame),
                  to_hex(mode == ValidateFrames::null ? frame : row.frame.delivered()));
    }
    // Only what is validated moves the state (10.6.5).
    if (!row.scs.empty()) {
        const bool moves = expect.counts.ok != 0 && row.frame.pn >= row.lowest_pn;
        const uint64_t next = moves ? row.frame.pn + 1 : row.lowest_pn;
        EXPECT_EQ(pn_state(rx.sa()), (PnState{next, next}));
    }
}

void run(const std::vector<RuleRow>& rows) {
    for (const RuleRow& row : rows) {
        SCOPED_TRACE(row.rule);
        {
            SCOPED_TRACE("strict");
            run_row(row, ValidateFrames::strict, row.strict);
        }
        {
            SCOPED_TRACE("check");
            run_row(row, ValidateFrames::check, row.check);
        }
        {
            SCOPED_TRACE("disabled");
            run_row(row, ValidateFrames::disabled, row.disabled);
        }
        SCOPED_TRACE("null"); // whatever it is
        run_row(row, ValidateFrames::null, {ok, {}});
    }
}

TEST(Validate, TagRules) {
    const Counts bad{.bad_tag = 1};
    run({
        valid("a valid frame", {}),
        always("V set", with_tci(0xac), bad_tag, bad),
        always("ES with SC", with_tci(0x6c), bad_tag, bad),
        always("SCB with SC", with_tci(0x3c), bad_tag, bad),
        always("ES and SCB with SC", with_tci(0x7c), bad_tag, bad),
        always("V set, integrity only", with_tci(0xa0), bad_tag, bad),
        always("ES with SC, integrity only", with_tci(0x60), bad_tag, bad),
        always("V set, E without C", with_tci(0xa8), bad_tag, bad),
        always("PN 0", with_pn({}, 0), bad_tag, bad),
        always("PN 0, integrity only", with_pn(kIntegrityOnly, 0), bad_tag, bad),
        always("SL bit 7 set", with_user_data(64, 0x40), bad_tag, bad),
        always("SL bit 8 set", with_user_data(64, 0x80), bad_tag, bad),
        always("SL 20 and bit 7", with_user_data(20, 0x40 | 20), bad_tag, bad),
        always("SL 48 though the lengths agree", with_user_data(48, 48), bad_tag, bad),
        always("SL 63", with_user_data(63, 63), bad_tag, bad),
        always("SL one more than there is", with_user_data(20, 21), bad_tag, bad),
        always("SL 0 on short data", with_user_data(47, 0), bad_tag, bad),
        always("no Secure Data at all", with_user_data(0, 0), bad_tag, bad),
        valid("SL 0 on the shortest data that has it", with_user_data(48)),
        valid("SL 47", with_user_data(47)),
        valid("SL 1", with_user_data(1)),
        valid("SL and padding", with_user_data(10, -1, 6)),
        valid("SL and more padding than Ethernet needs", with_user_data(47, -1, 200)),
        refused("SL less than the data: the ICV is elsewhere", with_user_data(20, 19), 19),
        refused("padding without SL is taken for the ICV", with_user_data(64, -1, 4), 68),
    });
}

TEST(Validate, ScRules) {
    const Counts unknown{.no_sci = 1};
    const Expect dropped{no_sci, unknown};
    const Expect delivered{ok, {.unknown_sci = 1}};
    const FrameRecipe stranger = with_tci(kTciExplicitSci, kOtherSci);
    const FrameRecipe point_to_point = with_tci(0);
    run({
        always("SCI of no SC, encrypted", with_tci(kExplicitConfidential, kOtherSci), no_sci,
               unknown),
        {"SCI of no SC, integrity only", stranger, dropped, delivered, delivered},
        {"forged, of no SC", forged(stranger), dropped, delivered, delivered},
        always("SCI of no SC, C without E", with_tci(0x24, kOtherSci), no_sci, unknown),
        always("no SC at all", {}, no_sci, unknown, {}),
        {"no SC at all, integrity only", kIntegrityOnly, dropped, delivered, delivered, {}},
        valid("ES stands for port 1", with_tci(0x4c)),
        valid("SCB stands for port 0", with_tci(0x1c, kSingleCopySci), {kSingleCopySci}),
        valid("ES with SCB too", with_tci(0x5c, kSingleCopySci), {kSingleCopySci}),
        always("SCB while only port 1 is known", with_tci(0x1c, kSingleCopySci), no_sci, unknown),
        always("ES while only port 0 is known", with_tci(0x4c), no_sci, unknown, {kSingleCopySci}),
        valid("no SCI and one SC", with_tci(kConfidential)),
        valid("no SCI, one SC that is not the source address", with_tci(kConfidential, kOtherSci),
              {kOtherSci}),
        always("no SCI and two SCs", with_tci(kConfidential), no_sci, unknown,
               {kPeerSci, kOtherSci}),
        {"no SCI, two SCs, integrity only",
         point_to_point,
         dropped,
         delivered,
         delivered,
         {kPeerSci, kOtherSci}},
        always("no SCI and no SC", with_tci(kConfidential), no_sci, unknown, {}),
        refused("IV of another SCI", with_tci(kConfidential, kOtherSci), 64),
        always("bad tag comes before unknown SC", with_tci(0xac, kOtherSci), bad_tag,
               {.bad_tag = 1}),
        always("E without C comes before unknown SC", with_tci(0x28, kOtherSci), not_controlled,
               {}),
        always("unknown SC comes before unused AN",
               with_an(with_tci(kExplicitConfidential, kOtherSci), 3), no_sci, unknown),
    });
}

// The second of two SCs is found, and counts for itself.
TEST(Validate, EverySc) {
    RxSide rx;
    rx.add_sc(kPeerSci);
    rx.add_sa(0, test_sak());
    rx.add_sc(kOtherSci);
    rx.add_sa(0, test_sak(CipherSuite::gcm_aes_128, 50));
    FrameRecipe frame = with_tci(kExplicitConfidential, kOtherSci);
    EXPECT_EQ(rx.receive(build_frame(frame)).verdict, not_valid);
    frame.sak = test_sak(CipherSuite::gcm_aes_128, 50);
    EXPECT_EQ(rx.receive(build_frame(frame)).verdict, ok);
    EXPECT_EQ(rx.counts(0, 0), Counts{});
    EXPECT_EQ(rx.counts(1, 1),
              (Counts{.ok = 1, .not_valid = 1, .decrypted = 128, .sa_ok = 1, .sa_not_valid = 1}));
}

TEST(Validate, SaRules) {
    const Expect missing{not_using_sa, {.not_using_sa = 1}};
    const Expect missing_delivered{ok, {.unused_sa = 1}};
    const Expect unused{not_using_sa, {.not_using_sa = 1, .sa_not_using_sa = 1}};
    const Expect unused_delivered{ok, {.unused_sa = 1, .sa_unused_sa = 1}};
    RuleRow encrypted{"SA not in use, encrypted", {}, unused, unused, unused};
    RuleRow clear{"SA not in use, integrity only", kIntegrityOnly, unused, unused_delivered,
                  unused_delivered};
    RuleRow old{"SA not in use comes before late", kIntegrityOnly, unused, unused_delivered,
                unused_delivered};
    RuleRow changed{"SA not in use, C without E", with_tci(0x24), unused, unused, unused};
    old.lowest_pn = 100;
    for (RuleRow* row : {&encrypted, &clear, &old, &changed})
        row->sa_in_use = false;
    run({
        {"no SA, encrypted", with_an({}, 1), missing, missing, missing},
        {"no SA, integrity only", with_an(kIntegrityOnly, 3), missing, missing_delivered,
         missing_delivered},
        encrypted,
        clear,
        old,
        changed,
    });
}

TEST(Validate, ValidityRules) {
    const Expect int_ok{ok, {.ok = 1, .validated = 64, .sa_ok = 1}};
    const Expect int_refused{not_valid, {.not_valid = 1, .validated = 64, .sa_not_valid = 1}};
    const Expect int_invalid{ok, {.invalid = 1, .validated = 64, .sa_invalid = 1}};
    const Expect unchecked{ok, {.unchecked = 1}};
    const Expect disabled_refused{not_valid, {.not_valid = 1, .sa_not_valid = 1}};
    FrameRecipe short_and_padded = with_user_data(10, -1, 22);
    short_and_padded.tci = kTciExplicitSci;
    const Expect short_ok{ok, {.ok = 1, .validated = 10, .sa_ok = 1}};
    run({
        {"integrity only", kIntegrityOnly, int_ok, int_ok, unchecked},
        {"integrity only, short and padded", short_and_padded, short_ok, short_ok, unchecked},
        refused("forged", forged({}), 64),
        {"forged, integrity only", forged(kIntegrityOnly), int_refused, int_invalid, unchecked},
        {"C without E: no suite of ours makes it", with_tci(0x24), int_refused, int_refused,
         disabled_refused},
        always("E without C", with_tci(0x28), not_controlled, {}),
    });
}

TEST(Validate, ReplayRules) {
    const auto row = [](const char* rule, const FrameRecipe& frame, bool replay_protect,
                        Expect strict, Expect check, Expect disabled) {
        return RuleRow{rule,
                       with_pn(frame, 99),
                       std::move(strict),
                       std::move(check),
                       std::move(disabled),
                       {kPeerSci},
                       100,
                       replay_protect};
    };
    const Expect is_late{late, {.late = 1}};
    const Expect delayed_conf{ok, {.delayed = 1, .decrypted = 64}};
    const Expect delayed_int{ok, {.delayed = 1, .validated = 64}};
    const Expect refused_conf{not_valid, {.not_valid = 1, .decrypted = 64, .sa_not_valid = 1}};
    const Expect refused_int{not_valid, {.not_valid = 1, .validated = 64, .sa_not_valid = 1}};
    const Expect invalid{ok, {.invalid = 1, .validated = 64, .sa_invalid = 1}};
    const Expect unread{not_valid, {.not_valid = 1, .sa_not_valid = 1}};
    const Expect delayed{ok, {.delayed = 1}};
    run({
        row("late", {}, true, is_late, is_late, is_late),
        row("late, integrity only", kIntegrityOnly, true, is_late, is_late, is_late),
        row("late comes before validity", forged({}), true, is_late, is_late, is_late),
        row("late comes before C without E", with_tci(0x24), true, is_late, is_late, is_late),
        row("replay allowed", {}, false, delayed_conf, delayed_conf, unread),
        row("replay allowed, integrity only", kIntegrityOnly, false, delayed_int, delayed_int,
            delayed),
        row("replay allowed, forged", forged({}), false, refused_conf, refused_conf, unread),
        row("invalid wins over delayed", forged(kIntegrityOnly), false, refused_int, invalid,
            delayed),
    });
}

TEST(Validate, UntaggedAndTruncatedFrames) {
    const Octets whole = plain_frame(64);
    for (std::size_t length = 0; length <= whole.size(); ++length) {
        const Octets frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        for (auto mode : {ValidateFrames::strict, ValidateFrames::check, ValidateFrames::disabled,
                          ValidateFrames::null}) {
            auto rx = peer_rx_side();
            rx->binding.validate_frames = mode;
            const Validated result = rx->receive(frame);
            const bool strict = mode == ValidateFrames::strict;
            EXPECT_EQ(result.verdict, strict ? no_tag : ok) << length;
            EXPECT_EQ(result.frame, strict ? Octets{} : frame);
            EXPECT_EQ(rx->counts(), mode == ValidateFrames::null ? Counts{}
                                    : strict                     ? Counts{.no_tag = 1}
                                                                 : Counts{.untagged = 1});
        }
    }
}

} // namespace
} // namespace isthmus::macsec::test
