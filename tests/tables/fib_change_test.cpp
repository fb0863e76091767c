// A table under a million random changes against the plainest one: a hash table of prefixes, asked
// for every length.

#include "dataplane/fib_node.hpp"
#include "fib_families.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

namespace isthmus::dataplane {
namespace {

#ifdef ISTHMUS_SANITIZED
constexpr std::size_t kOperations = 150'000;
#else
constexpr std::size_t kOperations = 1'000'000;
#endif

template <class Family> class NaiveTable {
  public:
    using Addr = typename Family::Addr;
    using Prefix = typename Family::Prefix;

    void set(const Prefix& prefix, FibValue value) {
        if (value == kNoRoute) {
            of_length_[prefix.length] -= static_cast<uint32_t>(routes_.erase(prefix));
        } else if (routes_.insert_or_assign(prefix, value).second) {
            ++of_length_[prefix.length];
        }
    }
    [[nodiscard]] FibValue lookup(Addr addr) const {
        for (int length = Family::kBits; length >= 0; --length) {
            const auto bits = static_cast<uint8_t>(length);
            if (of_length_[bits] == 0)
                continue;
            if (const auto it = routes_.find({masked(addr, bits), bits}); it != routes_.end())
                return it->second;
        }
        return kNoRoute;
    }
    [[nodiscard]] std::size_t size() const { return routes_.size(); }
    [[nodiscard]] const auto& routes() const { return routes_; }

  private:
    struct Hash {
        std::size_t operator()(const Prefix& prefix) const {
            return Family::mix(prefix.addr) * 131 + prefix.length;
        }
    };
    std::unordered_map<Prefix, FibValue, Hash> routes_;
    std::array<uint32_t, 129> of_length_{};
};

template <class Family> class FibChangeTest : public testing::Test {
  protected:
    using Addr = typename Family::Addr;
    using Prefix = typename Family::Prefix;
    using Table = typename Family::Table;
    using Route = FibRoute<Prefix>;

    // Near earlier ones more often than not, so that routes nest, abut and share paths.
    Prefix random_prefix() {
        Addr addr = Family::random(rng_);
        auto length = static_cast<uint8_t>(rng_() % (Family::kBits + 1));
        if (rng_() % 16 == 0)
            length = Family::kBits;
        if (rng_() % 64 == 0)
            length = 0;
        // All below one of a few short prefixes, or random ones would hardly ever meet.
        addr = Family::graft(Family::random(heads_rng_), addr, 5);
        heads_rng_.seed(rng_() % 4);
        if (!known_.empty() && rng_() % 4 != 0) {
            const Prefix& other = known_[rng_() % known_.size()];
            switch (rng_() % 4) {
            case 0: // inside or around it
                addr = Family::graft(other.addr, addr, std::min(length, other.length));
                break;
            case 1: // beside it, somewhere on its way
                addr = Family::flip(other.addr, static_cast<unsigned>(rng_() % Family::kBits));
                break;
            case 2: // its neighbour
                if (other.length != 0)
                    addr = Family::flip(other.addr, other.length - 1u);
                length = other.length;
                break;
            default:
                addr = other.addr;
                length = other.length;
            }
        }
        return {masked(addr, length), length};
    }
    Route random_change(bool grow) {
        if (rng_() % 64 == 0)
            return {random_prefix(), kNoRoute}; // most likely not there
        if (!known_.empty() && rng_() % 8 >= (grow ? 6u : 1u)) {
            std::swap(known_[rng_() % known_.size()], known_.back());
            const Prefix gone = known_.back();
            known_.pop_back();
            return {gone, kNoRoute};
        }
        // Few values, so that runs of equal ones come about.
        return {random_prefix(), static_cast<FibValue>(1 + rng_() % 5)};
    }
    void change(std::size_t count, bool grow) {
        std::vector<Route> batch;
        for (std::size_t i = 0; i < count; ++i) {
            batch.push_back(random_change(grow));
            const auto& [prefix, value] = batch.back();
            naive_.set(prefix, value);
            if (value != kNoRoute)
                known_.push_back(prefix);
        }
        ASSERT_TRUE(fib_.apply(batch));
        arena_.reclaim(arena_.retire_epoch());
        ASSERT_EQ(fib_.size(), naive_.size());
        ASSERT_NO_FATAL_FAILURE(probe(batch));
    }
    // At and beside both ends of the changed prefixes, and at random.
    void probe(const std::vector<Route>& batch) {
        std::vector<Addr> addresses;
        for (std::size_t i = 0; i < std::min<std::size_t>(batch.size(), 4); ++i) {
            const Prefix& prefix = batch[rng_() % batch.size()].prefix;
            const Addr last = Family::graft(prefix.addr, Family::ones(), prefix.length);
            addresses.insert(addresses.end(), {prefix.addr, last, Family::next(last),
                                               Family::previous(prefix.addr)});
            addresses.push_back(Family::graft(prefix.addr, Family::random(rng_), prefix.length));
        }
        addresses.push_back(Family::random(rng_));
        const auto count = static_cast<uint32_t>(addresses.size());
        std::vector<FibValue> values(count), by_tables(count);
        const std::vector<const typename Table::Root*> roots(count, &fib_.root());
        fib_.lookup_bulk(addresses.data(), values.data(), count);
        Table::lookup_bulk(arena_, roots.data(), addresses.data(), by_tables.data(), count);
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            const FibValue expected = naive_.lookup(addresses[i]);
            ASSERT_EQ(values[i], expected) << to_string(addresses[i]);
            ASSERT_EQ(by_tables[i], expected) << to_string(addresses[i]);
            ASSERT_EQ(fib_.lookup(addresses[i]), expected) << to_string(addresses[i]);
        }
    }
    void expect_same_routes() {
        std::size_t seen = 0;
        fib_.for_each([&](const Route& route) {
            const auto it = naive_.routes().find(route.prefix);
            ASSERT_NE(it, naive_.routes().end()) << to_string(route.prefix);
            ASSERT_EQ(it->second, route.value) << to_string(route.prefix);
            ++seen;
        });
        ASSERT_EQ(seen, naive_.size());
    }

