// The first octets of the input choose the engine, the operations of a batch (lengths, alignments,
// key, what is forged); the rest is their content. Every engine must seal as one-shot calls of
// libcrypto do, and open what is genuine and nothing else, in memory with the slack of the contract
// and nothing more, where AddressSanitizer sees any other access.
#include "macsec/aead.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

namespace {

using namespace isthmus::macsec;

constexpr std::size_t kSaks = 4;
constexpr uint32_t kLongest = 9244;

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Octets of the input, and zeros after its end.
class Input {
  public:
    Input(const uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    uint8_t octet() {
        if (at_ == size_)
            return 0;
        return data_[at_++];
    }
    uint32_t number() {
        const uint32_t high = octet();
        return high << 8 | octet();
    }
    [[nodiscard]] bool empty() const { return at_ == size_; }
    // From what is left, again and again, with a count in it so that blocks differ.
    void fill(uint8_t* to, std::size_t length) {
        const std::size_t left = size_ - at_;
        for (std::size_t i = 0; i < length; ++i)
            to[i] = static_cast<uint8_t>((left == 0 ? 0 : data_[at_ + i % left]) + i / 16);
    }

  private:
    const uint8_t* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};

std::vector<uint8_t> sak_octets(std::size_t index) {
    std::vector<uint8_t> octets(index % 2 == 0 ? 16 : 32);
    for (std::size_t i = 0; i < octets.size(); ++i)
        octets[i] = static_cast<uint8_t>(index * 101 + i * 17 + 5);
    return octets;
}

struct Engine {
    std::unique_ptr<Aead> aead;
    std::vector<std::unique_ptr<AeadKey>> saks;
};

std::vector<Engine> all_engines() {
    std::vector<Engine> engines;
    for (const auto& names : {aead_engines(), aead_engine_forms()})
        for (std::string_view name : names) {
            auto made = make_aead(name);
            if (!made)
                continue;
            Engine engine{*std::move(made), {}};
            for (std::size_t i = 0; i < kSaks; ++i)
                engine.saks.push_back(
                    engine.aead
                        ->make_key(i % 2 == 0 ? CipherSuite::gcm_aes_128 : CipherSuite::gcm_aes_256,
                                   sak_octets(i))
                        .value());
            engines.push_back(std::move(engine));
        }
    return engines;
}

struct Packet {
    std::size_t sak = 0;
    uint32_t aad_length = 0;
    uint32_t text_length = 0;
    std::size_t aad_offset = 0;
    std::size_t text_offset = 0;
    uint8_t forgery = 0; // 0 none, 1 AAD, 2 text, 3 ICV, 4 IV
    uint32_t forged_bit = 0;
    std::array<uint8_t, 12> iv{};
    std::unique_ptr<uint8_t[]> aad;
    std::unique_ptr<uint8_t[]> text;
    std::vector<uint8_t> plain;
    std::vector<uint8_t> sealed;
    std::array<uint8_t, kIcvLength> icv{};
    std::array<uint8_t, kIcvLength> expected_icv{};

