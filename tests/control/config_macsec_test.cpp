// MACsec options of a channel: what is read, and every combination that is refused.

#include "control/config.hpp"

#include <gtest/gtest.h>

#include <string>

namespace isthmus::control {
namespace {

using macsec::ValidateFrames;

constexpr const char* kStart = R"([[edge]]
name = "e"
[[interconnect]]
name = "i"
[[port]]
name = "p"
device = "d"
mac = "02:00:00:00:00:01"
[[channel]]
name = "c"
port = "p"
)";

Result<Config> read(const std::string& options, const std::string& before = "") {
    return parse_config(before + "\n" + kStart + options, "f.toml");
}
std::string message_of(const std::string& options, const std::string& before) {
    const auto config = read(options, before);
    return config ? "accepted" : config.error().message;
}

TEST(ConfigMacsec, ReadsEveryOption) {
    const auto config = read(R"(cipher_suite = "GCM-AES-256"
protect_frames = true
validate_frames = "check"
encrypt = true
confidentiality_offset = 50
include_sci = "when_needed"
tx_sc = "shared"
sci = "02000000000A0102"
replay_protect = true
replay_window = 65536
duplicate_proof = true
ether_type = 0x88e6
clear_ether_types = [0x888e, 0x88e5, 0x876f]
clear_destinations = ["01:80:c2:00:00:03", "01:00:0c:cc:cc:cc"]
vlan_in_clear = true
pn_threshold = 4294967295
)",
                             "allow_plaintext = true");
    ASSERT_TRUE(config) << config.error().message;
    const ChannelConfig& channel = config->channels[0];
    EXPECT_EQ(channel.cipher_suite, macsec::CipherSuite::gcm_aes_256);
    EXPECT_TRUE(channel.protect_frames);
    EXPECT_EQ(channel.validate_frames, ValidateFrames::check);
    EXPECT_TRUE(channel.encrypt);
    EXPECT_EQ(channel.confidentiality_offset, 50);
    EXPECT_EQ(channel.include_sci, IncludeSci::when_needed);
    EXPECT_EQ(channel.tx_sc, TxScMode::shared);
    EXPECT_EQ(channel.sci, (macsec::Sci{0x02000000000a0102}));
    EXPECT_EQ(channel.replay_window, 65536u);
    EXPECT_TRUE(channel.duplicate_proof);
    EXPECT_EQ(channel.ether_type, 0x88e6);
    EXPECT_EQ(channel.clear_ether_types, (std::vector<uint16_t>{0x888e, 0x88e5, 0x876f}));
    EXPECT_EQ(channel.clear_destinations,
              (std::vector<MacAddr>{{{0x01, 0x80, 0xc2, 0, 0, 3}},
                                    {{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}}}));
    EXPECT_TRUE(channel.vlan_in_clear);
    EXPECT_EQ(channel.threshold(), 0xffffffffu);
}

TEST(ConfigMacsec, Defaults) {
    const auto config = read("");
    ASSERT_TRUE(config) << config.error().message;
    const ChannelConfig& channel = config->channels[0];
    EXPECT_EQ(channel.cipher_suite, macsec::CipherSuite::gcm_aes_xpn_256);
    EXPECT_TRUE(channel.protect_frames && channel.encrypt && channel.replay_protect);
    EXPECT_EQ(channel.validate_frames, ValidateFrames::strict);
    EXPECT_EQ(channel.clear_ether_types, std::vector<uint16_t>{0x888e});
    EXPECT_EQ(channel.threshold(), 0xc000000000000000u);
    EXPECT_EQ(config->macsec_engine, "auto");
    EXPECT_EQ(config->state_path, "/var/lib/isthmus/state.db");
}

