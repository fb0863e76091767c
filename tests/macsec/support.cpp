#include "support.hpp"

#include <openssl/evp.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace isthmus::macsec {

std::ostream& operator<<(std::ostream& out, ValidateVerdict verdict) {
    constexpr const char* kNames[] = {"ok",     "no_tag",       "bad_tag", "not_controlled",
                                      "no_sci", "not_using_sa", "late",    "not_valid"};
    return out << kNames[static_cast<int>(verdict)];
}

} // namespace isthmus::macsec

namespace isthmus::macsec::test {

Octets from_hex(std::string_view hex) {
    Octets octets;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        octets.push_back(
            static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return octets;
}

std::string to_hex(std::span<const uint8_t> octets) {
    std::string text;
    for (uint8_t octet : octets) {
        text += "0123456789abcdef"[octet >> 4];
        text += "0123456789abcdef"[octet & 0xf];
    }
    return text;
}

Octets random_octets(std::size_t count, uint32_t seed) {
    std::mt19937 random(seed);
    Octets octets(count);
    for (uint8_t& octet : octets)
        octet = static_cast<uint8_t>(random());
    return octets;
}

const Aead& engine() {
    static const std::unique_ptr<Aead> aead = [] {
        auto made = make_aead("auto");
        if (!made)
            throw std::runtime_error(made.error().message);
        return *std::move(made);
    }();
    return *aead;
}

Octets test_sak(CipherSuite suite, uint32_t seed) {
    return random_octets(sak_length(suite), 0x5a000000 + seed);
}

HeapFrame::HeapFrame(std::span<const uint8_t> frame, std::size_t head, std::size_t tail)
    : head_(head), length_(static_cast<uint32_t>(frame.size())), size_(head + frame.size() + tail),
      memory_(new uint8_t[size_]()) {
    std::ranges::copy(frame, data());
}

bool HeapFrame::holds(const uint8_t* frame, uint32_t length) const {
    return frame >= memory_.get() && frame + length <= memory_.get() + size_;
}

Octets plain_frame(std::size_t user_octets, uint32_t seed) {
    Octets frame = from_hex("02112233445a");
    const Octets source = from_hex(kSourceAddress);
    const Octets user = random_octets(user_octets, seed);
    frame.insert(frame.end(), source.begin(), source.end());
    frame.insert(frame.end(), user.begin(), user.end());
    return frame;
}

namespace {

void append_be(Octets& octets, uint64_t value, int count) {
    for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
        octets.push_back(static_cast<uint8_t>(value >> shift));
}

// Seals `text` in place and returns the ICV.
Octets gcm_seal(const Octets& sak, const Octets& iv, const Octets& aad, Octets& text) {
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    const EVP_CIPHER* cipher = sak.size() == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    Octets icv(kIcvLength);
    int done = 0;
    bool ok =
        EVP_EncryptInit_ex(context, cipher, nullptr, sak.data(), iv.data()) == 1 &&
        EVP_EncryptUpdate(context, nullptr, &done, aad.data(), static_cast<int>(aad.size())) == 1;
    if (!text.empty())
        ok = ok && EVP_EncryptUpdate(context, text.data(), &done, text.data(),
                                     static_cast<int>(text.size())) == 1;
    uint8_t nothing[16];
    ok = ok && EVP_EncryptFinal_ex(context, nothing, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(icv.size()),
                             icv.data()) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!ok)
        throw std::runtime_error("EVP refused to seal a test frame");
    return icv;
}

} // namespace

Octets build_frame(const FrameRecipe& recipe) {
    const auto user_begin = recipe.plain.begin() + 12;
    Octets text(user_begin, recipe.plain.end());
    Octets frame(recipe.plain.begin(), user_begin);
    append_be(frame, 0x88e5, 2);
    frame.push_back(recipe.tci | recipe.an);
    if (recipe.short_length >= 0)
        frame.push_back(static_cast<uint8_t>(recipe.short_length));
    else
        frame.push_back(text.size() < 48 ? static_cast<uint8_t>(text.size()) : uint8_t{0});
    append_be(frame, recipe.pn, 4);
    if ((recipe.tci & kTciExplicitSci) != 0)
        append_be(frame, recipe.sci.value, 8);

    Octets iv;
    append_be(iv, recipe.sci.value, 8);
    append_be(iv, recipe.pn, 4);
    Octets aad = frame;
    Octets icv;
    if ((recipe.tci & kTciEncrypted) != 0) {
        icv = gcm_seal(recipe.sak, iv, aad, text);
    } else {
        Octets nothing;
        aad.insert(aad.end(), text.begin(), text.end());
        icv = gcm_seal(recipe.sak, iv, aad, nothing);
    }
    for (const Octets* part : std::initializer_list<const Octets*>{&text, &icv, &recipe.padding})
        frame.insert(frame.end(), part->begin(), part->end());
    return frame;
}

TxSide::TxSide(Sci sci, CipherSuite suite, uint8_t an, uint64_t next_pn, Octets sak) {
    sc.sci = sci;
    auto made = make_tx_sa(engine(), suite, an, sak.empty() ? test_sak(suite) : sak, next_pn);
    if (!made)
        throw std::runtime_error(made.error().message);
    sa = *std::move(made);
    binding = {&sc, sa.get()};
}

Octets TxSide::protect(const Octets& plain) {
    HeapFrame memory(plain, kSecTagLength, kIcvLength);
    ProtectFrame frame{memory.data(), memory.length(), &binding};
    macsec::protect(engine(), std::span(&frame, 1));
    EXPECT_EQ(frame.verdict, ProtectVerdict::ok);
    EXPECT_TRUE(memory.holds(frame.frame, frame.length));
    return Octets(frame.frame, frame.frame + frame.length);
}

std::ostream& operator<<(std::ostream& out, const Counts& c) {
    return out << "no_tag " << c.no_tag << " bad_tag " << c.bad_tag << " no_sci " << c.no_sci
               << " ok " << c.ok << " delayed " << c.delayed << " late " << c.late << " not_valid "
               << c.not_valid << " not_using_sa " << c.not_using_sa << " octets " << c.octets
               << " sa_ok " << c.sa_ok << " sa_not_valid " << c.sa_not_valid;
}

void RxSide::add_sc(Sci sci) {
    scs_.emplace_back().sci = sci;
    bindings_.push_back({sci, &scs_.back(), {}});
    binding.scs = bindings_;
}

RxSa& RxSide::add_sa(uint8_t an, Octets sak, uint64_t lowest_pn, CipherSuite suite) {
    auto made = make_rx_sa(engine(), suite, an, sak, lowest_pn);
    if (!made)
        throw std::runtime_error(made.error().message);
    sas_.push_back(*std::move(made));
    bindings_.back().sa[an] = sas_.back().get();
    return *sas_.back();
}

ValidateFrame RxSide::input(HeapFrame& frame) {
    return {frame.data(), frame.length(), &binding, &secy};
}

Validated RxSide::validate(const Octets& frame) {
    return validate_batch({frame}).front();
}

std::vector<Validated> RxSide::validate_batch(const std::vector<Octets>& frames) {
    std::deque<HeapFrame> memories;
    std::vector<ValidateFrame> batch;
    for (const Octets& frame : frames)
        batch.push_back(input(memories.emplace_back(frame)));
    macsec::validate(engine(), batch);
    std::vector<Validated> results;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        Validated& result = results.emplace_back();
        result.verdict = batch[i].verdict;
        if (result.verdict != ValidateVerdict::ok)
            continue;
        EXPECT_TRUE(memories[i].holds(batch[i].frame, batch[i].length));
        result.frame.assign(batch[i].frame, batch[i].frame + batch[i].length);
    }
    return results;
}

Counts RxSide::counts() const {
    Counts counts;
    counts.no_tag = secy.in_pkts_no_tag.get();
    counts.bad_tag = secy.in_pkts_bad_tag.get();
    counts.no_sci = secy.in_pkts_no_sci.get();
    if (!scs_.empty()) {
        const RxScCounters& sc = scs_.front().counters;
        counts.ok = sc.in_pkts_ok.get();
        counts.delayed = sc.in_pkts_delayed.get();
        counts.late = sc.in_pkts_late.get();
        counts.not_valid = sc.in_pkts_not_valid.get();
        counts.not_using_sa = sc.in_pkts_not_using_sa.get();
        counts.octets = sc.in_octets_decrypted.get();
    }
    if (!sas_.empty()) {
        counts.sa_ok = sas_.front()->in_pkts_ok.get();
        counts.sa_not_valid = sas_.front()->in_pkts_not_valid.get();
    }
    return counts;
}

std::unique_ptr<RxSide> peer_rx_side(uint64_t lowest_pn) {
    auto side = std::make_unique<RxSide>();
    side->add_sc(kPeerSci);
    side->add_sa(0, test_sak(), lowest_pn);
    return side;
}

} // namespace isthmus::macsec::test
