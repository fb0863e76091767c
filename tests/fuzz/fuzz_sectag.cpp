// Arbitrary octets, and genuine frames with arbitrary changes, into the receiving side of a SecY.
// The first octet of the input chooses between the two and the receive binding.
#include "macsec/sectag.hpp"
#include "macsec/secy.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace {

using namespace isthmus;
using namespace isthmus::macsec;

constexpr std::size_t kMaximumFrame = 2048;
constexpr Sci kScis[] = {{0x02aabbccdd0e0001}, {0x02aabbccdd0e0000}, {0x1122334455660003}};
constexpr std::array<uint8_t, 16> kSak = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Every SC has SAs with AN 0 and 1, all with one SAK, so that the fuzzer needs no luck to reach the
// cipher.
struct Peer {
    std::unique_ptr<Aead> aead = make_aead("auto").value();
    std::array<RxSc, std::size(kScis)> scs;
    std::array<RxScBinding, std::size(kScis)> bindings;
    std::vector<std::unique_ptr<RxSa>> sas;
    std::unique_ptr<TxSa> tx_sa = make_tx_sa(*aead, CipherSuite::gcm_aes_128, 0, kSak, 1).value();
    TxSc tx_sc{.sci = kScis[0], .counters = {}};
    TxBinding tx{&tx_sc, tx_sa.get()};
    SecyCounters secy;

    Peer() {
        for (std::size_t i = 0; i < scs.size(); ++i) {
            scs[i].sci = kScis[i];
            bindings[i] = {kScis[i], &scs[i], {}};
            for (uint8_t an = 0; an < 2; ++an) {
                sas.push_back(make_rx_sa(*aead, CipherSuite::gcm_aes_128, an, kSak, 1).value());
                bindings[i].sa[an] = sas.back().get();
            }
        }
    }
    // Each input starts from the same state, or a finding could not be reproduced.
    void reset() {
        tx_sa->next_pn.set(1);
        for (auto& sa : sas) {
            sa->next_pn.set(1);
            sa->lowest_pn.set(1);
        }
    }
};

// Exactly as long as the frame, so that AddressSanitizer sees the first octet beyond it.
struct Exact {
    explicit Exact(std::span<const uint8_t> from)
        : memory(new uint8_t[from.size()]), length(static_cast<uint32_t>(from.size())) {
        std::ranges::copy(from, memory.get());
    }
    std::unique_ptr<uint8_t[]> memory;
    uint32_t length;
};

// The tag's claims lie inside the frame.
void check_tag(std::span<const uint8_t> octets) {
    const Exact frame(octets);
    const SecTag tag = parse_sectag(frame.memory.get(), frame.length);
    if (tag.verdict != TagVerdict::ok)
        return;
    require(tag.secure_length >= 1 && tag.pn != 0 && tag.an < kAssociationNumbers);
    require(tag.secure_offset == 12 + tag.tag_length);
    require(uint64_t{tag.secure_offset} + tag.secure_length + kIcvLength <= frame.length);
}

// What was accepted must be what sealing the result again gives: an answer by the other direction
// of the cipher that nothing unauthenticated came through.
void check_accepted(Peer& peer, std::span<const uint8_t> octets, const ValidateFrame& accepted) {
    const Exact original(octets);
    const SecTag tag = parse_sectag(original.memory.get(), original.length);
    require(tag.verdict == TagVerdict::ok);
    require((tag.tci & kTciEncrypted) != 0 && (tag.tci & kTciChangedText) != 0);
    require(accepted.length == 12 + tag.secure_length);
    require(std::memcmp(accepted.frame, octets.data(), 12) == 0);

    std::vector<uint8_t> text(accepted.frame + 12, accepted.frame + accepted.length);
    std::array<uint8_t, kIcvLength> icv{};
    AeadOp op;
    op.sak = peer.sas.front()->sak.get();
    op.aad = octets.data();
    op.aad_length = tag.secure_offset;
    op.text = text.data();
    op.text_length = tag.secure_length;
    op.icv = icv.data();
    const Be64 sci = tag.sci_known ? tag.sci.value : kScis[0].value;
    std::memcpy(op.iv.data(), &sci, 8);
    std::memcpy(op.iv.data() + 8, octets.data() + 16, 4);
    peer.aead->seal(std::span(&op, 1));
    require(std::memcmp(text.data(), octets.data() + tag.secure_offset, text.size()) == 0);
    require(std::memcmp(icv.data(), octets.data() + tag.secure_offset + text.size(), 16) == 0);
}

ValidateVerdict receive(Peer& peer, std::span<const uint8_t> octets, uint8_t choice) {
    const Exact memory(octets);
    RxBinding rx;
    rx.scs = std::span(peer.bindings).first((choice & 2) != 0 ? 1 : peer.bindings.size());
    rx.replay_protect = (choice & 4) != 0;
    rx.replay_window = (choice & 8) != 0 ? 64 : 0;
    ValidateFrame frame{memory.memory.get(), memory.length, &rx, &peer.secy};
    validate(*peer.aead, std::span(&frame, 1));
    if (frame.verdict == ValidateVerdict::ok) {
        require(frame.frame >= memory.memory.get());
        require(frame.frame + frame.length <= memory.memory.get() + memory.length);
        check_accepted(peer, octets, frame);
    }
    return frame.verdict;
}

// Input: octet pairs (position, XOR) up to a pair of zeros, then DA, SA and User Data.
void receive_altered(Peer& peer, std::span<const uint8_t> input, uint8_t choice) {
    std::size_t changes = 0;
    while (2 * changes + 1 < input.size() && (input[2 * changes] | input[2 * changes + 1]) != 0)
        ++changes;
    const auto plain = input.subspan(std::min(input.size(), 2 * changes + 2));
    if (plain.size() < 14)
        return;
    std::vector<uint8_t> wire(kSecTagLength + plain.size() + kIcvLength);
    std::ranges::copy(plain, wire.begin() + kSecTagLength);
    ProtectFrame outgoing{wire.data() + kSecTagLength, static_cast<uint32_t>(plain.size()),
                          &peer.tx};
    protect(*peer.aead, std::span(&outgoing, 1));
    require(outgoing.verdict == ProtectVerdict::ok && outgoing.length == wire.size());

    std::vector<uint8_t> altered = wire;
    for (std::size_t i = 0; i < changes; ++i)
        altered[input[2 * i] % altered.size()] ^= input[2 * i + 1];
    const bool accepted = receive(peer, altered, choice) == ValidateVerdict::ok;
    require(accepted == (altered == wire));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    static Peer peer;
    if (size == 0 || size > kMaximumFrame)
        return 0;
    peer.reset();
    const uint8_t choice = data[0];
    const std::span<const uint8_t> input(data + 1, size - 1);
    if ((choice & 1) != 0) {
        receive_altered(peer, input, choice);
    } else {
        check_tag(input);
        receive(peer, input, choice);
    }
    return 0;
}
