// The SecY of a channel, without workers: which SAs are accepted, what workers are told, and how
// packet numbers are reserved.

#include "control/channel_secy.hpp"
#include "tests/model/scratch.hpp"
#include "tests/must.hpp"
#include "tests/packets.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

using macsec::CipherSuite;
using test::must;

const MacAddr kOwnMac{{2, 0, 0, 0, 0, 1}};
const macsec::Sci kPeerSci{0x0200000000020001}, kOtherPeerSci{0x0200000000030001};
using Sak = std::vector<uint8_t>;

macsec::XpnParameters xpn(uint32_t ssci, uint8_t salt = 0x5a) {
    macsec::XpnParameters parameters;
    parameters.salt.fill(salt);
    parameters.ssci = ssci;
    return parameters;
}

class Secy : public testing::Test {
  protected:
    ChannelSecy make(const ChannelConfig& config, uint16_t workers = 1) {
        return {config, kOwnMac, workers, *aead_, *store_};
    }
    static ChannelConfig config(CipherSuite suite) {
        ChannelConfig channel;
        channel.cipher_suite = suite;
        return channel;
    }
    static ChannelInfo describe(const ChannelSecy& secy) {
        ChannelInfo info;
        secy.describe(info);
        return info;
    }
    dataplane::ChannelState bound(const ChannelSecy& secy) {
        dataplane::ChannelState state;
        secy.bind(state, keep_alive_);
        return state;
    }
    static void expect_conflict(const Result<void>& result, const std::string& field) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::conflict) << result.error().message;
        EXPECT_EQ(result.error().field, field) << result.error().message;
    }

    std::unique_ptr<macsec::Aead> aead_ = must(macsec::make_aead("auto"));
    std::unique_ptr<PnStore> store_ = must(PnStore::open("none"));
    std::vector<std::shared_ptr<const void>> keep_alive_;
    const Sak sak_ = Sak(32, 1), other_sak_ = Sak(32, 2), short_sak_ = Sak(16, 3);
};

TEST_F(Secy, OneTransmitScForEachWorkerOrOneForAll) {
    ChannelConfig channel = config(CipherSuite::gcm_aes_xpn_256);
    ChannelSecy secy = make(channel, 3);
    must(secy.add_tx_sa({0, sak_, {}, xpn(7)}));
    auto info = describe(secy);
    ASSERT_EQ(info.tx_scs.size(), 3u);
    EXPECT_EQ(info.tx_scs[2].sci, macsec::Sci::from(kOwnMac, 3));
    auto state = bound(secy);
    EXPECT_NE(state.tx[0].sa->pn, state.tx[1].sa->pn);
    EXPECT_NE(state.tx[0].sa->iv.octets, state.tx[1].sa->iv.octets) << "own SSCIs";
    EXPECT_EQ(info.tx_sas.at(0).ssci, 7u);

    channel.tx_sc = TxScMode::shared;
    channel.sci = macsec::Sci{0x0a0b0c0d0e0f0010};
    ChannelSecy shared = make(channel, 3);
    must(shared.add_tx_sa({0, other_sak_, {}, xpn(7)}));
    info = describe(shared);
    ASSERT_EQ(info.tx_scs.size(), 1u);
    EXPECT_EQ(info.tx_scs[0].sci, *channel.sci);
    state = bound(shared);
    EXPECT_EQ(state.tx[0].sa->pn, state.tx[2].sa->pn);
    EXPECT_NE(state.tx[0].sa, state.tx[2].sa) << "counters and key context of its own";
    EXPECT_EQ(state.tx[0].sa->iv.octets, state.tx[2].sa->iv.octets);
    EXPECT_EQ(state.tx[2].sc->sci, *channel.sci);
}

