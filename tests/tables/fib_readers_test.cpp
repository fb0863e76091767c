// Readers that look up while the control thread changes the table; mostly for the thread sanitizer.

#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace isthmus::dataplane {
namespace {

constexpr unsigned kReaders = 2;

template <class Family> class FibReadersTest : public testing::Test {
  protected:
    using Addr = typename Family::Addr;
    using Route = FibRoute<typename Family::Prefix>;

    // Each reader says which epoch it has seen between two bursts, as workers do by QSBR.
    struct alignas(64) Seen {
        std::atomic<uint64_t> epoch{0};
    };

    // Fixed routes always lead where they lead. Of pairs, both halves change at once to the same
    // value, so that no burst may find them different.
    void read(Seen& seen) {
        std::mt19937_64 rng(5);
        std::array<Addr, 64> addresses;
        std::array<FibValue, 64> values;
        while (!stop_.load(std::memory_order_relaxed)) {
            for (std::size_t i = 0; i < 64; i += 2) {
                const std::size_t pick = rng() % kPairs;
                addresses[i] = i < 32 ? pairs_[pick].first : fixed_[rng() % kFixed];
                addresses[i + 1] = i < 32 ? pairs_[pick].second : Family::random(rng);
            }
            fib_.lookup_bulk(addresses.data(), values.data(), 64);
            for (std::size_t i = 0; i < 32; i += 2)
                wrong_ += values[i] != values[i + 1] || values[i] == kNoRoute;
            for (std::size_t i = 32; i < 64; i += 2)
                wrong_ += values[i] != kFixedValue;
            bursts_.fetch_add(1, std::memory_order_relaxed);
            seen.epoch.store(epoch_.load(std::memory_order_acquire), std::memory_order_release);
        }
    }

    void set_pair(std::vector<Route>& batch, std::size_t pick, FibValue value) {
        batch.push_back({{pairs_[pick].first, Family::kBits}, value});
        batch.push_back({{masked(pairs_[pick].second, kShort), kShort}, value});
    }

    static constexpr std::size_t kPairs = Family::kPairs, kFixed = Family::kPairs;
    static constexpr uint8_t kShort = Family::kBits * 3 / 4;
    static constexpr FibValue kFixedValue = 4711;

    std::mt19937_64 rng_{3};
    FibArena arena_{FibPages::ordinary, std::size_t{1} << 30, Family::kSpare};
    typename Family::Table fib_{arena_};
    std::array<std::pair<Addr, Addr>, kPairs> pairs_;
    std::array<Addr, kFixed> fixed_;
    std::atomic<bool> stop_{false};
    std::atomic<uint64_t> epoch_{0}, wrong_{0}, bursts_{0};
};

template <class Base> struct Many : Base {
    static constexpr std::size_t kPairs = 64, kOthers = 600, kSpare = FibArena::kDefaultSpare;
};
// So few that a table of IPv4 has a summary now and then.
template <class Base> struct Few : Base {
    static constexpr std::size_t kPairs = 4, kOthers = 90, kSpare = 0;
};
using ReaderFamilies = testing::Types<Many<test::V4>, Many<test::V6>, Few<test::V4>>;
TYPED_TEST_SUITE(FibReadersTest, ReaderFamilies);

TYPED_TEST(FibReadersTest, SeeWholeChangesAndNoFreedNode) {
    std::vector<typename TestFixture::Route> batch;
    for (std::size_t i = 0; i < this->kPairs; ++i) {
        this->pairs_[i] = {TypeParam::random(this->rng_), TypeParam::random(this->rng_)};
        this->set_pair(batch, i, 1);
    }
    for (auto& addr : this->fixed_) {
        addr = TypeParam::random(this->rng_);
        batch.push_back({{addr, TypeParam::kBits}, this->kFixedValue});
    }
    ASSERT_TRUE(this->fib_.apply(batch));

    std::array<typename TestFixture::Seen, kReaders> seen;
    std::vector<std::thread> readers;
    for (auto& own : seen)
        readers.emplace_back([this, &own] { this->read(own); });

    // Other routes come and go around them: the table takes on wide nodes, and the default route
    // changes as well. None is so long that it would cover what is looked up.
    std::vector<typename TestFixture::Route> others;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    bool grow = true;
    for (FibValue round = 2; std::chrono::steady_clock::now() < deadline; ++round) {
        batch.clear();
        for (int i = 0; i < 4; ++i)
            this->set_pair(batch, this->rng_() % this->kPairs, round % 1000 + 1);
        batch.push_back({{{}, 0}, round % 3});
        for (int i = 0; i < 40; ++i) {
            if (grow) {
                const auto length = static_cast<uint8_t>(1 + this->rng_() % (this->kShort - 1u));
                const auto addr = TypeParam::random(this->rng_);
                others.push_back({{masked(addr, length), length}, round % 7 + 1});
                batch.push_back(others.back());
            } else if (!others.empty()) {
                batch.push_back({others.back().prefix, kNoRoute});
                others.pop_back();
            }
        }
        if (others.size() > TypeParam::kOthers || others.empty())
            grow = others.empty();
        ASSERT_TRUE(this->fib_.apply(batch));
        this->epoch_.store(this->arena_.retire_epoch(), std::memory_order_release);
        uint64_t oldest = ~uint64_t{0};
        for (auto& own : seen)
            oldest = std::min(oldest, own.epoch.load(std::memory_order_acquire));
        this->arena_.reclaim(oldest);
    }
    this->stop_ = true;
    for (auto& reader : readers)
        reader.join();
    EXPECT_EQ(this->wrong_, 0u);
    EXPECT_GT(this->bursts_, 100u);
    EXPECT_GT(this->epoch_, 20u);
}

} // namespace
} // namespace isthmus::dataplane
