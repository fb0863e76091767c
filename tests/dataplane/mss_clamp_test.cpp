// The MSS of SYNs: a table, random octets in buffers of exactly their size, and the clamp of an
// attachment at work.

#include "dataplane/mss_clamp.hpp"
#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace isthmus::test {
namespace {

using dataplane::clamp_mss;

constexpr uint8_t kSyn = 0x02, kSynAck = 0x12, kAck = 0x10;
constexpr std::size_t kChecksumAt = 16;

// Sum over pseudo header and segment; 0 if the segment's checksum is right.
uint16_t tcp_sum(const Bytes& pseudo, const Bytes& tcp) {
    return checksum(pseudo + be32(static_cast<uint32_t>(tcp.size())) + be32(wire::kProtoTcp) + tcp);
}
Bytes tcp(const Bytes& pseudo, uint8_t flags, const Bytes& options, const Bytes& data = {}) {
    const auto words = static_cast<uint8_t>(5 + options.size() / 4);
    Bytes segment = be16(4000) + be16(443) + be32(1) + be32(2) +
                    Bytes{static_cast<uint8_t>(words << 4), flags} + be16(65535) + be16(0) +
                    be16(0) + options + data;
    const Bytes sum = be16(tcp_sum(pseudo, segment));
    std::copy(sum.begin(), sum.end(), segment.begin() + kChecksumAt);
    return segment;
}
Bytes tcp4(uint8_t flags, const Bytes& options, const Bytes& data = {}) {
    return tcp(octets(kHost4) + octets(kRemote4), flags, options, data);
}
Bytes tcp6(uint8_t flags, const Bytes& options, const Bytes& data = {}) {
    return tcp(octets(kHost6) + octets(kRemote6), flags, options, data);
}
Bytes packet4(const Bytes& segment, uint16_t flags_fragment = wire::kIpv4DontFragment,
              const Bytes& options = {}) {
    Ipv4Spec spec{kHost4, kRemote4};
    spec.protocol = wire::kProtoTcp;
    spec.flags_fragment = flags_fragment;
    spec.options = options;
    return ipv4(spec, segment);
}
Bytes packet6(const Bytes& segment, uint8_t next = wire::kProtoTcp) {
    Ipv6Spec spec{kHost6, kRemote6};
    spec.next = next;
    return ipv6(spec, segment);
}
Bytes mss(unsigned value) {
    return Bytes{2, 4} + be16(value);
}
// An extension header of eight octets.
Bytes extension(uint8_t next) {
    return Bytes{next, 0, 1, 4, 0, 0, 0, 0};
}
Bytes fragment_header(uint16_t offset_flags) {
    return Bytes{wire::kProtoTcp, 0} + be16(offset_flags) + be32(9);
}

struct ClampRow {
    const char* what;
    Bytes packet;
    bool six;
    int value_at; // where the MSS is that must become 1360; -1: nothing changes
};

const Bytes kUsual = mss(1460) + Bytes{1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
const Bytes kOdd = Bytes{3, 3, 7} + mss(1460) + Bytes{1};

std::vector<ClampRow> rows4() {
    Bytes udp_packet = packet4(tcp4(kSyn, mss(1460)));
    udp_packet[9] = wire::kProtoUdp;
    Bytes short_offset = packet4(tcp4(kSyn, mss(1460)));
    short_offset[32] = 0x40;
    Bytes long_offset = packet4(tcp4(kSyn, mss(1460)));
    long_offset[32] = 0x70;
    return {
        {"SYN", packet4(tcp4(kSyn, mss(1460))), false, 42},
        {"SYN-ACK with the usual options", packet4(tcp4(kSynAck, kUsual)), false, 42},
        {"SYN with data", packet4(tcp4(kSyn, mss(9000), ramp(13))), false, 42},
        {"behind IP options", packet4(tcp4(kSyn, mss(1460)), 0, {7, 7, 4, 0, 0, 0, 0, 0}), false,
         50},
        {"at an odd octet", packet4(tcp4(kSyn, kOdd)), false, 45},
        {"behind NOPs", packet4(tcp4(kSyn, Bytes{1, 1, 1, 1} + mss(65535))), false, 46},
        {"first fragment", packet4(tcp4(kSyn, mss(1460), ramp(4)), 0x2000), false, 42},
        {"one over", packet4(tcp4(kSyn, mss(1361))), false, 42},
        {"exactly", packet4(tcp4(kSyn, mss(1360))), false, -1},
        {"one below is not raised", packet4(tcp4(kSyn, mss(1359))), false, -1},
        {"zero", packet4(tcp4(kSyn, mss(0))), false, -1},
        {"no options: none is added", packet4(tcp4(kSyn, {})), false, -1},
        {"other options only", packet4(tcp4(kSyn, {4, 2, 1, 1})), false, -1},
        {"no SYN", packet4(tcp4(kAck, mss(1460))), false, -1},
        {"not TCP", udp_packet, false, -1},
        {"later fragment", packet4(tcp4(kSyn, mss(1460)), 0x0010), false, -1},
        {"behind the end of options", packet4(tcp4(kSyn, Bytes{0, 0, 0, 0} + mss(1460))), false,
         -1},
        {"option of length 0 before", packet4(tcp4(kSyn, Bytes{9, 0, 1, 1} + mss(1460))), false,
         -1},
        {"option of length 1 before", packet4(tcp4(kSyn, Bytes{9, 1, 1, 1} + mss(1460))), false,
         -1},
        {"option beyond the header", packet4(tcp4(kSyn, Bytes{1, 1, 2, 4})), false, -1},
        {"option without length", packet4(tcp4(kSyn, Bytes{1, 1, 1, 2})), false, -1},
        {"MSS option of length 3", packet4(tcp4(kSyn, {2, 3, 255, 1})), false, -1},
        {"MSS option of length 6", packet4(tcp4(kSyn, {2, 6, 255, 255, 255, 255, 1, 1})), false,
         -1},
        {"data offset 4", short_offset, false, -1},
        {"data offset beyond the packet", long_offset, false, -1},
        {"no room for a TCP header", packet4(Bytes(19, 2)), false, -1},
        {"no payload", packet4({}), false, -1},
    };
}

std::vector<ClampRow> rows6() {
    const Bytes segment = tcp6(kSyn, mss(1460));
    Bytes chain;
    for (int n = 0; n < 9; ++n)
        chain += extension(n == 8 ? wire::kProtoTcp : wire::kProtoDestOptions);
    return {
        {"SYN", packet6(segment), true, 62},
        {"SYN-ACK", packet6(tcp6(kSynAck, kUsual)), true, 62},
        {"at an odd octet", packet6(tcp6(kSyn, kOdd)), true, 65},
        {"behind hop-by-hop and destination options",
         packet6(extension(wire::kProtoDestOptions) + extension(wire::kProtoTcp) + segment,
                 wire::kProtoHopByHop),
         true, 78},
        {"behind a routing header",
         packet6(extension(wire::kProtoTcp) + segment, wire::kProtoRouting), true, 70},
        {"first fragment", packet6(fragment_header(1) + segment, wire::kProtoFragment), true, 70},
        {"later fragment", packet6(fragment_header(0x0008) + segment, wire::kProtoFragment), true,
         -1},
        {"authenticated", packet6(Bytes{6, 0} + ramp(6) + segment, wire::kProtoAuth), true, -1},
        {"nine extension headers", packet6(chain + segment, wire::kProtoDestOptions), true, -1},
        {"extension header beyond the packet",
         packet6(Bytes{wire::kProtoTcp, 200} + ramp(30), wire::kProtoDestOptions), true, -1},
        {"extension header cut short", packet6(ramp(7), wire::kProtoDestOptions), true, -1},
        {"not TCP", packet6(segment, wire::kProtoUdp), true, -1},
        {"no SYN", packet6(tcp6(kAck, mss(1460))), true, -1},
    };
}

// A copy on the heap of exactly this size: the sanitizer sees every octet read beyond.
bool clamp_copy(const Bytes& packet, bool six, uint16_t most, Bytes& after) {
    const std::unique_ptr<uint8_t[]> copy(new uint8_t[packet.size()]);
    if (!packet.empty())
        std::memcpy(copy.get(), packet.data(), packet.size());
    const bool lowered = clamp_mss(copy.get(), static_cast<uint32_t>(packet.size()), six, most);
    after.assign(copy.get(), copy.get() + packet.size());
    return lowered;
}

// The sum of RFC 1071 over a segment does not change when an MSS and the checksum do.
bool sums_alike(const Bytes& a, const Bytes& b, std::size_t tcp_at) {
    const auto from = static_cast<std::ptrdiff_t>(tcp_at);
    return checksum({a.begin() + from, a.end()}) == checksum({b.begin() + from, b.end()});
}

void expect_clamped(const ClampRow& row) {
    SCOPED_TRACE(row.what);
    Bytes after;
    EXPECT_EQ(clamp_copy(row.packet, row.six, 1360, after), row.value_at >= 0);
    if (row.value_at < 0) {
        EXPECT_EQ(after, row.packet);
        return;
    }
    const auto at = static_cast<std::size_t>(row.value_at);
    EXPECT_EQ(after[at] << 8 | after[at + 1], 1360);
    Bytes differs;
    for (std::size_t i = 0; i < after.size(); ++i)
        if (after[i] != row.packet[i])
            differs.push_back(static_cast<uint8_t>(i));
    EXPECT_LE(differs.size(), 4u) << "only the MSS and the checksum";
    const std::size_t tcp_at = row.six ? 40 : (row.packet[0] & 0xfu) * 4u;
    if (!row.six || row.packet[6] == wire::kProtoTcp) {
        EXPECT_TRUE(sums_alike(after, row.packet, tcp_at));
    }
}

TEST(MssClamp, Table) {
    for (const ClampRow& row : rows4())
        expect_clamped(row);
    for (const ClampRow& row : rows6())
        expect_clamped(row);
}

TEST(MssClamp, ChecksumStaysRight) {
    std::mt19937 random(1);
    for (int n = 0; n < 20'000; ++n) {
        const auto value = static_cast<uint16_t>(random());
        const auto most = static_cast<uint16_t>(536 + random() % 8500);
        Bytes options(random() % 8, 1);
        options += mss(value);
        options.resize((options.size() + 3) / 4 * 4, 0);
        const bool six = random() % 2 != 0;
        const Bytes segment = six ? tcp6(kSyn, options, Bytes(random() % 3, 0x5a))
                                  : tcp4(kSyn, options, Bytes(random() % 3, 0x5a));
        Bytes after;
        EXPECT_EQ(clamp_copy(six ? packet6(segment) : packet4(segment), six, most, after),
                  value > most);
        const Bytes got(after.begin() + (six ? 40 : 20), after.end());
        const Bytes pseudo =
            six ? octets(kHost6) + octets(kRemote6) : octets(kHost4) + octets(kRemote4);
        ASSERT_EQ(tcp_sum(pseudo, got), 0) << value << " to " << most;
    }
}

// What is not an option list, cut anywhere. Under the sanitizer no octet beyond the buffer is
// read; and whatever was found, lengths stay and no MSS grows.
TEST(MssClamp, RandomOctets) {
    std::mt19937 random(2);
    for (int n = 0; n < 200'000; ++n) {
        const bool six = random() % 2 != 0;
        Bytes options(random() % 41);
        for (uint8_t& octet : options) // small numbers are kinds and lengths that occur
            octet = static_cast<uint8_t>(random() % 4 != 0 ? random() % 6 : random());
        Bytes packet = six ? packet6(tcp6(kSyn, options)) : packet4(tcp4(kSyn, options));
        if (random() % 2 != 0)
            packet.resize(random() % (packet.size() + 1));
        for (auto flips = random() % 3; flips != 0 && !packet.empty(); --flips)
            packet[random() % packet.size()] = static_cast<uint8_t>(random());
        Bytes after, again;
        const bool lowered = clamp_copy(packet, six, 1360, after);
        ASSERT_EQ(lowered, after != packet);
        ASSERT_FALSE(clamp_copy(after, six, 1360, again)) << "once is enough";
    }
}

// The MSS of the first frame, as it is on the VPC side or behind the feature's VLAN tag.
int announced(const Bytes& frame, bool six, std::size_t link) {
    const std::size_t at = link + (six ? 62 : 42);
    return frame.size() < at + 2 ? -1 : frame[at] << 8 | frame[at + 1];
}

struct WireRow {
    control::MssClamp clamp;
    uint16_t feature_mtu, attachment_mtu;
    int ipv4, ipv6; // what an MSS of 9000 becomes
};

TEST(MssClamp, OfAnAttachmentInBothDirections) {
    using Mode = control::MssClamp::Mode;
    const WireRow rows[] = {
        {{Mode::off, 0}, 1400, 1500, 9000, 9000},
        {{Mode::automatic, 0}, 1400, 1500, 1360, 1340},
        {{Mode::automatic, 0}, 1500, 1300, 1260, 1240},
        {{Mode::automatic, 0}, 1500, 1500, 1460, 1440},
        {{Mode::value, 1200}, 1500, 1500, 1200, 1200},
    };
    for (const WireRow& row : rows) {
        TestbedOptions options;
        options.mss_clamp = row.clamp;
        options.feature_mtu = row.feature_mtu;
        options.attachment_mtu = row.attachment_mtu;
        Testbed bed(std::move(options));
        for (const bool six : {false, true})
            for (const uint8_t flags : {kSyn, kSynAck}) {
                const uint16_t type = six ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4;
                const int want = six ? row.ipv6 : row.ipv4;
                const Bytes out =
                    six ? packet6(tcp6(flags, mss(9000))) : packet4(tcp4(flags, mss(9000)));
                bed.send(kVpc, bed.host_frame(out, type));
                auto frames = bed.received(kCh0);
                for (auto& more : bed.received(kCh1))
                    frames.push_back(more);
                ASSERT_EQ(frames.size(), 1u);
                EXPECT_EQ(announced(bed.open(frames[0]).value(), six, 18), want);
                Bytes in = out;
                std::swap_ranges(in.begin() + (six ? 8 : 12), in.begin() + (six ? 24 : 16),
                                 in.begin() + (six ? 24 : 16));
                bed.send(kCh0, bed.protect(bed.peer_frame(in, type)));
                frames = bed.received(kVpc);
                ASSERT_EQ(frames.size(), 1u);
                EXPECT_EQ(announced(frames[0], six, 14), want);
            }
        const auto counters = bed.control().attachment_counters(bed.attachment());
        const uint64_t clamped = row.clamp.mode == Mode::off ? 0 : 4;
        EXPECT_EQ(counters.egress.mss_clamped, clamped);
        EXPECT_EQ(counters.ingress.mss_clamped, clamped);
        EXPECT_EQ(bed.total_drops(), 0u);
    }
}

} // namespace
} // namespace isthmus::test
