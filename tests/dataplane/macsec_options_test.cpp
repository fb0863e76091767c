// Channels with options other than the default, through the whole pipeline in both directions.

#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

using control::ChannelConfig;
using control::ChannelInfo;
using macsec::CipherSuite;
using macsec::RxScCounters;
using macsec::SecyCounters;
using macsec::TxScCounters;
using macsec::ValidateFrames;

constexpr std::size_t kSmall = 64, kLarge = 1400;

Bytes from_host(std::size_t payload = kSmall) {
    return ipv4({v4("10.1.0.9"), v4("10.2.3.4")}, udp(1, 2, ramp(payload)));
}
Bytes small_from_remote(std::size_t payload = kSmall) {
    return ipv4({v4("10.2.3.4"), v4("10.1.0.9")}, udp(1, 2, ramp(payload)));
}
TestbedOptions with(std::function<void(ChannelConfig&)> configure) {
    TestbedOptions options;
    options.configure = std::move(configure);
    return options;
}
uint16_t type_at(const Bytes& frame, std::size_t at) {
    return static_cast<uint16_t>(frame.at(at) << 8 | frame.at(at + 1));
}
ChannelInfo info(Testbed& bed) {
    return bed.control().channel_info(kChannel0);
}
uint64_t sum_tx(Testbed& bed, Counter TxScCounters::*member) {
    uint64_t sum = 0;
    for (const ChannelId channel : {kChannel0, kChannel1})
        sum += bed.control().channel_info(channel).tx_scs.at(0).counters[member];
    return sum;
}
// All but the frame's own octets of IP: where the payload stands in clear.
bool shows(const Bytes& frame, const Bytes& part) {
    return std::search(frame.begin(), frame.end(), part.begin(), part.end()) != frame.end();
}

struct OptionRow {
    const char* what;
    std::function<void(ChannelConfig&)> configure;
    // Of a frame as it leaves; offsets from DA.
    std::function<void(const Bytes&)> check;
};

std::vector<OptionRow> option_rows() {
    const auto suite = [](CipherSuite which) {
        return [which](ChannelConfig& channel) { channel.cipher_suite = which; };
    };
    const auto tci = [](uint8_t expected) {
        return [expected](const Bytes& frame) {
            EXPECT_EQ(type_at(frame, 12), wire::kEtherTypeMacsec);
            EXPECT_EQ(frame[14], expected);
        };
    };
    // The VLAN tag of the connection is the first of the User Data.
    const auto in_clear_up_to = [](std::size_t offset) {
        return [offset](const Bytes& frame) {
            const Bytes user_data = Bytes(frame.begin() + 28, frame.end());
            EXPECT_EQ(type_at(user_data, 0), wire::kEtherTypeVlan);
            EXPECT_FALSE(shows(user_data, ramp(40))) << "the payload is encrypted";
            // Source address: octets 12 to 15 of the IP header behind tag and EtherType.
            EXPECT_EQ(shows(user_data, octets(v4("10.1.0.9"))), offset >= 22);
        };
    };
    return {
        {"GCM-AES-128", suite(CipherSuite::gcm_aes_128), tci(0x2c)},
        {"GCM-AES-XPN-128", suite(CipherSuite::gcm_aes_xpn_128), tci(0x2c)},
        {"GCM-AES-XPN-256", suite(CipherSuite::gcm_aes_xpn_256), tci(0x2c)},
        {"integrity only", [](ChannelConfig& channel) { channel.encrypt = false; },
         [tci](const Bytes& frame) {
             tci(0x20)(frame);
             EXPECT_TRUE(shows(frame, ramp(kSmall)));
         }},
        {"integrity only with XPN",
         [](ChannelConfig& channel) {
             channel.cipher_suite = CipherSuite::gcm_aes_xpn_256;
             channel.encrypt = false;
         },
         tci(0x20)},
        {"offset 30", [](ChannelConfig& channel) { channel.confidentiality_offset = 30; },
         in_clear_up_to(30)},
        {"offset 50", [](ChannelConfig& channel) { channel.confidentiality_offset = 50; },
         in_clear_up_to(50)},
        {"end station",
         [](ChannelConfig& channel) { channel.include_sci = control::IncludeSci::end_station; },
         tci(0x4c)},
        {"SCI only when needed",
         [](ChannelConfig& channel) { channel.include_sci = control::IncludeSci::when_needed; },
         [](const Bytes& frame) { EXPECT_EQ(frame[14], 0x0c); }},
        {"one SC for all workers",
         [](ChannelConfig& channel) { channel.tx_sc = control::TxScMode::shared; }, tci(0x2c)},
        {"another EtherType", [](ChannelConfig& channel) { channel.ether_type = 0x9abc; },
         [](const Bytes& frame) { EXPECT_EQ(type_at(frame, 12), 0x9abc); }},
        {"VLAN in clear", [](ChannelConfig& channel) { channel.vlan_in_clear = true; },
         [](const Bytes& frame) {
             EXPECT_EQ(type_at(frame, 12), wire::kEtherTypeVlan);
             EXPECT_EQ(type_at(frame, 14), kFeatureVlan);
             EXPECT_EQ(type_at(frame, 16), wire::kEtherTypeMacsec);
             EXPECT_FALSE(shows(frame, ramp(kSmall)));
         }},
        {"duplicates are found inside the window",
         [](ChannelConfig& channel) {
             channel.replay_window = 100;
             channel.duplicate_proof = true;
         },
         tci(0x2c)},
    };
}

