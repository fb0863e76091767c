#include "control/config.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace isthmus::control {
namespace {

constexpr const char* kOneEdge = R"([[edge]]
name = "aws"
[[interconnect]]
name = "to-gcp"
peer = "gcp"
[[port]]
name = "vpc"
device = "generator"
[[port]]
name = "p1"
device = "0000:01:00.0"
mac = "02:00:00:00:00:01"
mtu = 9100
admin_state = "down"
[[channel]]
name = "ch1"
port = "p1"
cipher_suite = "GCM-AES-128"
replay_protect = false
replay_window = 4294967295
)";

std::string message_of(const std::string& text) {
    const auto config = parse_config(text, "f.toml");
    return config ? "accepted" : config.error().message;
}

TEST(Config, ReadsEveryKey) {
    const auto config = parse_config(R"(socket = "/tmp/s"
worker_cores = [3]
main_core = 2
poll = "adaptive"
memory_mb = 64
packet_buffers = 2048
max_attachments = 16384
allow_plaintext = true
state = "/tmp/state.db"
[macsec]
engine = "openssl"
)" + std::string(kOneEdge),
                                     "f.toml");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->socket_path, "/tmp/s");
    EXPECT_EQ(config->worker_cores, std::vector<unsigned>{3});
    EXPECT_EQ(config->main_core, 2u);
    EXPECT_EQ(config->poll, PollMode::adaptive);
    EXPECT_EQ(config->macsec_engine, "openssl");
    EXPECT_EQ(config->state_path, "/tmp/state.db");
    EXPECT_EQ(config->memory_mb, 64u);
    EXPECT_EQ(config->packet_buffers, 2048u);
    EXPECT_EQ(config->max_attachments, 16384u);
    EXPECT_TRUE(config->allow_plaintext);
    ASSERT_EQ(config->edges.size(), 1u);
    EXPECT_EQ(config->edges[0].provider, "aws");
    ASSERT_EQ(config->interconnects.size(), 1u);
    EXPECT_EQ(config->interconnects[0].peer, "gcp");
    ASSERT_EQ(config->ports.size(), 2u);
    EXPECT_TRUE(config->ports[0].enabled);
    EXPECT_FALSE(config->ports[0].mac);
    EXPECT_EQ(config->ports[1].mac, (MacAddr{{2, 0, 0, 0, 0, 1}}));
    EXPECT_EQ(config->ports[1].mtu, 9100u);
    EXPECT_FALSE(config->ports[1].enabled);
    EXPECT_EQ(config->ports[1].line, 20u);
    ASSERT_EQ(config->channels.size(), 1u);
    const auto& channel = config->channels[0];
    EXPECT_EQ(channel.edge, EdgeId{0});
    EXPECT_EQ(channel.interconnect, InterconnectId{0});
    EXPECT_EQ(channel.port, PortId{1});
    EXPECT_EQ(channel.cipher_suite, macsec::CipherSuite::gcm_aes_128);
    EXPECT_TRUE(channel.protect_frames);
    EXPECT_FALSE(channel.replay_protect);
    EXPECT_EQ(channel.replay_window, 4294967295u);
}

TEST(Config, LeavesDefaults) {
    const auto config = parse_config("[[edge]]\nname = \"e\"\n", "f.toml");
    ASSERT_TRUE(config) << config.error().message;
    const Config defaults;
    EXPECT_EQ(config->socket_path, defaults.socket_path);
    EXPECT_EQ(config->worker_cores, defaults.worker_cores);
    EXPECT_EQ(config->main_core, defaults.main_core);
    EXPECT_EQ(config->memory_mb, defaults.memory_mb);
    EXPECT_FALSE(config->allow_plaintext);
}

struct BadLine {
    const char* text; // stands before kOneEdge
    const char* message;
};