TEST(ConfigMacsec, EveryValueOfAWord) {
    const std::string plain = "allow_plaintext = true";
    for (const char* suite : {"GCM-AES-128", "GCM-AES-256", "GCM-AES-XPN-128", "GCM-AES-XPN-256"})
        EXPECT_TRUE(read("cipher_suite = \"" + std::string(suite) + "\"\n"));
    for (const char* value : {"always", "end_station", "scb", "when_needed"})
        EXPECT_TRUE(read("include_sci = \"" + std::string(value) + "\"\n"));
    for (const char* value : {"strict", "check", "disabled"})
        EXPECT_TRUE(read("validate_frames = \"" + std::string(value) + "\"\n", plain));
    const auto clear = read("protect_frames = false\nvalidate_frames = \"null\"\n", plain);
    ASSERT_TRUE(clear);
    EXPECT_FALSE(clear->channels[0].uses_macsec());
    const auto receiver = read("protect_frames = false\n", plain);
    ASSERT_TRUE(receiver) << "sends in clear, accepts only what is protected";
    EXPECT_TRUE(receiver->channels[0].uses_macsec());
}

struct MacsecRow {
    const char* options;
    const char* message; // after the place
    const char* before = "";
};

void expect_refused(const MacsecRow& row) {
    const std::string message = message_of(std::string(row.options) + "\n", row.before);
    EXPECT_TRUE(message.starts_with("f.toml:")) << message;
    EXPECT_TRUE(message.ends_with(std::string(": ") + row.message)) << message;
}

TEST(ConfigMacsec, RefusesPlaintextThatIsNotAllowed) {
    const MacsecRow rows[] = {
        {"protect_frames = false",
         "protect_frames: false is not allowed, expected true, or allow_plaintext = true as well"},
        {"validate_frames = \"check\"", "validate_frames: check is not allowed, expected 'strict', "
                                        "or allow_plaintext = true as well"},
        {"validate_frames = \"disabled\"",
         "validate_frames: disabled is not allowed, expected 'strict', or allow_plaintext = true "
         "as well"},
        {"validate_frames = \"null\"",
         "validate_frames: null is not allowed, expected 'strict', 'check' or 'disabled' unless "
         "protect_frames is false",
         "allow_plaintext = true"},
        {"clear_ether_types = [0x888e, 0x0800]",
         "clear_ether_types: 0x0800 is not allowed, expected none of IPv4, IPv6, ARP, 0x8100 and "
         "0x88a8"},
        {"clear_ether_types = [0x88e5]", "clear_ether_types: 0x88e5 is not allowed, expected "
                                         "another EtherType than that of the SecTAG (ether_type)"},
        {"clear_destinations = [\"33:33:00:00:00:01\"]",
         "clear_destinations: 33:33:00:00:00:01 is not allowed, expected no address of IP "
         "broadcast or multicast, such as ff:ff:ff:ff:ff:ff, 33:33:* and 01:00:5e:*"},
    };
    for (const MacsecRow& row : rows)
        expect_refused(row);
    for (const char* type : {"0x0806", "0x86dd", "0x8100", "0x88a8"}) {
        const std::string text = type;
        EXPECT_FALSE(read("clear_ether_types = [" + text + "]\n")) << type;
        EXPECT_FALSE(read("ether_type = " + text + "\n")) << type;
    }
    for (const char* mac : {"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:00:00:00:00:09"})
        EXPECT_FALSE(read("clear_destinations = [\"" + std::string(mac) + "\"]\n")) << mac;
}

TEST(ConfigMacsec, RefusesWhatDoesNotGoTogether) {
    const MacsecRow rows[] = {
        {"confidentiality_offset = 30", "confidentiality_offset: 30 is not allowed, expected 0 "
                                        "with cipher_suite GCM-AES-XPN-256"},
        {"cipher_suite = \"GCM-AES-128\"\nconfidentiality_offset = 50\nencrypt = false",
         "confidentiality_offset: 50 is not allowed, expected 0 with encrypt = false"},
        {"replay_window = 1073741824", "replay_window: 1073741824 is not allowed, expected "
                                       "0..1073741823 with cipher_suite GCM-AES-XPN-256"},
        {"duplicate_proof = true\nreplay_window = 65537",
         "replay_window: 65537 is not allowed, expected 0..65536 with duplicate_proof = true"},
        {"duplicate_proof = true\nreplay_protect = false",
         "duplicate_proof: true is not allowed, expected false with replay_protect = false"},
        {"ether_type = 0x86dd",
         "ether_type: 0x86dd is not allowed, expected none of IPv4, IPv6, ARP, 0x8100 and 0x88a8"},
        {"include_sci = \"end_station\"\nsci = \"0200000000010002\"",
         "sci: 0200000000010002 is not allowed, expected 0200000000010001 with include_sci = "
         "'end_station': the port's MAC address"},
        {"include_sci = \"scb\"\nsci = \"0200000000010001\"",
         "sci: 0200000000010001 is not allowed, expected 0200000000010000 with include_sci = "
         "'scb': the port's MAC address"},
        {"cipher_suite = \"GCM-AES-128\"\npn_threshold = 4294967296",
         "pn_threshold: 4294967296 is not allowed, expected 1..4294967295 with cipher_suite "
         "GCM-AES-128"},
    };
    for (const MacsecRow& row : rows)
        expect_refused(row);
    EXPECT_TRUE(read("include_sci = \"end_station\"\nsci = \"0200000000010001\"\n"));
    EXPECT_TRUE(read("include_sci = \"scb\"\nsci = \"0200000000010000\"\n"));
}