    std::mt19937_64 rng_{77}, heads_rng_{0};
    FibArena arena_{FibPages::ordinary, std::size_t{1} << 30, Family::kSpare};
    Table fib_{arena_};
    NaiveTable<Family> naive_;
    std::vector<Prefix> known_;
};

// Without spare memory tables are plain or paged, with enough of it they are direct first, and with
// little they are now this and now that.
template <class Base, std::size_t kOctets> struct WithSpare : Base {
    static constexpr std::size_t kSpare = kOctets;
};
template <class Base> using Bare = WithSpare<Base, 0>;
template <class Base> using Little = WithSpare<Base, (std::size_t{1} << 20)>;
template <class Base> using Enough = WithSpare<Base, FibArena::kDefaultSpare>;
using ChangeFamilies = testing::Types<Bare<test::V4>, Bare<test::V6>, Little<test::V4>,
                                      Little<test::V6>, Enough<test::V4>, Enough<test::V6>>;
TYPED_TEST_SUITE(FibChangeTest, ChangeFamilies);

// Grows and shrinks across the sizes at which a table takes and loses its wide nodes.
TYPED_TEST(FibChangeTest, AMillionChangesAgreeWithANaiveTable) {
    bool grow = true;
    std::size_t largest = 0, turns = 0;
    // Tables are direct when they are small only.
    constexpr std::size_t kFew = 30'000; // forms that change all the time are slow
    const std::size_t operations = TypeParam::kSpare == 0                        ? kOperations
                                   : TypeParam::kSpare < FibArena::kDefaultSpare ? kFew
                                                                                 : kOperations / 5;
    const std::size_t top = TypeParam::kSpare == 0 ? 24'000 : 6'000, bottom = top / 12;
    for (std::size_t done = 0; done < operations;) {
        const std::size_t count =
            this->rng_() % 64 == 0 ? 1 + this->rng_() % 3000 : 1 + this->rng_() % 8;
        ASSERT_NO_FATAL_FAILURE(this->change(count, grow));
        done += count;
        const std::size_t size = this->naive_.size();
        largest = std::max(largest, size);
        if (grow ? size > top : size < bottom) {
            grow = !grow;
            ++turns;
            ASSERT_NO_FATAL_FAILURE(this->expect_same_routes());
        }
    }
    EXPECT_GT(largest, top / 6 * 5);
    EXPECT_GT(turns, operations / 200'000);
    ASSERT_NO_FATAL_FAILURE(this->expect_same_routes());
}

// Grows and shrinks across the size up to which a table of IPv4 has a summary.
TYPED_TEST(FibChangeTest, SmallTablesAgreeWithANaiveTable) {
    constexpr std::size_t kTop = 100;
    constexpr bool kMayHaveOne = TypeParam::kBits == 32 && TypeParam::kSpare == 0;
    bool grow = true;
    std::size_t top = kTop, applied = 0, summaries = 0;
    for (std::size_t done = 0; done < kOperations / (kMayHaveOne ? 4 : 100);) {
        const std::size_t count = 1 + this->rng_() % (this->rng_() % 16 == 0 ? 40 : 4);
        ASSERT_NO_FATAL_FAILURE(this->change(count, grow));
        done += count;
        ++applied;
        const fib::Entry root = this->fib_.root().entry.load();
        summaries += fib::form_of(root) == fib::Form::summary;
        if (grow ? this->naive_.size() > top : this->naive_.size() <= top / 10) {
            grow = !grow;
            top = grow ? 1 + this->rng_() % kTop : top;
            ASSERT_NO_FATAL_FAILURE(this->expect_same_routes());
        }
    }
    if (kMayHaveOne) {
        EXPECT_GT(summaries, applied / 4);
        EXPECT_LT(summaries, applied / 10 * 9);
    } else if (TypeParam::kBits == 128) {
        EXPECT_EQ(summaries, 0u);
    }
}

TYPED_TEST(FibChangeTest, DeletingAllRoutesFreesAllMemory) {
    for (const std::size_t count : {1u, 100u, 5000u, 30'000u}) {
        while (this->naive_.size() < count)
            ASSERT_NO_FATAL_FAILURE(this->change(500, true));
        std::vector<typename TestFixture::Route> batch;
        this->fib_.for_each([&](const auto& route) { batch.push_back({route.prefix, kNoRoute}); });
        for (const auto& change : batch)
            this->naive_.set(change.prefix, kNoRoute);
        ASSERT_TRUE(this->fib_.apply(batch));
        this->arena_.reclaim(this->arena_.retire_epoch());
        EXPECT_EQ(this->fib_.size(), 0u);
        EXPECT_EQ(this->fib_.memory_bytes(), sizeof this->fib_);
        EXPECT_EQ(this->arena_.used_bytes(), 0u);
    }
}

TYPED_TEST(FibChangeTest, NodesOfAnOldVersionStayUntilReclaimed) {
    ASSERT_NO_FATAL_FAILURE(this->change(1000, true));
    const std::size_t before = this->arena_.used_bytes();
    ASSERT_TRUE(this->fib_.insert({TypeParam::random(this->rng_), TypeParam::kBits}, 9));
    const uint64_t epoch = this->arena_.retire_epoch();
    EXPECT_GT(this->arena_.retired_pieces(), 0u);
    EXPECT_GT(this->arena_.used_bytes(), before);
    this->arena_.reclaim(epoch - 1);
    EXPECT_GT(this->arena_.retired_pieces(), 0u);
    this->arena_.reclaim(epoch);
    EXPECT_EQ(this->arena_.retired_pieces(), 0u);
    // One route more takes a few nodes, not a copy of the table; unless its form changes.
    if (TypeParam::kSpare == 0) {
        EXPECT_LT(this->arena_.used_bytes(), before + 1024);
    }
}

TYPED_TEST(FibChangeTest, RefusesWhatItCanNotHold) {
    const auto addr = TypeParam::random(this->rng_);
    ASSERT_TRUE(this->fib_.insert({masked(addr, 8), 8}, kMaxFibValue));
    const std::vector<typename TestFixture::Route> changes{{{masked(addr, 16), 16}, 1},
                                                           {{masked(addr, 24), 24}, 1u << 31}};
    const auto refused = this->fib_.apply(changes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().value, "2147483648");
    EXPECT_FALSE(this->fib_.insert({addr, TypeParam::kBits + 1}, 1));
    EXPECT_EQ(this->fib_.lookup(addr), kMaxFibValue);
    EXPECT_EQ(this->fib_.size(), 1u);
}

TYPED_TEST(FibChangeTest, RefusesWhatTheArenaHasNoRoomFor) {
    FibArena small(FibPages::ordinary, std::size_t{34} << 20);
    typename TypeParam::Table fib(small);
    std::vector<typename TestFixture::Route> changes;
    for (int i = 0; i < 10'000; ++i)
        changes.push_back({{TypeParam::random(this->rng_), TypeParam::kBits}, 1});
    const auto refused = fib.apply(changes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
    EXPECT_EQ(fib.size(), 0u);
    EXPECT_TRUE(fib.apply(std::span(changes).first(1000)));
}

// Each address of a burst in a table of its own, of every form.
TYPED_TEST(FibChangeTest, BulkOverManyTables) {
    std::vector<std::unique_ptr<typename TypeParam::Table>> tables;
    std::vector<NaiveTable<TypeParam>> naive;
    for (const std::size_t count : {0u, 1u, 50u, 2000u, 30'000u}) {
        std::vector<typename TestFixture::Route> routes;
        naive.emplace_back();
        for (std::size_t i = 0; i < count; ++i) {
            routes.push_back({this->random_prefix(), static_cast<FibValue>(1 + i)});
            naive.back().set(routes.back().prefix, routes.back().value);
            this->known_.push_back(routes.back().prefix);
        }
        tables.push_back(std::make_unique<typename TypeParam::Table>(routes, this->arena_));
    }
    for (uint32_t count = 0; count < 200; ++count) {
        std::vector<const typename TypeParam::Table::Root*> of(count);
        std::vector<std::size_t> index(count);
        std::vector<typename TestFixture::Addr> addresses(count);
        std::vector<FibValue> values(count + 1, 12345);
        for (uint32_t i = 0; i < count; ++i) {
            index[i] = this->rng_() % tables.size();
            of[i] = &tables[index[i]]->root();
            addresses[i] = this->random_prefix().addr;
        }
        TypeParam::Table::lookup_bulk(this->arena_, of.data(), addresses.data(), values.data(),
                                      count);
        for (uint32_t i = 0; i < count; ++i)
            ASSERT_EQ(values[i], naive[index[i]].lookup(addresses[i])) << to_string(addresses[i]);
        ASSERT_EQ(values[count], 12345u);
    }
}

} // namespace
} // namespace isthmus::dataplane
