#include "dataplane/channel_choice.hpp"

#include "dataplane/flow_hash.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <vector>

namespace isthmus::dataplane {
namespace {

using hash_detail::kK0;
using hash_detail::mix;

using MemberSet = uint32_t; // bits

// The orders of the buckets, found step by step: choice(bucket, passed) is who comes next after the
// members `passed`, in whatever order those came. A table is the first choice outside of `lost`.
//
// After up to kDealt members the next one is dealt: the buckets that have passed exactly that set
// go one by one to whoever lacks most of its share of the table without that set. Sets beyond that
// are too many, and their buckets too few: chance decides, by weight.
class Orders {
  public:
    explicit Orders(std::span<const Member> members) : members_(members) {
        for (std::size_t m = 0; m < members.size(); ++m)
            if (members[m].weight != 0)
                all_ |= 1u << m;
    }
    const BucketTable& table(MemberSet lost) {
        if (const auto made = tables_.find(lost); made != tables_.end())
            return made->second;
        BucketTable table;
        std::vector<std::size_t> pool; // have passed all that are lost
        for (std::size_t bucket = 0; bucket < kChannelBuckets; ++bucket) {
            MemberSet passed = 0;
            uint8_t member = kNoMember;
            while (passed != lost && member == kNoMember) {
                const uint8_t next = choice(bucket, passed);
                if ((lost >> next & 1) != 0)
                    passed |= 1u << next;
                else
                    member = next;
            }
            table[bucket] = member;
            if (member == kNoMember)
                pool.push_back(bucket);
        }
        if (std::popcount(lost) <= kDealt)
            deal(lost, pool, table);
        else
            for (const std::size_t bucket : pool)
                table[bucket] = draw(bucket, lost);
        return tables_.emplace(lost, table).first->second;
    }
    [[nodiscard]] MemberSet all() const { return all_; }

  private:
    static constexpr int kDealt = 2;

    uint8_t choice(std::size_t bucket, MemberSet passed) {
        return std::popcount(passed) <= kDealt ? table(passed)[bucket] : draw(bucket, passed);
    }
    [[nodiscard]] uint64_t weight_without(MemberSet lost) const {
        uint64_t sum = 0;
        for (MemberSet rest = all_ & ~lost; rest != 0; rest &= rest - 1)
            sum += members_[static_cast<std::size_t>(std::countr_zero(rest))].weight;
        return sum;
    }
    void deal(MemberSet lost, const std::vector<std::size_t>& pool, BucketTable& table) const {
        // What each lacks of its share, in buckets times the sum of the weights.
        const auto sum = static_cast<int64_t>(weight_without(lost));
        std::array<int64_t, kMaxMembers> lack{};
        for (std::size_t m = 0; m < members_.size(); ++m)
            lack[m] = int64_t{members_[m].weight} * static_cast<int64_t>(kChannelBuckets);
        for (const uint8_t member : table)
            if (member != kNoMember)
                lack[member] -= sum;
        for (const std::size_t bucket : pool) {
            uint8_t best = kNoMember;
            for (MemberSet rest = all_ & ~lost; rest != 0; rest &= rest - 1) {
                const auto m = static_cast<uint8_t>(std::countr_zero(rest));
                if (best == kNoMember || lack[m] > lack[best])
                    best = m;
            }
            if (best != kNoMember)
                lack[best] -= sum;
            table[bucket] = best;
        }
    }
    [[nodiscard]] uint8_t draw(std::size_t bucket, MemberSet passed) const {
        const uint64_t sum = weight_without(passed);
        if (sum == 0)
            return kNoMember;
        uint64_t at = mix(mix(bucket + kK0) + passed) % sum;
        MemberSet rest = all_ & ~passed;
        for (;; rest &= rest - 1) {
            const auto m = static_cast<uint8_t>(std::countr_zero(rest));
            if (at < members_[m].weight)
                return m;
            at -= members_[m].weight;
        }
    }

    std::span<const Member> members_;
    MemberSet all_ = 0;
    std::map<MemberSet, BucketTable> tables_;
};

} // namespace

BucketTable build_buckets(std::span<const Member> members) {
    members = members.first(std::min(members.size(), kMaxMembers));
    Orders orders(members);
    MemberSet lost = 0;
    for (std::size_t m = 0; m < members.size(); ++m)
        if (!members[m].live)
            lost |= 1u << m;
    if ((orders.all() & ~lost) == 0) {
        BucketTable none;
        none.fill(kNoMember);
        return none;
    }
    return orders.table(lost & orders.all());
}

BucketTable build_buckets(std::span<const bool> live) {
    std::array<Member, kMaxMembers> members;
    const std::size_t count = std::min(live.size(), kMaxMembers);
    for (std::size_t m = 0; m < count; ++m)
        members[m].live = live[m];
    return build_buckets(std::span<const Member>(members.data(), count));
}

} // namespace isthmus::dataplane
