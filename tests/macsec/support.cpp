#include "support.hpp"

#include <openssl/evp.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace isthmus::macsec {

std::ostream& operator<<(std::ostream& out, ValidateVerdict verdict) {
    constexpr const char* kNames[] = {"ok",     "no_tag",       "bad_tag", "not_controlled",
                                      "no_sci", "not_using_sa", "late",    "not_valid"};
    return out << kNames[static_cast<int>(verdict)];
}

std::ostream& operator<<(std::ostream& out, ProtectVerdict verdict) {
    constexpr const char* kNames[] = {"ok", "no_tx_sa", "pn_exhausted", "too_long"};
    return out << kNames[static_cast<int>(verdict)];
}

} // namespace isthmus::macsec

namespace isthmus::macsec::test {

Octets from_hex(std::string_view hex) {
    return tools::octets_from_hex(hex).value();
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

std::optional<XpnParameters> test_xpn(CipherSuite suite) {
    return is_xpn(suite) ? std::optional(kTestXpn) : std::nullopt;
}

Octets plain_frame(std::size_t user_octets, uint32_t seed) {
    Octets frame = from_hex("02112233445a");
    const Octets source = from_hex(kSourceAddress);
    const Octets user = random_octets(user_octets, seed);
    frame.insert(frame.end(), source.begin(), source.end());
    frame.insert(frame.end(), user.begin(), user.end());
    return frame;
}

Octets with_tags(const Octets& frame, const Octets& vlan_tags) {
    Octets tagged = frame;
    tagged.insert(tagged.begin() + 12, vlan_tags.begin(), vlan_tags.end());
    return tagged;
}

namespace {

void append_be(Octets& octets, uint64_t value, int count) {
    for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
        octets.push_back(static_cast<uint8_t>(value >> shift));
}

// Seals `text` in place and returns the ICV.
Octets gcm_seal(const Octets& sak, const Octets& iv, const Octets& aad, std::span<uint8_t> text) {
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

Octets recipe_iv(const FrameRecipe& recipe) {
    Octets iv;
    if (!recipe.xpn) {
        append_be(iv, recipe.sci.value, 8);
        append_be(iv, recipe.pn, 4);
        return iv;
    }
    append_be(iv, recipe.xpn->ssci, 4);
    append_be(iv, recipe.pn, 8);
    for (std::size_t i = 0; i < iv.size(); ++i)
        iv[i] ^= recipe.xpn->salt[i];
    return iv;
}

} // namespace

Octets build_frame(const FrameRecipe& recipe) {
    const auto user_begin = recipe.plain.begin() + 12;
    Octets text(user_begin, recipe.plain.end());
    Octets frame(recipe.plain.begin(), user_begin);
    append_be(frame, recipe.ether_type, 2);
    frame.push_back(recipe.tci | recipe.an);
    if (recipe.short_length >= 0)
        frame.push_back(static_cast<uint8_t>(recipe.short_length));
    else
        frame.push_back(text.size() < 48 ? static_cast<uint8_t>(text.size()) : uint8_t{0});
    append_be(frame, recipe.pn, 4);
    if ((recipe.tci & kTciExplicitSci) != 0)
        append_be(frame, recipe.sci.value, 8);

    const std::size_t clear =
        (recipe.tci & kTciEncrypted) != 0
            ? std::min<std::size_t>(recipe.confidentiality_offset, text.size())
            : text.size();
    Octets aad = frame;
    aad.insert(aad.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(clear));
    const Octets icv = gcm_seal(recipe.sak, recipe_iv(recipe), aad, std::span(text).subspan(clear));
    for (const Octets* part : std::initializer_list<const Octets*>{&text, &icv, &recipe.padding})
        frame.insert(frame.end(), part->begin(), part->end());
    return with_tags(frame, recipe.vlan_tags);
}

TxSide::TxSide(Sci sci, CipherSuite suite, uint8_t an, uint64_t next_pn, Octets sak)
    : Sender(engine()) {
    const tools::SaParameters parameters{suite, an, sak.empty() ? test_sak(suite) : sak, sci,
                                         test_xpn(suite)};
    const auto made =
        set_sa(parameters, std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker,
                                                           next_pn, last_pn(suite)));
    if (!made)
        throw std::runtime_error(made.error().message);
}

Octets TxSide::protect(const Octets& plain) {
    Sent sent = send(plain);
    EXPECT_EQ(sent.verdict, ProtectVerdict::ok);
    return std::move(sent.frame);
}

std::ostream& operator<<(std::ostream& out, const Counts& c) {
    const std::pair<const char*, uint64_t> all[] = {
        {"untagged", c.untagged},
        {"no_tag", c.no_tag},
        {"bad_tag", c.bad_tag},
        {"unknown_sci", c.unknown_sci},
        {"no_sci", c.no_sci},
        {"ok", c.ok},
        {"unchecked", c.unchecked},
        {"delayed", c.delayed},
        {"late", c.late},
        {"invalid", c.invalid},
        {"not_valid", c.not_valid},
        {"unused_sa", c.unused_sa},
        {"not_using_sa", c.not_using_sa},
        {"validated", c.validated},
        {"decrypted", c.decrypted},
        {"sa_ok", c.sa_ok},
        {"sa_invalid", c.sa_invalid},
        {"sa_not_valid", c.sa_not_valid},
        {"sa_unused_sa", c.sa_unused_sa},
        {"sa_not_using_sa", c.sa_not_using_sa},
    };
    out << "{";
    for (const auto& [name, value] : all)
        if (value != 0)
            out << " " << name << " " << value;
    return out << " }";
}

std::ostream& operator<<(std::ostream& out, const PnState& state) {
    return out << "next " << state.next << " lowest " << state.lowest;
}

RxSide::RxSide(CipherSuite suite) : Receiver(engine()), suite_(suite) {
    binding.xpn = is_xpn(suite);
}

RxSa& RxSide::add_sa(uint8_t an, Octets sak, uint64_t lowest_pn, uint32_t remembered) {
    const tools::SaParameters parameters{suite_, an, sak.empty() ? test_sak(suite_) : sak,
                                         bindings().back().sci, test_xpn(suite_)};
    const auto made = Receiver::add_sa(parameters, lowest_pn, remembered);
    if (!made)
        throw std::runtime_error(made.error().message);
    return **made;
}

Counts RxSide::counts(std::size_t sc_index, std::size_t sa_index) {
    Counts counts;
    counts.untagged = secy.in_pkts_untagged.get();
    counts.no_tag = secy.in_pkts_no_tag.get();
    counts.bad_tag = secy.in_pkts_bad_tag.get();
    counts.unknown_sci = secy.in_pkts_unknown_sci.get();
    counts.no_sci = secy.in_pkts_no_sci.get();
    if (sc_index < scs().size()) {
        const RxScCounters& c = sc(sc_index).counters;
        counts.ok = c.in_pkts_ok.get();
        counts.unchecked = c.in_pkts_unchecked.get();
        counts.delayed = c.in_pkts_delayed.get();
        counts.late = c.in_pkts_late.get();
        counts.invalid = c.in_pkts_invalid.get();
        counts.not_valid = c.in_pkts_not_valid.get();
        counts.unused_sa = c.in_pkts_unused_sa.get();
        counts.not_using_sa = c.in_pkts_not_using_sa.get();
        counts.validated = c.in_octets_validated.get();
        counts.decrypted = c.in_octets_decrypted.get();
    }
    if (sa_index < sas().size()) {
        const RxSaCounters& c = sa(sa_index).counters;
        counts.sa_ok = c.in_pkts_ok.get();
        counts.sa_invalid = c.in_pkts_invalid.get();
        counts.sa_not_valid = c.in_pkts_not_valid.get();
        counts.sa_unused_sa = c.in_pkts_unused_sa.get();
        counts.sa_not_using_sa = c.in_pkts_not_using_sa.get();
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