TEST_F(Secy, TagFormatFollowsTheConfiguration) {
    ChannelConfig channel = config(CipherSuite::gcm_aes_256);
    const auto tci = [&](IncludeSci form, uint16_t workers = 1, int peers = 1) {
        channel.include_sci = form;
        ChannelSecy secy = make(channel, workers);
        for (int n = 0; n < peers; ++n)
            must(secy.add_rx_sc({kPeerSci.value + static_cast<unsigned>(n)}));
        return bound(secy).tx[0].format.tci;
    };
    EXPECT_EQ(tci(IncludeSci::always), 0x2c);
    EXPECT_EQ(tci(IncludeSci::end_station), 0x4c);
    EXPECT_EQ(tci(IncludeSci::scb), 0x1c);
    EXPECT_EQ(tci(IncludeSci::when_needed), 0x0c);
    EXPECT_EQ(tci(IncludeSci::when_needed, 1, 2), 0x2c);
    EXPECT_EQ(tci(IncludeSci::when_needed, 2), 0x2c) << "several transmit SCs";
    channel.encrypt = false;
    EXPECT_EQ(tci(IncludeSci::always), 0x20);
    channel.include_sci = IncludeSci::scb;
    EXPECT_EQ(describe(make(channel)).tx_scs[0].sci, macsec::Sci::from(kOwnMac, 0));

    channel.encrypt = true;
    channel.confidentiality_offset = 30;
    channel.vlan_in_clear = true;
    channel.ether_type = 0x9100;
    channel.validate_frames = macsec::ValidateFrames::check;
    channel.replay_protect = false;
    channel.replay_window = 9;
    channel.clear_ether_types = {0x888e, 0x88cc};
    channel.clear_destinations = {MacAddr{{1, 0x80, 0xc2, 0, 0, 3}}};
    const auto state = bound(make(channel));
    EXPECT_EQ(state.tx[0].format.confidentiality_offset, 30);
    EXPECT_TRUE(state.tx[0].format.vlan_in_clear && state.rx.vlan_in_clear);
    EXPECT_EQ(state.tx[0].format.ether_type.host(), 0x9100);
    EXPECT_EQ(state.rx.ether_type.host(), 0x9100);
    EXPECT_EQ(state.rx.confidentiality_offset, 30);
    EXPECT_EQ(state.rx.validate_frames, macsec::ValidateFrames::check);
    EXPECT_FALSE(state.rx.replay_protect || state.rx.xpn);
    EXPECT_EQ(state.rx.replay_window, 9u);
    EXPECT_EQ(state.clear.ether_types.size(), 2u);
    EXPECT_EQ(state.clear.destinations, channel.clear_destinations);
}

TEST_F(Secy, ReceiveSasCanBeSetAside) {
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_128));
    must(secy.add_rx_sc(kPeerSci));
    must(secy.add_rx_sa(kPeerSci, {2, short_sak_, 1, {}, false}));
    EXPECT_NE(bound(secy).rx_scs[0].sa[2], nullptr);
    EXPECT_FALSE(bound(secy).rx_scs[0].sa_in_use[2]);
    must(secy.set_rx_sa_in_use(kPeerSci, 2, true));
    EXPECT_TRUE(bound(secy).rx_scs[0].sa_in_use[2]);
    must(secy.set_rx_sa_in_use(kPeerSci, 2, false));
    EXPECT_FALSE(describe(secy).rx_scs[0].sas[0].in_use);
    EXPECT_FALSE(secy.set_rx_sa_in_use(kPeerSci, 1, true));
    EXPECT_FALSE(secy.set_rx_sa_in_use(kOtherPeerSci, 2, true));
    EXPECT_FALSE(secy.set_rx_sa_in_use(kPeerSci, 4, true));
}