TEST(Config, RefusesTopLevelValues) {
    const BadLine rows[] = {
        {"worker_cores = [1, 1]",
         "f.toml:1: worker_cores: [ 1, 1 ] is not allowed, expected a list of 1 to 64 different "
         "cores, 0..1023"},
        {"worker_cores = []",
         "f.toml:1: worker_cores: [] is not allowed, expected a list of 1 to 64 different cores, "
         "0..1023"},
        {"worker_cores = 1", "f.toml:1: worker_cores: 1 is not allowed, expected a list of 1 to 64 "
                             "different cores, 0..1023"},
        {"main_core = -1", "f.toml:1: main_core: -1 is not allowed, expected a core, 0..1023"},
        {"log = \"syslog\"",
         "f.toml:1: log: syslog is not allowed, expected 'auto', 'text', 'json' or "
         "'journald'"},
        {"poll = \"lazy\"", "f.toml:1: poll: lazy is not allowed, expected 'busy' or 'adaptive'"},
        {"memory_mb = 63",
         "f.toml:1: memory_mb: 63 is not allowed, expected an integer in 64..65536"},
        {"memory_mb = 65537",
         "f.toml:1: memory_mb: 65537 is not allowed, expected an integer in 64..65536"},
        {"memory_mb = \"64\"",
         "f.toml:1: memory_mb: 64 is not allowed, expected an integer in 64..65536"},
        {"packet_buffers = 2047",
         "f.toml:1: packet_buffers: 2047 is not allowed, expected an integer in 2048..1048576"},
        {"max_attachments = 0",
         "f.toml:1: max_attachments: 0 is not allowed, expected an integer in 1..16384"},
        {"allow_plaintext = 1",
         "f.toml:1: allow_plaintext: 1 is not allowed, expected true or false"},
        {"socket = \"\"",
         "f.toml:1: socket: an empty text is not allowed, expected a path of 1..107 octets"},
        {"\nworkers = 1",
         "f.toml:2: unknown key 'workers', expected one of socket, worker_cores, main_core, poll, "
         "state, secrets_key_file, log, audit_log, memory_mb, packet_buffers, max_attachments, "
         "allow_plaintext, "
         "macsec, usage, access, "
         "edge, port, interconnect, channel"},
    };
    for (const auto& row : rows)
        EXPECT_EQ(message_of(std::string(row.text) + "\n" + kOneEdge), row.message);
}

