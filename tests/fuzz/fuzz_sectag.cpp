// Arbitrary octets, and genuine frames with arbitrary changes, into the receiving side of a SecY of
// any configuration. The first octets of the input choose it.
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"
#include "macsec/tools/secy_pair.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

namespace {

using namespace isthmus;
using namespace isthmus::macsec;
using tools::Octets;
using tools::Receiver;
using tools::Sender;

constexpr std::size_t kMaximumFrame = 2048;
constexpr Sci kScis[] = {{0x02aabbccdd0e0001}, {0x02aabbccdd0e0000}, {0x1122334455660003}};
constexpr std::array<uint8_t, 6> kSourceAddress = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x0e};
constexpr XpnParameters kXpn{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 7};
constexpr uint8_t kOffsets[] = {0, 30, 50, 255};
constexpr uint32_t kWindows[] = {0, 64, 1000, (1u << 30) - 1};
constexpr uint8_t kForms[] = {kTciExplicitSci, kTciEndStation, kTciSingleCopyBroadcast, 0};

void require(bool condition) {
    if (!condition)
        std::abort();
}

const Aead& engine() {
    static const std::unique_ptr<Aead> aead = make_aead("auto").value();
    return *aead;
}

// Numbers from the head of the input.
class Choices {
  public:
    explicit Choices(std::span<const uint8_t> input) : rest_(input) {}
    uint8_t next(uint8_t limit) {
        if (rest_.empty())
            return 0;
        const uint8_t octet = rest_.front();
        rest_ = rest_.subspan(1);
        return octet % limit;
    }
    [[nodiscard]] std::span<const uint8_t> rest() const { return rest_; }

  private:
    std::span<const uint8_t> rest_;
};

struct Configuration {
    CipherSuite suite;
    RxBinding rx;
    TagFormat format;
    std::size_t sc_count;
    bool remember;
    bool in_use;

    explicit Configuration(Choices& choices) {
        suite = kCipherSuites[choices.next(4)];
        rx.validate_frames = static_cast<ValidateFrames>(choices.next(4));
        rx.replay_protect = choices.next(2) == 0;
        rx.replay_window = kWindows[choices.next(4)];
        rx.confidentiality_offset = kOffsets[choices.next(4)];
        rx.vlan_in_clear = choices.next(4);
        rx.ether_type = choices.next(4) == 0 ? uint16_t{0x876f} : wire::kEtherTypeMacsec;
        rx.xpn = is_xpn(suite);
        sc_count = choices.next(4);
        remember = choices.next(2) == 0 && rx.replay_window <= 1000;
        in_use = choices.next(8) != 0;
        const uint8_t protection = choices.next(2) == 0 ? 0 : kTciEncrypted | kTciChangedText;
        format = {static_cast<uint8_t>(kForms[choices.next(4)] | protection),
                  rx.confidentiality_offset, rx.vlan_in_clear, rx.ether_type};
    }
    [[nodiscard]] tools::SaParameters sa(Sci sci, uint8_t an) const {
        return {suite, an, Octets(sak_length(suite), 0x61), sci,
                rx.xpn ? std::optional(kXpn) : std::nullopt};
    }
    [[nodiscard]] TagRules rules() const {
        return {rx.ether_type, rx.xpn, std::min(rx.vlan_in_clear, kClearTagsMax)};
    }
};

SecTag parse(const Configuration& configuration, std::span<const uint8_t> octets) {
    tools::HeapFrame frame(octets, 0, 0);
    const SecTag tag = parse_sectag(frame.data(), frame.length(), configuration.rules());
    if (tag.verdict != TagVerdict::ok)
        return tag;
    // The tag's claims lie inside the frame.
    require(tag.secure_length >= 1 && tag.an < kAssociationNumbers);
    require(tag.pn != 0 || configuration.rx.xpn);
    require(tag.secure_offset > tag.tag_offset && tag.tag_offset >= wire::kMacPairLength);
    require(uint64_t{tag.secure_offset} + tag.secure_length + kIcvLength <= octets.size());
    return tag;
}

// Protects with the given tag form and PN.
Octets protect_once(const Configuration& configuration, const TagFormat& format, uint8_t an,
                    Sci sci, uint64_t pn, const Octets& plain) {
    Sender sender(engine());
    const auto numbers = [](uint64_t only) {
        return std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, only, only);
    };
    require(sender.set_sa(configuration.sa(sci, an), numbers(1)).has_value());
    sender.sa->pn = numbers(pn);
    sender.binding.format = format;
    Sender::Sent sent = sender.send(plain);
    require(sent.verdict == ProtectVerdict::ok);
    return std::move(sent.frame);
}