TEST_F(Secy, XpnNeedsSaltAndSsciAndOthersHaveNone) {
    ChannelSecy xpn_secy = make(config(CipherSuite::gcm_aes_xpn_256), 2);
    EXPECT_EQ(xpn_secy.add_tx_sa({0, sak_, {}, {}}).error().field, "salt");
    EXPECT_EQ(xpn_secy.add_tx_sa({0, sak_, {}, xpn(0)}).error().field, "ssci");
    const auto over = xpn_secy.add_tx_sa({0, sak_, {}, xpn(0xffffffff)});
    EXPECT_EQ(over.error().message,
              "ssci: 4294967295 is not allowed, expected 1..4294967294"); // two workers
    must(xpn_secy.add_tx_sa({0, sak_, {}, xpn(0xfffffffe)}));
    ChannelSecy plain = make(config(CipherSuite::gcm_aes_256));
    EXPECT_EQ(plain.add_tx_sa({0, other_sak_, {}, xpn(1)}).error().field, "salt");
    must(plain.add_rx_sc(kPeerSci));
    EXPECT_EQ(plain.add_rx_sa(kPeerSci, {0, other_sak_, 1, xpn(1), true}).error().field, "salt");
}

TEST_F(Secy, NoTwoScsShareNonces) {
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_xpn_256), 2);
    must(secy.add_rx_sc(kPeerSci));
    must(secy.add_rx_sc(kOtherPeerSci));
    must(secy.add_tx_sa({0, sak_, {}, xpn(10)}));
    for (const uint32_t ssci : {10u, 11u})
        expect_conflict(secy.add_rx_sa(kPeerSci, {0, sak_, 1, xpn(ssci), true}), "ssci");
    // With another salt the same SSCI is still one of two members of the CA.
    expect_conflict(secy.add_rx_sa(kPeerSci, {0, sak_, 1, xpn(10, 0x11), true}), "ssci");
    must(secy.add_rx_sa(kPeerSci, {0, sak_, 1, xpn(12), true}));
    expect_conflict(secy.add_rx_sa(kOtherPeerSci, {0, sak_, 1, xpn(12), true}), "ssci");
    must(secy.add_rx_sa(kOtherPeerSci, {0, sak_, 1, xpn(13), true}));
    must(secy.add_rx_sa(kPeerSci, {1, other_sak_, 1, xpn(10), true}));
    expect_conflict(secy.add_tx_sa({1, other_sak_, {}, xpn(9)}), "ssci"); // 9 and 10
    EXPECT_EQ(*store_->first_unused(NonceSpace::of("x", kPeerSci, xpn(9))), 1u);
    must(secy.add_tx_sa({1, other_sak_, {}, xpn(11)}));
    expect_conflict(secy.add_tx_sa({2, sak_, {}, xpn(10)}), "sak");
    expect_conflict(secy.add_tx_sa({2, sak_, {}, xpn(9)}), "sak");
    // Another channel of this process is another SC, but not another nonce.
    ChannelSecy other = make(config(CipherSuite::gcm_aes_xpn_256));
    expect_conflict(other.add_tx_sa({0, sak_, {}, xpn(11)}), "sak");
    must(other.add_tx_sa({0, sak_, {}, xpn(20)}));
}

TEST_F(Secy, ARefusalReservesNothing) {
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_256));
    const Sak wrong(31, 9);
    EXPECT_EQ(secy.add_tx_sa({0, wrong, {}, {}}).error().field, "sak");
    EXPECT_EQ(secy.add_tx_sa({0, sak_, 0, {}}).error().field, "next_pn");
    EXPECT_EQ(secy.add_tx_sa({0, sak_, 0x100000000, {}}).error().field, "next_pn");
    EXPECT_EQ(secy.add_tx_sa({4, sak_, {}, {}}).error().field, "an");
    must(secy.add_tx_sa({0, sak_, {}, {}}));
    EXPECT_EQ(describe(secy).tx_sas[0].next_pn, 1u);
}