TEST(MacsecOptions, BothWays) {
    for (const OptionRow& row : option_rows()) {
        SCOPED_TRACE(row.what);
        Testbed bed(with(row.configure));
        for (const std::size_t payload : {std::size_t{0}, std::size_t{8}, kSmall, kLarge}) {
            bed.send(kVpc, bed.host_frame(from_host(payload)));
            const auto out = from_channels(bed);
            ASSERT_EQ(out.size(), 1u);
            if (payload == kSmall)
                row.check(out[0]);
            const auto plain = bed.open(out[0]);
            ASSERT_TRUE(plain);
            EXPECT_EQ(type_at(*plain, 14), kFeatureVlan);
            EXPECT_EQ(plain->size(), 14 + 4 + from_host(payload).size());
            bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote(payload))));
            const auto in = bed.received(kVpc);
            ASSERT_EQ(in.size(), 1u) << payload;
            EXPECT_EQ(in[0].size(), 14 + small_from_remote(payload).size());
        }
        EXPECT_EQ(bed.total_drops(), 0u);
        EXPECT_EQ(bed.accounting().unaccounted(), 0);
    }
}

TEST(MacsecOptions, IntegrityOnlyCountsAsProtected) {
    Testbed bed(with([](ChannelConfig& channel) { channel.encrypt = false; }));
    const uint64_t before = sum_tx(bed, &TxScCounters::out_pkts_protected); // announcements
    bed.send(kVpc, bed.host_frame(from_host()));
    EXPECT_EQ(sum_tx(bed, &TxScCounters::out_pkts_protected), before + 1);
    EXPECT_EQ(sum_tx(bed, &TxScCounters::out_pkts_encrypted), 0u);
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(info(bed).rx_scs[0].counters[&RxScCounters::in_octets_validated],
              2 + 4 + small_from_remote().size());
    Bytes forged = bed.protect(bed.peer_frame(small_from_remote()));
    forged[60] ^= 1;
    bed.send(kCh0, forged);
    EXPECT_EQ(bed.drops(Drop::macsec_not_valid), 1u);
}

TEST(MacsecOptions, DuplicatesInsideTheWindow) {
    for (const bool proof : {false, true}) {
        Testbed bed(with([proof](ChannelConfig& channel) {
            channel.replay_window = 100;
            channel.duplicate_proof = proof;
        }));
        const Bytes frame = bed.protect(bed.peer_frame(small_from_remote()));
        bed.send(kCh0, frame);
        bed.send(kCh0, frame);
        EXPECT_EQ(bed.received(kVpc).size(), proof ? 1u : 2u);
        EXPECT_EQ(bed.drops(Drop::macsec_late), proof ? 1u : 0u);
    }
}

// The other EtherType is a protocol that the edge does not know; 88E5 is, too, then.
TEST(MacsecOptions, OnlyTheConfiguredEtherTypeIsASecTag) {
    Testbed bed(with([](ChannelConfig& channel) { channel.ether_type = 0x9abc; }));
    bed.peer_format().ether_type = wire::kEtherTypeMacsec;
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(bed.drops(Drop::macsec_no_tag), 1u);
}

TEST(MacsecOptions, WithoutVlanInClearATagBeforeTheSecTagIsNone) {
    Testbed bed;
    bed.peer_format().vlan_in_clear = true;
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(bed.drops(Drop::macsec_no_tag), 1u);
}

