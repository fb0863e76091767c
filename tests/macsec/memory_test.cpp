// What the workers may not do (allocate) and what destruction must do (wipe).
#include "macsec/protect.hpp"
#include "memory_hooks.hpp"
#include "support.hpp"

#include "macsec/fingerprint.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <gtest/gtest.h>

#include <thread>

namespace isthmus::macsec::test {
namespace {

constexpr std::size_t kFrames = 100'000;
constexpr std::size_t kBurst = 32;

// Protects and validates kFrames frames on this thread, every fourth one forged on its way and
// every fifth one refused before the cipher; returns how many allocations that took.
uint64_t allocations_of_traffic(TxSide& tx, RxSide& rx) {
    constexpr uint32_t kLength = 12 + 100;
    constexpr std::size_t kSlot = kSecTagLength + kLength + kIcvLength + kAeadSlack;
    std::vector<uint8_t> memory(kBurst * kSlot);
    std::vector<ProtectFrame> outgoing(kBurst);
    std::vector<ValidateFrame> incoming(kBurst);
    std::size_t accepted = 0;

    const uint64_t before = allocations();
    for (std::size_t done = 0; done < kFrames; done += kBurst) {
        for (std::size_t i = 0; i < kBurst; ++i)
            outgoing[i] = {&memory[i * kSlot + kSecTagLength], kLength, ProtectVerdict::ok};
        ProtectBatch batch;
        batch.add(tx.binding, tx.secy, UINT32_MAX, ProtectFrames(outgoing));
        batch.seal(engine());
        for (std::size_t i = 0; i < kBurst; ++i) {
            incoming[i] = {outgoing[i].frame, outgoing[i].length, ValidateVerdict::ok};
            if (i % 4 == 3)
                incoming[i].frame[40] ^= 1;
            if (i % 5 == 4)
                incoming[i].frame[14] ^= 1; // another AN
        }
        validate(engine(), rx.binding, rx.secy, incoming);
        for (const ValidateFrame& frame : incoming)
            accepted += frame.verdict == ValidateVerdict::ok ? 1 : 0;
    }
    const uint64_t after = allocations();
    EXPECT_EQ(accepted, rx.counts().ok);
    EXPECT_EQ(accepted, kFrames / kBurst * 19);
    EXPECT_EQ(rx.counts().not_valid, kFrames / kBurst * 7);
    return after - before;
}

TEST(HotPath, AllocatesNothing) {
    for (CipherSuite suite : kCipherSuites) {
        TxSide tx(kPeerSci, suite);
        RxSide rx(suite);
        rx.add_sc(kPeerSci);
        rx.add_sa(0, test_sak(suite), 1, 64);
        // On a thread of its own, as a worker: libcrypto has set nothing up for it before.
        uint64_t allocated = 1;
        unsigned long errors = 1;
        std::thread([&] {
            allocated = allocations_of_traffic(tx, rx);
            errors = ERR_peek_error();
        }).join();
        EXPECT_EQ(allocated, 0u);
        EXPECT_EQ(errors, 0u) << "each error queued for a forged frame would be allocated";
    }
}

TEST(HotPath, TheCounterOfAllocationsCounts) {
    const uint64_t before = allocations();
    ::operator delete(::operator new(5)); // a new-expression may be optimised away
    CRYPTO_free(CRYPTO_malloc(1, __FILE__, __LINE__), __FILE__, __LINE__);
    EXPECT_EQ(allocations() - before, 2u);
}

std::shared_ptr<PacketNumbers> packet_numbers() {
    return std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1, 1000);
}

// Wipes the test's own copy too: it is not what is searched for.
void destroy_watched(auto owner, Octets& sak) {
    owner.reset();
    OPENSSL_cleanse(sak.data(), sak.size());
}

TEST(Secrets, NoSakInFreedMemory) {
    for (CipherSuite suite : kCipherSuites) {
        Octets sak = test_sak(suite, 0xabc);
        watch_for(sak);
        {
            SaSpec spec{suite, 0, sak, kPeerSci, test_xpn(suite)};
            auto tx = make_tx_sa(engine(), spec, packet_numbers()).value().release();
            auto rx = make_rx_sa(engine(), spec, 1, 64).value().release();
            spec.an = 9;
            auto refused = make_tx_sa(engine(), spec, packet_numbers());
            EXPECT_FALSE(refused.has_value());
            EXPECT_EQ(fingerprint(sak).size(), 16u);
            TxSc sc;
            sc.sci = kPeerSci;
            const TxBinding binding{&sc, tx, {}};
            SecyCounters secy;
            HeapFrame memory = HeapFrame::to_protect(plain_frame(100));
            ProtectFrame frame{memory.data(), memory.length(), ProtectVerdict::ok};
            ProtectBatch batch;
            batch.add(binding, secy, UINT32_MAX, ProtectFrames(std::span(&frame, 1)));
            batch.seal(engine());
            EXPECT_EQ(frame.verdict, ProtectVerdict::ok);
            destroy_watched(std::unique_ptr<TxSa>(tx), sak);
            destroy_watched(std::unique_ptr<RxSa>(rx), sak);
        }
        const FreedBlocks freed = freed_blocks();
        EXPECT_GT(freed.searched, 4u) << "at least four cipher contexts were freed";
        EXPECT_EQ(freed.with_secret, 0u);
        watch_for({});
    }
}

// A context that is never freed is never wiped either.
TEST(Secrets, DestructionGivesEveryContextBack) {
    const auto make_and_destroy = [] {
        for (CipherSuite suite : kCipherSuites) {
            const Octets sak = test_sak(suite);
            const SaSpec spec{suite, 0, sak, kPeerSci, test_xpn(suite)};
            EXPECT_TRUE(make_tx_sa(engine(), spec, packet_numbers()).has_value());
            EXPECT_TRUE(make_rx_sa(engine(), spec, 1).has_value());
        }
    };
    make_and_destroy(); // libcrypto sets up what it keeps for good
    const int64_t before = live_crypto_blocks();
    make_and_destroy();
    EXPECT_EQ(live_crypto_blocks(), before);
}

TEST(Secrets, TheSearchFindsALeak) {
    const Octets sak = test_sak(CipherSuite::gcm_aes_128, 0xdef);
    watch_for(sak);
    {
        const Octets copy = sak;
        EXPECT_EQ(copy, sak); // a copy that nobody looks at may be optimised away
    }
    auto* block = static_cast<uint8_t*>(OPENSSL_malloc(64));
    std::copy(sak.begin(), sak.end(), block + 11);
    OPENSSL_free(block);
    EXPECT_EQ(freed_blocks().with_secret, 2u);
    watch_for({});
}

} // namespace
} // namespace isthmus::macsec::test