TEST_F(Secy, ASakComesBackAboveWhatItHasUsed) {
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_256));
    must(secy.add_tx_sa({0, sak_, 100, {}}));
    (void)bound(secy).tx[0].sa->pn->take(5);
    must(secy.remove_tx_sa(0));
    expect_conflict(secy.add_tx_sa({1, sak_, {}, {}}), "sak"); // a worker may still use it
    must(secy.forget_removed());
    const auto lower = secy.add_tx_sa({1, sak_, 104, {}});
    expect_conflict(lower, "next_pn");
    EXPECT_EQ(lower.error().value, "104");
    EXPECT_EQ(lower.error().limit, "at least 105");
    must(secy.add_tx_sa({1, sak_, {}, {}}));
    EXPECT_EQ(describe(secy).tx_sas[0].next_pn, 105u);
    must(secy.remove_tx_sa(1));
    must(secy.forget_removed());
    must(secy.add_tx_sa({1, sak_, 0xffffffff, {}}));
    EXPECT_EQ(bound(secy).tx[0].sa->pn->take(5).count, 1u);
    must(secy.remove_tx_sa(1));
    must(secy.forget_removed());
    expect_conflict(secy.add_tx_sa({1, sak_, {}, {}}), "sak"); // used up
}

TEST_F(Secy, ReservationsGoAheadOfUse) {
    for (const CipherSuite suite : {CipherSuite::gcm_aes_256, CipherSuite::gcm_aes_xpn_256}) {
        store_ = must(PnStore::open("none"));
        ChannelSecy secy = make(config(suite));
        const auto parameters =
            is_xpn(suite) ? std::optional(xpn(1)) : std::optional<macsec::XpnParameters>{};
        must(secy.add_tx_sa({0, sak_, {}, parameters}));
        macsec::PacketNumbers& numbers = *bound(secy).tx[0].sa->pn;
        const uint64_t chunk = store_->chunk();
        EXPECT_EQ(numbers.limit(), chunk);
        must(secy.extend_reservations());
        EXPECT_EQ(numbers.limit(), chunk) << "more than half is left";
        const auto use = [&](uint64_t count) {
            for (; count > 0x7fffffff; count -= 0x7fffffff)
                (void)numbers.take(0x7fffffff);
            (void)numbers.take(static_cast<uint32_t>(count));
        };
        use(chunk / 2 + 1);
        must(secy.extend_reservations());
        EXPECT_EQ(numbers.limit(), numbers.next() + store_->chunk(chunk / 2 + 1) - 1);
        use(numbers.limit());
        EXPECT_EQ(secy.send_problem(),
                  "transmit SA has used all packet numbers that could be reserved");
        EXPECT_TRUE(describe(secy).tx_sas[0].exhausted);
        EXPECT_TRUE(secy.take_events().empty()) << "it is not at its end";
        must(secy.extend_reservations());
        EXPECT_TRUE(secy.can_send());
    }
}

