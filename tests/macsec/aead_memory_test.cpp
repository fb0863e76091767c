// What engines may touch, that they allocate nothing, and where expanded keys lie.
#include "aead_reference.hpp"
#include "memory_hooks.hpp"

#include "macsec/secret_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace isthmus::macsec::test {
namespace {

// Memory between two pages that no one may touch.
class GuardedMemory {
  public:
    explicit GuardedMemory(std::size_t pages)
        : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), length_((pages + 2) * page_),
          base_(static_cast<uint8_t*>(
              mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
        if (base_ == MAP_FAILED || mprotect(base_, page_, PROT_NONE) != 0 ||
            mprotect(base_ + length_ - page_, page_, PROT_NONE) != 0)
            throw std::bad_alloc();
    }
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;
    ~GuardedMemory() { munmap(base_, length_); }
    [[nodiscard]] std::span<uint8_t> octets() const { return {base_ + page_, length_ - 2 * page_}; }

  private:
    std::size_t page_;
    std::size_t length_;
    uint8_t* base_;
};

class AeadMemory : public EngineTest {};

// AAD and text each begin right after a page that may not be touched, or end with their slack right
// before one.
TEST_P(AeadMemory, TouchesNothingBeforeNorBeyondTheSlack) {
    const GuardedMemory aad_memory(3);
    const GuardedMemory text_memory(3);
    std::mt19937 random(3);
    for (const Octets& sak :
         {test_sak(CipherSuite::gcm_aes_128), test_sak(CipherSuite::gcm_aes_256)}) {
        const auto expanded = key_for(sak);
        for (std::size_t text = 0; text <= 700; ++text) {
            const std::size_t aad = text % 3 == 0 ? 28 : text % 3 == 1 ? text % 101 : text;
            const Case c = make_case(random, sak, aad, text);
            for (bool at_end : {false, true}) {
                const auto place = [&](const GuardedMemory& memory, std::size_t length) {
                    const auto octets = memory.octets();
                    std::ranges::fill(octets, uint8_t{0x77});
                    return at_end ? octets.data() + octets.size() - kAeadSlack - length
                                  : octets.data();
                };
                std::array<uint8_t, kIcvLength> icv{};
                AeadOp op{};
                op.sak = expanded.get();
                op.iv = c.iv;
                op.icv = icv.data();
                uint8_t* aad_at = place(aad_memory, aad);
                std::ranges::copy(c.aad, aad_at);
                op.aad = aad_at;
                op.aad_length = static_cast<uint32_t>(aad);
                op.text = place(text_memory, text);
                op.text_length = static_cast<uint32_t>(text);
                std::ranges::copy(c.plain, op.text);
                aead().seal(std::span(&op, 1));
                ASSERT_EQ(icv, c.icv) << text;
                ASSERT_TRUE(std::ranges::equal(c.sealed, std::span(op.text, text))) << text;
                aead().open(std::span(&op, 1));
                ASSERT_TRUE(op.authentic);
                const std::span<const uint8_t> octets = text_memory.octets();
                const auto before = static_cast<std::size_t>(op.text - octets.data());
                const auto is_untouched = [](uint8_t octet) { return octet == 0x77; };
                ASSERT_TRUE(std::ranges::all_of(octets.first(before), is_untouched));
                ASSERT_TRUE(
                    std::ranges::all_of(octets.subspan(before + text + kAeadSlack), is_untouched));
            }
        }
    }
}

// The same in teams of short packets: each has an end of its own next to a forbidden page.
TEST_P(AeadMemory, TouchesNothingBeyondTheSlackInBursts) {
    constexpr std::size_t kBurst = 9;
    std::vector<std::unique_ptr<GuardedMemory>> memories;
    for (std::size_t i = 0; i < 2 * kBurst; ++i)
        memories.push_back(std::make_unique<GuardedMemory>(1));
    std::mt19937 random(4);
    const Octets sak = test_sak();
    const auto expanded = key_for(sak);
    for (std::size_t text = 1; text <= 300; ++text) {
        std::vector<Case> cases;
        std::vector<AeadOp> ops(kBurst);
        std::vector<std::array<uint8_t, kIcvLength>> icvs(kBurst);
        for (std::size_t i = 0; i < kBurst; ++i) {
            cases.push_back(make_case(random, sak, 20 + i % 9, text));
            const auto aad = memories[2 * i]->octets();
            const auto octets = memories[2 * i + 1]->octets();
            ops[i].sak = expanded.get();
            ops[i].iv = cases[i].iv;
            ops[i].icv = icvs[i].data();
            ops[i].aad_length = static_cast<uint32_t>(cases[i].aad.size());
            ops[i].text_length = static_cast<uint32_t>(text);
            uint8_t* aad_at = aad.data() + aad.size() - kAeadSlack - cases[i].aad.size();
            ops[i].text = octets.data() + octets.size() - kAeadSlack - text;
            std::ranges::copy(cases[i].aad, aad_at);
            std::ranges::copy(cases[i].plain, ops[i].text);
            ops[i].aad = aad_at;
        }
        aead().seal(ops);
        for (std::size_t i = 0; i < kBurst; ++i)
            ASSERT_EQ(icvs[i], cases[i].icv) << text;
        aead().open(ops);
        for (std::size_t i = 0; i < kBurst; ++i)
            ASSERT_TRUE(ops[i].authentic &&
                        std::ranges::equal(cases[i].plain, std::span(ops[i].text, text)))
                << text;
    }
}

TEST_P(AeadMemory, SealAndOpenAllocateNothing) {
    std::mt19937 random(5);
    std::vector<std::unique_ptr<AeadKey>> expanded;
    std::vector<Case> cases;
    std::vector<Packet> packets;
    std::vector<AeadOp> ops;
    for (std::size_t i = 0; i < 96; ++i)
        cases.push_back(make_case(
            random, test_sak(i % 2 == 0 ? CipherSuite::gcm_aes_128 : CipherSuite::gcm_aes_256),
            i % 7 == 0 ? 300 : 28, i * 17 % 1600));
    for (const Case& c : cases) {
        expanded.push_back(key_for(c.sak));
        packets.emplace_back(c, 0, 28);
        packets.back().load(c.plain, {});
    }
    for (std::size_t i = 0; i < cases.size(); ++i)
        ops.push_back(packets[i].op(*expanded[i]));
    uint64_t allocated = 1;
    // On a thread of its own, as a worker.
    std::thread([&] {
        const uint64_t before = allocations();
        aead().seal(ops);
        for (std::size_t i = 0; i < ops.size(); i += 3)
            ops[i].icv[0] ^= 1;
        aead().open(ops);
        allocated = allocations() - before;
    }).join();
    EXPECT_EQ(allocated, 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, AeadMemory, ::testing::ValuesIn(all_engine_names()),
                         [](const auto& row) { return row.param; });

// The flags of the mapping that holds `address`.
std::string flags_of(const void* address) {
    std::ifstream smaps("/proc/self/smaps");
    std::string line;
    bool inside = false;
    const auto wanted = reinterpret_cast<uintptr_t>(address);
    while (std::getline(smaps, line)) {
        uintptr_t first = 0, last = 0;
        char dash = 0;
        std::istringstream words(line);
        if (words >> std::hex >> first >> dash >> last && dash == '-')
            inside = first <= wanted && wanted < last;
        if (inside && line.starts_with("VmFlags:"))
            return line + " ";
    }
    return {};
}

TEST(SecretMemory, IsLeftOutOfCoreDumps) {
    for (std::size_t size : {64, 4000, 200'000}) {
        void* block = allocate_secret(size);
        EXPECT_NE(flags_of(block).find(" dd "), std::string::npos) << size << flags_of(block);
        EXPECT_NE(flags_of(static_cast<uint8_t*>(block) + size - 1).find(" dd "),
                  std::string::npos);
        free_secret(block, size);
    }
    const int on_the_stack = 0;
    EXPECT_EQ(flags_of(&on_the_stack).find(" dd "), std::string::npos);
}

// But for the link of the list, a pointer, at its head.
TEST(SecretMemory, IsWipedWhenFreed) {
    constexpr std::size_t kSize = 1000;
    auto* block = static_cast<uint8_t*>(allocate_secret(kSize));
    std::memset(block, 0xa5, kSize);
    free_secret(block, kSize);
    EXPECT_TRUE(std::all_of(block + sizeof(void*), block + kSize,
                            [](uint8_t octet) { return octet == 0; }));
    EXPECT_NE(std::memcmp(block, "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", sizeof(void*)), 0);
    free_secret(nullptr, kSize);
}

TEST(SecretMemory, BlocksAreAlignedApartAndUsedAgain) {
    constexpr std::size_t kSize = 4032;
    std::set<uint8_t*> blocks;
    for (int i = 0; i < 100; ++i) {
        auto* block = static_cast<uint8_t*>(allocate_secret(kSize));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
        const auto next = blocks.lower_bound(block);
        EXPECT_TRUE(next == blocks.end() || block + kSize <= *next);
        EXPECT_TRUE(next == blocks.begin() || *std::prev(next) + kSize <= block);
        blocks.insert(block);
    }
    for (uint8_t* block : blocks)
        free_secret(block, kSize);
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(blocks.contains(static_cast<uint8_t*>(allocate_secret(kSize))));
    for (uint8_t* block : blocks)
        free_secret(block, kSize);
}

TEST_P(AeadMemory, TheExpandedKeyIsLeftOutOfCoreDumpsAndWiped) {
    if (GetParam() == "openssl")
        GTEST_SKIP() << "libcrypto allocates its own key schedules";
    const Octets sak = test_sak(CipherSuite::gcm_aes_128, 99);
    auto made = key_for(sak);
    const auto* address = reinterpret_cast<const uint8_t*>(made.get());
    EXPECT_NE(flags_of(address).find(" dd "), std::string::npos);
    const auto holds_the_sak = [&] {
        // The first round key is the SAK itself.
        return memmem(address, 512, sak.data(), sak.size()) != nullptr;
    };
    EXPECT_TRUE(holds_the_sak());
    made.reset();
    EXPECT_FALSE(holds_the_sak());
}

} // namespace
} // namespace isthmus::macsec::test