// What was accepted as valid must be what protecting the result again gives: an answer by the other
// direction of the cipher that nothing unauthenticated came through.
void check_valid(const Configuration& configuration, std::span<const uint8_t> octets,
                 const Octets& delivered) {
    const SecTag tag = parse(configuration, octets);
    require(tag.verdict == TagVerdict::ok);
    TagFormat format = configuration.format;
    format.tci = tag.tci;
    format.vlan_in_clear =
        static_cast<uint8_t>((tag.tag_offset - wire::kMacPairLength) / wire::kVlanTagLength);
    const Octets again = protect_once(configuration, format, tag.an,
                                      tag.sci_known ? tag.sci : kScis[0], tag.pn, delivered);
    require(again.size() <= octets.size());
    require(std::equal(again.begin(), again.end(), octets.begin()));
}

// One frame is counted once, or not at all under null and with E = 1, C = 0.
void check_counters(Receiver& receiver, ValidateVerdict verdict) {
    const SecyCounters& secy = receiver.secy;
    uint64_t sum = secy.in_pkts_untagged.get() + secy.in_pkts_no_tag.get() +
                   secy.in_pkts_bad_tag.get() + secy.in_pkts_unknown_sci.get() +
                   secy.in_pkts_no_sci.get();
    for (const RxSc& sc : receiver.scs()) {
        const RxScCounters& c = sc.counters;
        sum += c.in_pkts_ok.get() + c.in_pkts_unchecked.get() + c.in_pkts_delayed.get() +
               c.in_pkts_late.get() + c.in_pkts_invalid.get() + c.in_pkts_not_valid.get() +
               c.in_pkts_unused_sa.get() + c.in_pkts_not_using_sa.get();
    }
    const bool counted = receiver.binding.validate_frames != ValidateFrames::null &&
                         verdict != ValidateVerdict::not_controlled;
    require(sum == (counted ? 1 : 0));
}

Receiver::Received receive(const Configuration& configuration, std::span<const uint8_t> octets) {
    Receiver receiver(engine());
    receiver.binding = configuration.rx;
    for (std::size_t i = 0; i < configuration.sc_count; ++i)
        for (uint8_t an = 0; an < 2; ++an) {
            const uint32_t remembered = configuration.remember ? configuration.rx.replay_window : 0;
            require(receiver.add_sa(configuration.sa(kScis[i], an), 1, remembered).has_value());
            receiver.set_in_use(kScis[i], an, configuration.in_use || an == 0);
        }
    Receiver::Received received = receiver.receive(octets);
    check_counters(receiver, received.verdict);
    uint64_t valid = 0;
    uint64_t moved = 0;
    for (const RxSc& sc : receiver.scs())
        valid += sc.counters.in_pkts_ok.get();
    for (const auto& sa : receiver.sas())
        moved += sa->replay.next_pn() != 1;
    require(moved == valid);
    if (valid != 0)
        check_valid(configuration, octets, received.frame);
    if (received.verdict == ValidateVerdict::ok)
        require(received.frame.size() <= octets.size());
    if (configuration.rx.validate_frames == ValidateFrames::null)
        require(std::ranges::equal(received.frame, octets));
    return received;
}

// Input: octet pairs (position, XOR) up to a pair of zeros, then DA, SA and User Data.
void receive_altered(Configuration configuration, std::span<const uint8_t> input) {
    std::size_t changes = 0;
    while (2 * changes + 1 < input.size() && (input[2 * changes] | input[2 * changes + 1]) != 0)
        ++changes;
    const auto rest = input.subspan(std::min(input.size(), 2 * changes + 2));
    if (rest.size() <= wire::kMacPairLength)
        return;
    Octets plain(rest.begin(), rest.end());
    configuration.sc_count = 1;
    configuration.rx.validate_frames = ValidateFrames::strict;
    // A tag without SCI implies the one of the source address: of the first SC, or the second.
    const uint8_t implied = configuration.format.tci & (kTciEndStation | kTciSingleCopyBroadcast);
    if (implied != 0)
        std::ranges::copy(kSourceAddress, plain.begin() + 6);
    const bool broadcast = (implied & kTciSingleCopyBroadcast) != 0;
    configuration.sc_count = broadcast ? 2 : 1;
    const Sci sci = kScis[broadcast ? 1 : 0];
    const Octets wire = protect_once(configuration, configuration.format, 0, sci, 1, plain);

    Octets altered = wire;
    for (std::size_t i = 0; i < changes; ++i)
        altered[input[2 * i] % altered.size()] ^= input[2 * i + 1];
    const Receiver::Received received = receive(configuration, altered);
    if (altered == wire) {
        require(received.verdict == ValidateVerdict::ok);
        require(received.frame == plain);
    } else if (received.verdict == ValidateVerdict::ok) {
        // Only tags in clear may differ.
        const SecTag tag = parse(configuration, altered);
        altered.erase(altered.begin() + 12, altered.begin() + tag.tag_offset);
        Octets original = wire;
        original.erase(original.begin() + 12, original.begin() + tag.tag_offset);
        require(altered == original);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    if (size > kMaximumFrame)
        return 0;
    Choices choices(std::span(data, size));
    const bool genuine = choices.next(2) != 0;
    const Configuration configuration(choices);
    if (genuine) {
        receive_altered(configuration, choices.rest());
    } else {
        parse(configuration, choices.rest());
        (void)receive(configuration, choices.rest());
    }
    return 0;
}