TEST(Config, RefusesBadTables) {
    const BadLine rows[] = {
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nmtuu = 3",
         "unknown key 'mtuu' in [[port]], expected one of name, edge, device, mac, mtu, "
         "rx_workers, admin_state"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nrx_workers = []",
         "rx_workers: [] is not allowed, expected a list of workers, counted from 0, one for each "
         "receive queue"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nrx_workers = [1]",
         "rx_workers: 1 is not allowed, expected workers 0..0, one for each of worker_cores"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nmtu = 9101",
         "mtu: 9101 is not allowed, expected an integer in 1280..9100"},
        {"[[port]]\nname = \"x\"", "key 'device' is missing in [[port]], expected a PCI address, a "
                                   "DPDK device, 'wire:NAME' or 'generator'"},
        {"[[port]]\nname = \"a b\"\ndevice = \"d\"",
         "name: a b is not allowed, expected 1 to 63 of A-Z a-z 0-9 _ . -"},
        {"[[port]]\nname = \"vpc\"\ndevice = \"d\"",
         "name: vpc is not allowed, expected one that no other [[port]] has"},
        {"[[port]]\nname = \"x\"\ndevice = \"0000:01:00.0\"",
         "device: 0000:01:00.0 is not allowed, expected one that no other [[port]] has"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nmac = \"02:00:00:00:00:01\"",
         "mac: 02:00:00:00:00:01 is not allowed, expected one that no other [[port]] has"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nmac = \"03:00:00:00:00:01\"",
         "mac: 03:00:00:00:00:01 is not allowed, expected a unicast MAC address like "
         "02:00:00:00:00:01"},
        {"[[port]]\nname = \"x\"\ndevice = \"wire:w\"",
         "device: wire:w is not allowed, expected a wire on exactly two ports, not on 1"},
        {"[[port]]\nname = \"x\"\ndevice = \"wire:\"",
         "device: wire: is not allowed, expected a PCI address, a DPDK device, 'wire:NAME' or "
         "'generator'"},
        {"[[port]]\nname = \"x\"\nedge = \"gcp\"\ndevice = \"d\"",
         "edge: gcp is not allowed, expected the name of an [[edge]]"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\nadmin_state = \"drain\"",
         "admin_state: drain is not allowed, expected 'up' or 'down'"},
        {"[[channel]]\nname = \"ch1\"\nport = \"vpc\"",
         "port: vpc is not allowed, expected a port whose device is not a generator"},
        {"[[channel]]\nname = \"ch2\"\nport = \"p1\"",
         "port: p1 is not allowed, expected a port that no other [[channel]] uses"},
        {"[[channel]]\nname = \"ch2\"\nport = \"p9\"",
         "port: p9 is not allowed, expected the name of a [[port]] of this edge"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\n[[channel]]\nname = \"c\"\nport = \"x\"\n"
         "protect_frames = false",
         "protect_frames: false is not allowed, expected true, or allow_plaintext = true as well"},
        {"[[port]]\nname = \"x\"\ndevice = \"d\"\n[[channel]]\nname = \"ch1\"\nport = \"x\"",
         "name: ch1 is not allowed, expected one that no other [[channel]] has"},
        {"[[channel]]\nname = \"c\"\nport = \"p1\"\ncipher_suite = \"GCM-AES-XPN\"",
         "cipher_suite: GCM-AES-XPN is not allowed, expected 'GCM-AES-128', 'GCM-AES-256', "
         "'GCM-AES-XPN-128' or 'GCM-AES-XPN-256'"},
        {"[[channel]]\nname = \"c\"\nport = \"p1\"\nreplay_window = 4294967296",
         "replay_window: 4294967296 is not allowed, expected an integer in 0..4294967295"},
        {"[[interconnect]]\nname = \"to-gcp\"",
         "name: to-gcp is not allowed, expected one that no other [[interconnect]] has"},
        {"[[interconnect]]\nname = \"x\"\nsell = \"all\"",
         "sell: all is not allowed, expected 'open' or 'strict'"},
        {"[[interconnect]]\nname = \"x\"\nmax_bandwidth_mbps = 0",
         "max_bandwidth_mbps: 0 is not allowed, expected an integer of at least 1"},
        {"[port2]\n",
         "unknown key 'port2', expected one of socket, worker_cores, main_core, poll, "
         "state, secrets_key_file, log, audit_log, memory_mb, packet_buffers, max_attachments, "
         "allow_plaintext, macsec, usage, "
         "access, edge, port, interconnect, channel"},
    };
    for (const auto& row : rows) {
        const std::string message = message_of(std::string(kOneEdge) + row.text + "\n");
        EXPECT_TRUE(message.ends_with(std::string(": ") + row.message)) << message;
        EXPECT_TRUE(message.starts_with("f.toml:")) << message;
    }
}

TEST(Config, PoolIsAtMostWhatTheChannelsHave) {
    const std::string head = "[[edge]]\nname = \"e\"\n[[interconnect]]\nname = \"i\"\n";
    const std::string channel = "[[port]]\nname = \"p\"\ndevice = \"d\"\n[[channel]]\n"
                                "name = \"c\"\nport = \"p\"\ncapacity_mbps = 100\n";
    const auto good = parse_config(head + "max_bandwidth_mbps = 100\n" + channel, "f.toml");
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->interconnects[0].max_bandwidth_mbps, 100u);
    EXPECT_EQ(message_of(head + "max_bandwidth_mbps = 101\n" + channel),
              "f.toml:3: max_bandwidth_mbps: 101 is not allowed, expected at most 100, the sum of "
              "capacity_mbps of its channels");
}