TEST_F(Secy, ReservationsFollowThePace) {
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_256));
    must(secy.add_tx_sa({0, sak_, {}, {}}));
    macsec::PacketNumbers& numbers = *bound(secy).tx[0].sa->pn;
    const auto reserved_at = [&](uint32_t pace) {
        for (const uint64_t before = numbers.limit(); numbers.limit() == before;) {
            EXPECT_EQ(numbers.take(pace).count, pace);
            must(secy.extend_reservations());
        }
        return numbers.limit() - numbers.next() + 1;
    };
    constexpr uint64_t kLeast = 1 << 24, kMost = 1 << 27;
    EXPECT_EQ(reserved_at(50'000), kLeast);
    EXPECT_EQ(reserved_at(400'000), 160u * 400'000) << "16 s of it";
    EXPECT_EQ(reserved_at(2'000'000), kMost);
    for (int n = 0; n < 100; ++n)
        must(secy.extend_reservations());
    EXPECT_EQ(reserved_at(50'000), kLeast);
}

// Each of them loses what was reserved; no number comes twice.
TEST_F(Secy, AnIdleSaOutlives255Crashes) {
    const test::Scratch scratch;
    uint64_t used = 0;
    for (int crashes = 0; crashes < 256; ++crashes) {
        store_.reset(); // lets go of the file
        store_ = must(PnStore::open(scratch.path("state.db")));
        ChannelSecy secy = make(config(CipherSuite::gcm_aes_256));
        must(secy.add_tx_sa({0, sak_, {}, {}}));
        macsec::PacketNumbers& numbers = *bound(secy).tx[0].sa->pn;
        ASSERT_GT(numbers.next(), used) << crashes;
        used = numbers.limit();
        must(secy.extend_reservations());
        ASSERT_EQ(numbers.limit(), used);
    }
    store_.reset();
    store_ = must(PnStore::open(scratch.path("state.db")));
    expect_conflict(make(config(CipherSuite::gcm_aes_256)).add_tx_sa({0, sak_, {}, {}}), "sak");
}

TEST_F(Secy, TellsOnceThatAnSaEnds) {
    ChannelConfig channel = config(CipherSuite::gcm_aes_256);
    channel.pn_threshold = 0xfffffff0;
    ChannelSecy secy = make(channel);
    must(secy.add_tx_sa({0, sak_, 0xffffffe0, {}}));
    macsec::PacketNumbers& numbers = *bound(secy).tx[0].sa->pn;
    EXPECT_EQ(numbers.limit(), 0xffffffffu) << "never more than the suite has";
    EXPECT_TRUE(secy.take_events().empty());
    (void)numbers.take(16);
    auto events = secy.take_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, PnEvent::Kind::near_exhaustion);
    EXPECT_EQ(events[0].next_pn, 0xfffffff0u);
    EXPECT_TRUE(secy.take_events().empty());
    EXPECT_TRUE(describe(secy).tx_sas[0].pending_exhaustion);
    EXPECT_TRUE(secy.can_send());
    EXPECT_EQ(numbers.take(100).count, 16u);
    events = secy.take_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, PnEvent::Kind::exhausted);
    EXPECT_EQ(secy.send_problem(), "transmit SA is exhausted");
    EXPECT_TRUE(secy.has_encoding_sa());
    must(secy.extend_reservations());
    EXPECT_EQ(numbers.take(1).count, 0u) << "fail closed";
    EXPECT_TRUE(secy.take_events().empty());
    const auto info = describe(secy);
    EXPECT_EQ(std::pair(info.pn_pending_exhaustion, info.pn_exhausted),
              std::pair(uint64_t{1}, uint64_t{1}));
    must(secy.add_tx_sa({1, other_sak_, {}, {}}));
    must(secy.set_encoding_an(1));
    EXPECT_TRUE(secy.can_send());
}

TEST_F(Secy, WithoutStoreTheSaStopsAtItsReservation) {
    const test::Scratch scratch;
    store_ = must(PnStore::open(scratch.path("state.db")));
    ChannelSecy secy = make(config(CipherSuite::gcm_aes_256));
    ChannelSecy late = make(config(CipherSuite::gcm_aes_256));
    must(secy.add_tx_sa({0, sak_, {}, {}}));
    macsec::PacketNumbers& numbers = *bound(secy).tx[0].sa->pn;
    const uint64_t limit = numbers.limit();
    {
        const test::DiskFull full;
        (void)numbers.take(static_cast<uint32_t>(limit - 2));
        EXPECT_FALSE(secy.extend_reservations());
        EXPECT_TRUE(secy.can_send()) << "what is reserved may be used";
        EXPECT_EQ(numbers.take(5).count, 2u);
        EXPECT_EQ(numbers.take(5).count, 0u);
        EXPECT_FALSE(secy.can_send());
        const auto refused = late.add_tx_sa({0, other_sak_, {}, {}});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::no_storage);
        EXPECT_FALSE(late.has_encoding_sa());
    }
    must(secy.extend_reservations());
    EXPECT_TRUE(secy.can_send());
    EXPECT_EQ(numbers.take(1).first, limit + 1);
    must(late.add_tx_sa({0, other_sak_, {}, {}}));
}

} // namespace
} // namespace isthmus::control