// The tag in clear is not authenticated: what it says decides only between customers that the same
// peer speaks for.
TEST(MacsecOptions, VlanInClearChoosesTheAttachment) {
    Testbed bed(with([](ChannelConfig& channel) { channel.vlan_in_clear = true; }));
    const Bytes frame = bed.protect(ethernet({kCh0Mac, kPeerMac, kFeatureVlan + kOtherVlan},
                                             wire::kEtherTypeIpv4, small_from_remote()));
    EXPECT_EQ(type_at(frame, 12), wire::kEtherTypeVlan);
    bed.send(kCh0, frame);
    const auto in = bed.received(kVpc);
    ASSERT_EQ(in.size(), 1u);
    EXPECT_EQ(type_at(in[0], 14), kOtherVlan);
    Bytes changed = bed.protect(bed.peer_frame(small_from_remote()));
    changed[15] ^= 0x40; // another VLAN, of no attachment
    bed.send(kCh0, changed);
    EXPECT_EQ(bed.drops(Drop::no_attachment), 1u);
    Bytes tampered = bed.protect(bed.peer_frame(small_from_remote()));
    tampered[60] ^= 1;
    bed.send(kCh0, tampered);
    EXPECT_EQ(bed.drops(Drop::macsec_not_valid), 1u);
}

const MacAddr kPae{{0x01, 0x80, 0xc2, 0x00, 0x00, 0x03}};

// Frames of the uncontrolled port are no alarm of the SecY, whichever way they are known.
TEST(MacsecOptions, FramesInClearPassTheSecY) {
    struct ClearRow {
        const char* what;
        Bytes frame;
        bool clear;
    };
    const ClearRow table[] = {
        {"EAPOL to the port", ethernet({kCh0Mac, kPeerMac}, wire::kEtherTypeEapol, ramp(46)), true},
        {"a configured EtherType", ethernet({kCh0Mac, kPeerMac}, 0x876f, ramp(46)), true},
        {"a configured address", ethernet({kPae, kPeerMac}, 0x1234, ramp(46)), true},
        {"another EtherType", ethernet({kCh0Mac, kPeerMac}, 0x8770, ramp(46)), false},
        {"another address", ethernet({{{0x01, 0x80, 0xc2, 0, 0, 4}}, kPeerMac}, 0x1234, ramp(46)),
         false},
        {"IPv4", ethernet({kCh0Mac, kPeerMac}, wire::kEtherTypeIpv4, small_from_remote()), false},
        // Behind a VLAN tag there are only customers' frames.
        {"EAPOL behind a tag",
         ethernet({kCh0Mac, kPeerMac, kFeatureVlan}, wire::kEtherTypeEapol, ramp(46)), false},
    };
    Testbed bed(with([](ChannelConfig& channel) {
        channel.clear_ether_types = {wire::kEtherTypeEapol, 0x876f};
        channel.clear_destinations = {kPae};
    }));
    for (const ClearRow& row : table) {
        SCOPED_TRACE(row.what);
        const uint64_t no_tag = info(bed).counters[&SecyCounters::in_pkts_no_tag];
        const uint64_t clear = bed.drops(Drop::uncontrolled_unhandled);
        bed.send(kCh0, row.frame);
        EXPECT_EQ(bed.drops(Drop::uncontrolled_unhandled), clear + row.clear);
        EXPECT_EQ(info(bed).counters[&SecyCounters::in_pkts_no_tag], no_tag + !row.clear);
        EXPECT_TRUE(bed.received(kVpc).empty());
        // The other way: what the edge originates leaves as it is, or not in clear.
        Bytes sent = row.frame;
        std::copy_n(kPeerMac.octets.begin(), sent[0] & 1 ? 0 : 6, sent.begin());
        std::copy_n(kCh0Mac.octets.begin(), 6, sent.begin() + 6);
        ASSERT_TRUE(bed.dataplane().inject(kCh0, sent));
        bed.run_workers();
        const auto out = bed.received(kCh0);
        ASSERT_EQ(out.size(), 1u);
        EXPECT_EQ(out[0] == sent, row.clear);
        EXPECT_EQ(bed.open(out[0]) == sent, !row.clear);
    }
    EXPECT_EQ(bed.accounting().unaccounted(), 0);
}

TEST(MacsecOptions, WithoutKeysOnlyFramesInClearLeave) {
    TestbedOptions options;
    options.keys = false;
    Testbed bed(std::move(options));
    const Bytes eapol = ethernet({kPae, kCh0Mac}, wire::kEtherTypeEapol, ramp(46));
    ASSERT_TRUE(bed.dataplane().inject(kCh0, eapol));
    bed.run_workers();
    EXPECT_EQ(bed.received(kCh0), std::vector<Bytes>{eapol});
    // To that address, but not of a protocol in clear.
    ASSERT_TRUE(bed.dataplane().inject(kCh0, ethernet({kPae, kCh0Mac}, 0x1234, ramp(46))));
    bed.run_workers();
    EXPECT_TRUE(bed.received(kCh0).empty());
    EXPECT_EQ(bed.drops(Drop::macsec_no_tx_sa), 1u);
}