    explicit Packet(Input& input);
    void seal_by_reference();
    AeadOp op(AeadKey& expanded);
    bool forge(AeadOp& op);
};

// Lengths as they are met: mostly short, at times anything.
uint32_t length_from(Input& input) {
    const uint32_t number = input.number();
    return number < 0xc000 ? number % 640 : number % (kLongest + 1);
}

Packet::Packet(Input& input) {
    sak = input.octet() % kSaks;
    const uint8_t shape = input.octet();
    aad_length = shape < 100 ? 28 : shape < 150 ? 20 : length_from(input);
    text_length = shape % 16 == 15 ? 0 : length_from(input);
    aad_offset = input.octet() % 64;
    text_offset = input.octet() % 64;
    forgery = input.octet() % 8;
    forged_bit = input.number();
    for (uint8_t& octet : iv)
        octet = input.octet();
    aad.reset(new uint8_t[aad_offset + aad_length + kAeadSlack]);
    text.reset(new uint8_t[text_offset + text_length + kAeadSlack]);
}

void Packet::seal_by_reference() {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    const std::vector<uint8_t> octets = sak_octets(sak);
    int length = 0;
    require(EVP_EncryptInit_ex(context.get(),
                               octets.size() == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), nullptr,
                               octets.data(), iv.data()) == 1);
    require(aad_length == 0 ||
            EVP_EncryptUpdate(context.get(), nullptr, &length, aad.get() + aad_offset,
                              static_cast<int>(aad_length)) == 1);
    sealed.resize(text_length);
    require(text_length == 0 ||
            EVP_EncryptUpdate(context.get(), sealed.data(), &length, plain.data(),
                              static_cast<int>(text_length)) == 1);
    require(EVP_EncryptFinal_ex(context.get(), nullptr, &length) == 1);
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kIcvLength,
                                expected_icv.data()) == 1);
}

AeadOp Packet::op(AeadKey& expanded) {
    AeadOp made{};
    made.sak = &expanded;
    made.aad = aad.get() + aad_offset;
    made.aad_length = aad_length;
    made.text = text.get() + text_offset;
    made.text_length = text_length;
    made.icv = icv.data();
    made.iv = iv;
    return made;
}

// Flips a bit; false if what was to be forged has none.
bool Packet::forge(AeadOp& made) {
    const auto flip = [this](uint8_t* octets, uint32_t length) {
        if (length != 0)
            octets[forged_bit / 8 % length] ^= static_cast<uint8_t>(1 << forged_bit % 8);
        return length != 0;
    };
    switch (forgery) {
    case 1:
        return flip(aad.get() + aad_offset, aad_length);
    case 2:
        return flip(made.text, text_length);
    case 3:
        return flip(icv.data(), kIcvLength);
    case 4:
        return flip(made.iv.data(), 12);
    default:
        return false;
    }
}

void check_seal(const Engine& engine, std::deque<Packet>& packets, std::vector<AeadOp>& ops) {
    engine.aead->seal(ops);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        require(std::ranges::equal(packets[i].sealed, std::span(ops[i].text, ops[i].text_length)));
        require(packets[i].icv == packets[i].expected_icv);
    }
}

void check_open(const Engine& engine, std::deque<Packet>& packets, std::vector<AeadOp>& ops) {
    std::vector<bool> forged;
    for (std::size_t i = 0; i < packets.size(); ++i)
        forged.push_back(packets[i].forge(ops[i]));
    engine.aead->open(ops);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        require(ops[i].authentic != forged[i]);
        if (!forged[i])
            require(
                std::ranges::equal(packets[i].plain, std::span(ops[i].text, ops[i].text_length)));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    static const std::vector<Engine> engines = all_engines();
    Input input(data, size);
    const Engine& engine = engines[input.octet() % engines.size()];
    const uint8_t control = input.octet();
    const std::size_t count = 1 + control % 24;
    std::deque<Packet> packets;
    while (packets.size() < count && (packets.empty() || !input.empty())) {
        Input again = input;
        packets.emplace_back(input);
        // Bursts of packets that are alike come from few octets.
        for (int alike = control / 64; alike > 0; --alike) {
            Input copy = again;
            packets.emplace_back(copy);
        }
    }
    std::vector<AeadOp> ops;
    for (Packet& packet : packets) {
        packet.plain.resize(packet.text_length);
        input.fill(packet.aad.get() + packet.aad_offset, packet.aad_length);
        input.fill(packet.plain.data(), packet.text_length);
        std::ranges::copy(packet.plain, packet.text.get() + packet.text_offset);
        packet.seal_by_reference();
        ops.push_back(packet.op(*engine.saks[packet.sak]));
    }
    check_seal(engine, packets, ops);
    check_open(engine, packets, ops);
    return 0;
}