TEST(ConfigMacsec, RefusesWrongValues) {
    const MacsecRow rows[] = {
        {"capacity_mbps = 0", "capacity_mbps: 0 is not allowed, expected an integer in 1..1600000"},
        {"confidentiality_offset = 20",
         "confidentiality_offset: 20 is not allowed, expected 0, 30 or 50"},
        {"validate_frames = \"off\"", "validate_frames: off is not allowed, expected 'strict', "
                                      "'check', 'disabled' or 'null'"},
        {"include_sci = true", "include_sci: true is not allowed, expected 'always', "
                               "'end_station', 'scb' or 'when_needed'"},
        {"tx_sc = \"one\"", "tx_sc: one is not allowed, expected 'per_worker' or 'shared'"},
        {"sci = \"02\"", "sci: 02 is not allowed, expected 16 hexadecimal digits"},
        {"ether_type = 0x05ff",
         "ether_type: 0x5FF is not allowed, expected an EtherType, 0x0600..0xffff"},
        {"clear_destinations = [\"02:00:00:00:00:09\"]",
         "clear_destinations: [ '02:00:00:00:00:09' ] is not allowed, expected a list of at most "
         "8 group MAC addresses"},
        {"pn_threshold = 0", "pn_threshold: 0 is not allowed, expected an integer from 1 to the "
                             "last packet number of the cipher suite"},
        {"protect = false", "unknown key 'protect' in [[channel]], expected one of name, edge, "
                            "interconnect, port, capacity_mbps, cipher_suite, "
                            "protect_frames, validate_frames, encrypt, confidentiality_offset, "
                            "include_sci, tx_sc, sci, "
                            "replay_protect, replay_window, duplicate_proof, ether_type, "
                            "clear_ether_types, clear_destinations, vlan_in_clear, pn_threshold"},
        {"[macsec]\nengines = 1", "unknown key 'engines' in [macsec], expected one of engine"},
        {"[macsec]\nengine = 1",
         "engine: 1 is not allowed, expected 'auto' or the name of an engine"},
        {"", "macsec: auto is not allowed, expected a [macsec] table", "macsec = \"auto\""},
        {"", "state: an empty text is not allowed, expected a path of 1..255 octets, or 'none'",
         "state = \"\""},
    };
    for (const MacsecRow& row : rows)
        expect_refused(row);
    std::string types = "clear_ether_types = [", macs = "clear_destinations = [";
    for (int n = 0; n < 9; ++n) {
        types += "0x9000,";
        macs += "\"01:80:c2:00:00:03\",";
    }
    EXPECT_FALSE(read(types + "]\n"));
    EXPECT_FALSE(read(macs + "]\n"));
}

// The port's MAC address is its own, or unknown before the device is open.
TEST(ConfigMacsec, ImpliedSciNeedsAKnownAddress) {
    std::string text = kStart;
    text.erase(text.find("mac = "), std::string("mac = \"02:00:00:00:00:01\"\n").size());
    text += "include_sci = \"end_station\"\n";
    EXPECT_TRUE(parse_config(text, "f.toml"));
    const auto refused = parse_config(text + "sci = \"0200000000010001\"\n", "f.toml");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "sci");
}

} // namespace
} // namespace isthmus::control
