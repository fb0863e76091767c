#include "aead_reference.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

namespace isthmus::macsec::test {
namespace {

constexpr uint8_t kEdge = 0xe7;

void must(int result) {
    if (result != 1)
        throw std::runtime_error("libcrypto refused a call of the reference");
}

void seal_by_reference(Case& c) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    must(EVP_EncryptInit_ex(context.get(),
                            c.sak.size() == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), nullptr,
                            c.sak.data(), c.iv.data()));
    int length = 0;
    if (!c.aad.empty())
        must(EVP_EncryptUpdate(context.get(), nullptr, &length, c.aad.data(),
                               static_cast<int>(c.aad.size())));
    c.sealed.resize(c.plain.size());
    if (!c.plain.empty())
        must(EVP_EncryptUpdate(context.get(), c.sealed.data(), &length, c.plain.data(),
                               static_cast<int>(c.plain.size())));
    must(EVP_EncryptFinal_ex(context.get(), nullptr, &length));
    must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kIcvLength, c.icv.data()));
}

void fill(std::mt19937& random, auto& octets) {
    for (uint8_t& octet : octets)
        octet = static_cast<uint8_t>(random());
}

bool all_edge(const uint8_t* first, const uint8_t* last) {
    return std::all_of(first, last, [](uint8_t octet) { return octet == kEdge; });
}

} // namespace

std::vector<std::string> all_engine_names() {
    std::vector<std::string> names;
    for (const auto& list : {aead_engines(), aead_engine_forms()})
        names.insert(names.end(), list.begin(), list.end());
    return names;
}

void EngineTest::SetUp() {
    auto made = make_aead(GetParam());
    if (!made && made.error().code == ErrorCode::unavailable)
        GTEST_SKIP() << made.error().message;
    ASSERT_TRUE(made.has_value()) << made.error().message;
    aead_ = *std::move(made);
    EXPECT_EQ(aead_->name(), GetParam());
}

std::unique_ptr<AeadKey> EngineTest::key_for(const Octets& sak) const {
    return aead_
        ->make_key(sak.size() == 16 ? CipherSuite::gcm_aes_128 : CipherSuite::gcm_aes_256, sak)
        .value();
}

Case make_case(std::mt19937& random, const Octets& sak, std::size_t aad_length,
               std::size_t text_length) {
    Case c;
    c.sak = sak;
    c.aad.resize(aad_length);
    c.plain.resize(text_length);
    fill(random, c.iv);
    fill(random, c.aad);
    fill(random, c.plain);
    seal_by_reference(c);
    return c;
}

Packet::Packet(const Case& from, std::size_t aad_alignment, std::size_t text_alignment)
    : case_(&from), aad_alignment_(aad_alignment), text_alignment_(text_alignment),
      aad_(new uint8_t[aad_alignment + from.aad.size() + kAeadSlack]),
      text_(new uint8_t[text_alignment + from.plain.size() + kAeadSlack]), iv_(from.iv) {
    std::memset(aad_.get(), kEdge, aad_alignment + from.aad.size() + kAeadSlack);
    std::memset(text_.get(), kEdge, text_alignment + from.plain.size() + kAeadSlack);
    std::ranges::copy(from.aad, aad());
}

void Packet::load(const Octets& text_octets, const std::array<uint8_t, kIcvLength>& icv_octets) {
    std::ranges::copy(text_octets, text());
    icv_ = icv_octets;
}

AeadOp Packet::op(AeadKey& sak) {
    AeadOp op{};
    op.sak = &sak;
    op.aad = aad();
    op.aad_length = static_cast<uint32_t>(case_->aad.size());
    op.text = text();
    op.text_length = static_cast<uint32_t>(case_->plain.size());
    op.icv = icv_.data();
    op.iv = iv_;
    return op;
}

bool Packet::holds(const Octets& octets) const {
    return std::equal(octets.begin(), octets.end(), text_.get() + text_alignment_);
}

bool Packet::edges_are_whole() const {
    const uint8_t* aad_begin = aad_.get() + aad_alignment_;
    const uint8_t* aad_end = aad_begin + case_->aad.size();
    return all_edge(text_.get(), text_.get() + text_alignment_) &&
           all_edge(aad_.get(), aad_begin) &&
           std::equal(case_->aad.begin(), case_->aad.end(), aad_begin) &&
           all_edge(aad_end, aad_end + kAeadSlack);
}

void expect_agreement(const Aead& aead, const std::vector<Case>& cases,
                      const std::vector<AeadKey*>& saks, std::size_t first_alignment) {
    std::vector<Packet> packets;
    std::vector<AeadOp> ops;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        packets.emplace_back(cases[i], (first_alignment + 5 * i) % 64, (first_alignment + i) % 64);
        packets.back().load(cases[i].plain, {});
    }
    for (std::size_t i = 0; i < cases.size(); ++i)
        ops.push_back(packets[i].op(*saks[i]));
    aead.seal(ops);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::string what = "op " + std::to_string(i) + " of " + std::to_string(cases.size()) +
                                 ", AAD " + std::to_string(cases[i].aad.size()) + ", text " +
                                 std::to_string(cases[i].plain.size());
        ASSERT_TRUE(packets[i].holds(cases[i].sealed)) << "cipher text of " << what;
        ASSERT_TRUE(packets[i].has_icv()) << "ICV of " << what;
        ASSERT_TRUE(packets[i].edges_are_whole()) << what;
    }
    aead.open(ops);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        ASSERT_TRUE(ops[i].authentic) << i << ", text " << cases[i].plain.size();
        ASSERT_TRUE(packets[i].holds(cases[i].plain)) << i << ", text " << cases[i].plain.size();
        ASSERT_TRUE(packets[i].edges_are_whole()) << i;
    }
}

} // namespace isthmus::macsec::test