TEST(MacsecOptions, CheckDeliversWhatIsReadable) {
    Testbed bed(with([](ChannelConfig& channel) {
        channel.encrypt = false;
        channel.validate_frames = ValidateFrames::check;
    }));
    const auto deliver = [&](const Bytes& frame) {
        bed.send(kCh0, frame);
        return bed.received(kVpc).size();
    };
    EXPECT_EQ(deliver(bed.peer_frame(small_from_remote())), 1u);
    EXPECT_EQ(info(bed).counters[&SecyCounters::in_pkts_untagged], 1u);
    Bytes wrong = bed.protect(bed.peer_frame(small_from_remote()));
    wrong.back() ^= 1;
    EXPECT_EQ(deliver(wrong), 1u);
    EXPECT_EQ(info(bed).rx_scs[0].counters[&RxScCounters::in_pkts_invalid], 1u);
    EXPECT_EQ(deliver(bed.protect(bed.peer_frame(small_from_remote()), 1)), 1u) << "no SA on AN 1";
    EXPECT_EQ(info(bed).rx_scs[0].counters[&RxScCounters::in_pkts_unused_sa], 1u);
    EXPECT_EQ(info(bed).in_pkts_no_sa(), 1u);
    Bytes unknown = bed.protect(bed.peer_frame(small_from_remote()));
    unknown[27] ^= 7;
    EXPECT_EQ(deliver(unknown), 1u);
    EXPECT_EQ(info(bed).in_pkts_no_sa(), 2u);
    // What is encrypted must be valid in any mode.
    bed.peer_format().tci |= macsec::kTciEncrypted | macsec::kTciChangedText;
    Bytes encrypted = bed.protect(bed.peer_frame(small_from_remote()));
    EXPECT_EQ(deliver(encrypted), 1u);
    encrypted = bed.protect(bed.peer_frame(small_from_remote()));
    encrypted.back() ^= 1;
    EXPECT_EQ(deliver(encrypted), 0u);
    EXPECT_EQ(bed.drops(Drop::macsec_not_valid), 1u);
    EXPECT_EQ(deliver(bed.protect(bed.peer_frame(small_from_remote()), 1)), 0u);
    EXPECT_EQ(info(bed).in_pkts_no_sa_error(), 1u);
}

TEST(MacsecOptions, DisabledDeliversUnchecked) {
    Testbed bed(with([](ChannelConfig& channel) {
        channel.encrypt = false;
        channel.validate_frames = ValidateFrames::disabled;
    }));
    Bytes wrong = bed.protect(bed.peer_frame(small_from_remote()));
    wrong.back() ^= 1;
    bed.send(kCh0, wrong);
    bed.send(kCh0, bed.peer_frame(small_from_remote()));
    EXPECT_EQ(bed.received(kVpc).size(), 2u);
    EXPECT_EQ(info(bed).rx_scs[0].counters[&RxScCounters::in_pkts_unchecked], 1u);
    EXPECT_EQ(info(bed).counters[&SecyCounters::in_pkts_untagged], 1u);
    bed.peer_format().tci |= macsec::kTciEncrypted | macsec::kTciChangedText;
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(bed.drops(Drop::macsec_not_valid), 1u) << "not decrypted, so not delivered";
}

// protect_frames off and strict validation: sends in clear, accepts only what is protected.
TEST(MacsecOptions, ClearOneWay) {
    Testbed bed(with([](ChannelConfig& channel) { channel.protect_frames = false; }));
    bed.send(kVpc, bed.host_frame(from_host()));
    const auto out = from_channels(bed);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(type_at(out[0], 12), wire::kEtherTypeVlan);
    bed.send(kCh0, bed.peer_frame(small_from_remote()));
    EXPECT_EQ(bed.drops(Drop::macsec_no_tag), 1u);
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote(1464)))); // needs room for MACsec
    EXPECT_EQ(bed.received(kVpc).size(), 1u);
    EXPECT_FALSE(bed.add_tx_sa(kChannel0, 0, edge_sak()));
}

TEST(MacsecOptions, ReceiveSaThatIsNotInUse) {
    Testbed bed;
    ASSERT_TRUE(bed.control().set_rx_sa_in_use(kChannel0, peer_sci(), 0, false));
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(bed.drops(Drop::macsec_not_using_sa), 1u);
    EXPECT_EQ(info(bed).rx_scs[0].sas[0].counters[&macsec::RxSaCounters::in_pkts_not_using_sa], 1u);
    ASSERT_TRUE(bed.control().set_rx_sa_in_use(kChannel0, peer_sci(), 0, true));
    bed.send(kCh0, bed.protect(bed.peer_frame(small_from_remote())));
    EXPECT_EQ(bed.received(kVpc).size(), 1u);
}

} // namespace
} // namespace isthmus::test