TEST(Config, Access) {
    const std::string edge = "[[edge]]\nname = \"e\"\n[access]\n";
    const auto config = parse_config(edge + "socket_mode = \"0606\"\nsocket_group = 12\n"
                                            "read_users = [\"root\", 7]\nwrite_groups = [\"root\"]",
                                     "f.toml");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->access.socket_mode, 0606u);
    EXPECT_EQ(config->access.socket_group, 12u);
    EXPECT_FALSE(config->access.socket_owner);
    EXPECT_EQ(config->access.read_users, (std::vector<uid_t>{0, 7}));
    EXPECT_EQ(config->access.write_groups, std::vector<gid_t>{0});
    EXPECT_FALSE(config->access.read_groups);
    EXPECT_EQ(message_of(edge + "socket_owner = \"no-such-user\""),
              "f.toml:4: socket_owner: no-such-user is not allowed, expected a user that exists, "
              "name or id");
    for (const char* wrong :
         {"socket_mode = \"660x\"", "socket_mode = \"0466\"", "socket_mode = \"1660\"",
          "socket_mode = 660", "socket_group = -1", "socket_owner = 4294967295",
          "read_groups = \"root\"", "write_users = [\"no-such-user\"]", "read_groups = [true]"})
        EXPECT_TRUE(message_of(edge + wrong).starts_with("f.toml:4: ")) << wrong;
}

TEST(Config, NamesTheLine) {
    EXPECT_TRUE(message_of("[[edge]]\nname = \"e\"\n\n[[port]]\nname = \"x\"\ndevice = \"d\"\n"
                           "mtu = 1\n")
                    .starts_with("f.toml:7: mtu: 1 "));
    EXPECT_TRUE(message_of("[[edge]]\nname = \"e\"\nname = \"f\"\n").starts_with("f.toml:3: "));
    EXPECT_TRUE(message_of("socket = \n").starts_with("f.toml:1: "));
    EXPECT_TRUE(message_of("").starts_with("f.toml:"));
}

// `edge` and `interconnect` may be left out only if there is one choice.
TEST(Config, NeedsNamesWhenThereAreSeveral) {
    const std::string edges = "[[edge]]\nname = \"a\"\n[[edge]]\nname = \"b\"\n";
    EXPECT_TRUE(message_of(edges + "[[port]]\nname = \"x\"\ndevice = \"d\"\n")
                    .ends_with("edge: no value is not allowed, expected the name of an [[edge]]"));
    const std::string two = "[[interconnect]]\nname = \"second\"\n[[port]]\nname = \"x\"\n"
                            "device = \"d\"\n[[channel]]\nname = \"c\"\nport = \"x\"\n";
    EXPECT_TRUE(message_of(kOneEdge + two).find("interconnect: no value") != std::string::npos);
}

TEST(Config, SameNamesOnTwoEdges) {
    std::string text = "[[edge]]\nname = \"a\"\n[[edge]]\nname = \"b\"\n";
    for (const std::string edge : {"a", "b"})
        text += "[[interconnect]]\nname = \"i\"\nedge = \"" + edge + "\"\n[[port]]\nname = \"p" +
                edge + "\"\nedge = \"" + edge +
                "\"\ndevice = \"wire:w\"\n[[channel]]\nname = \"ch1\"\nedge = \"" + edge +
                "\"\nport = \"p" + edge + "\"\n";
    const auto config = parse_config(text, "f.toml");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->channels[1].interconnect, InterconnectId{1});
    EXPECT_EQ(config->channels[1].port, PortId{1});
}

TEST(Config, BoundsChannelsOfAnInterconnect) {
    std::string text = "[[edge]]\nname = \"a\"\n[[interconnect]]\nname = \"i\"\n";
    const auto add = [&](int n) {
        const std::string number = std::to_string(n);
        text += "[[port]]\nname = \"p" + number + "\"\ndevice = \"d" + number +
                "\"\n[[channel]]\nname = \"c" + number + "\"\nport = \"p" + number + "\"\n";
    };
    for (int n = 0; n < 16; ++n)
        add(n);
    EXPECT_EQ(message_of(text), "accepted");
    add(16);
    EXPECT_TRUE(message_of(text).ends_with(
        "interconnect: i is not allowed, expected at most 16 channels per interconnect"));
}

TEST(Config, FileThatIsNotThere) {
    const auto config = load_config("/nonexistent/f.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message, "/nonexistent/f.toml: the file cannot be read");
}

} // namespace
} // namespace isthmus::control
