#include "dataplane/fib_page6.hpp"
#include "dataplane/fib_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace isthmus::dataplane::fib {
namespace {

constexpr uint32_t kAllSlots = uint32_t{1} << Page6::kSlotBits;
constexpr uint32_t kListSlots = uint32_t{1} << Page6::kKeyBits;

// A page as it is worked on: what all slots up to the next run's lead to.
struct Run {
    uint32_t slot;
    Entry entry; // a value, a block at depth kEnd or deeper, or 0
    uint8_t code;
};
struct Range {
    uint32_t low, high;
};

// Collects runs in the order of slots, of those within a range.
class RunWriter {
  public:
    RunWriter(FibArena& arena, std::vector<Run>& runs) : arena_(arena), runs_(runs) {}

    void limit(Range to) { limit_ = to; }
    void add(uint32_t low, uint32_t high, Entry entry, uint8_t code) {
        low = std::max(low, limit_.low);
        if (low < std::min(high, limit_.high) && (runs_.empty() || runs_.back().entry != entry))
            runs_.push_back({low, entry, code});
    }
    // Runs that follow what there is and differ from it.
    void append(const Run* runs, std::size_t count) {
        runs_.insert(runs_.end(), runs, runs + count);
    }
    // What the blocks below `entry` say, all of which begin with the slots [low, high); `best` is
    // the value so far.
    void add_blocks(Entry entry, uint32_t low, uint32_t high, FibValue best) {
        if (low >= limit_.high || high <= limit_.low)
            return;
        if (!is_child(entry))
            return add_value(low, high, entry != kNoRoute ? entry : best);
        const auto& there = *block_at<Ipv6Addr>(arena_.nodes().base(), entry);
        best = there.inherited != kNoRoute ? there.inherited : best;
        const uint32_t own = page_slot(path_of(there));
        add_value(low, own, best);
        if (there.depth >= Page6::kEnd) {
            add(own, own + 1, entry, FibArena::kNoCode);
            return add_value(own + 1, high, best);
        }
        const unsigned shift = Page6::kEnd - there.depth - kStride;
        // From the run that the range begins in.
        const uint32_t into = limit_.low > own ? (limit_.low - own) >> shift : 0;
        const auto first = static_cast<unsigned>(std::min<uint32_t>(into, kSlots - 1));
        const int rank = std::popcount(there.starts << (kSlots - 1 - first)) - 1;
        const Entry* child = entries(&there) + rank;
        uint64_t starts = there.starts;
        for (int i = 0; i < rank; ++i)
            starts &= starts - 1;
        for (; starts != 0; ++child) {
            const auto slot = static_cast<uint32_t>(std::countr_zero(starts));
            if (own + (slot << shift) >= limit_.high)
                return;
            starts &= starts - 1;
            const auto end = static_cast<uint32_t>(std::countr_zero(starts)); // 64 for the last one
            add_blocks(*child, own + (slot << shift), own + (end << shift), best);
        }
        add_value(own + (kSlots << shift), high, best);
    }

  private:
    void add_value(uint32_t low, uint32_t high, FibValue value) {
        if (low >= high || low >= limit_.high || high <= limit_.low)
            return;
        if (value != known_) {
            known_ = value;
            code_ = arena_.code_of(value);
        }
        add(low, high, value, code_);
    }

    FibArena& arena_;
    std::vector<Run>& runs_;
    Range limit_{0, kAllSlots};
    FibValue known_ = kNoRoute;
    uint8_t code_ = 0;
};

// Takes a page apart.
class PageReader {
  public:
    PageReader(const Page6& page, const FibValue* decoded, std::vector<Run>& runs)
        : page_(page), decoded_(decoded), runs_(runs) {}

    void read() {
        int number = 0;
        for (uint32_t word = 0; word < page_.starts.size(); ++word)
            for (uint64_t rest = page_.starts[word]; rest != 0; rest &= rest - 1)
                read_list(page_.list(number++),
                          (word * 64 + static_cast<uint32_t>(std::countr_zero(rest))) * kListSlots);
        add_extras(kAllSlots);
    }

  private:
    void read_list(const uint8_t* list, uint32_t from) {
        if (list[0] != List6::kLong)
            return read_short(list, from, from);
        const uint8_t* part = List6::first_of_long(list);
        read_short(part, from, from);
        for (unsigned i = 0; i < list[1]; ++i)
            read_short(part + (i + 1) * List6::kLine, from,
                       from + start_of(list + List6::kHead, i));
    }
    void read_short(const uint8_t* list, uint32_t from, uint32_t first) {
        const unsigned count = list[0];
        add(first, list[1]);
        for (unsigned i = 0; i < count; ++i)
            add(from + start_of(list + List6::kHead + count, i), list[2 + i]);
    }
    static uint32_t start_of(const uint8_t* starts, unsigned index) {
        uint16_t start;
        std::memcpy(&start, starts + index * sizeof start, sizeof start);
        return start;
    }
    // A run of kNoCode is as many as there are extras in it; they come in the same order.
    void add(uint32_t slot, uint8_t code) {
        add_extras(slot);
        if (code != FibArena::kNoCode && (runs_.empty() || runs_.back().code != code))
            runs_.push_back({slot, decoded_[code], code});
        in_extras_ = code == FibArena::kNoCode;
        if (in_extras_)
            add_extras(slot + 1);
    }
    void add_extras(uint32_t before) {
        for (; in_extras_ && extra_ < page_.extra_count && page_.extras()[extra_].slot < before;
             ++extra_)
            runs_.push_back(
                {page_.extras()[extra_].slot, page_.extras()[extra_].entry, FibArena::kNoCode});
    }

    const Page6& page_;
    const FibValue* decoded_;
    std::vector<Run>& runs_;
    uint32_t extra_ = 0;
    bool in_extras_ = false;
};

// Lays out the runs as a page, in memory of our own until its size is known.
class PageWriter {
  public:
    PageWriter(const std::vector<Run>& runs, Entry blocks) : runs_(runs) { head_.blocks = blocks; }

    void lay_out() {
        find_lists();
        next_ = sizeof(Page6) + list_count_ * sizeof(uint16_t);
        for (unsigned i = 0; i < list_count_; ++i)
            write_list(lists_[i], i);
        // Whoever searches the last list reads that far, and extras are aligned.
        head_.extras_at = static_cast<uint32_t>((next_ + List6::kReach + 7) / 8 * 8);
        head_.extra_count = static_cast<uint32_t>(extras_.size());
        std::memcpy(octets_.data(), &head_, sizeof head_);
    }
    [[nodiscard]] uint32_t units() const { return units_of(head_); }
    void write(std::byte* to) const {
        std::memcpy(to, octets_.data(), head_.extras_at);
        if (!extras_.empty())
            std::memcpy(to + head_.extras_at, extras_.data(),
                        extras_.size() * sizeof(Page6::Extra));
    }

  private:
    // A list's runs: [first, last], from the one that `slot` is in.
    struct Span {
        uint32_t slot;
        uint32_t first, last;
    };
    static constexpr std::size_t kLimit = std::size_t{Page6::kMaxUnits} * FibPool::kUnit;
    // So much is kept for lists that only lead to the blocks.
    static constexpr std::size_t kKept =
        Page6::kLists * (List6::kHead + sizeof(Page6::Extra)) + List6::kReach + 2 * List6::kLine;

    void find_lists() {
        uint32_t i = 0;
        for (uint32_t at = 0; i < Page6::kLists;) {
            const uint32_t first = at, end = (i + 1) * kListSlots;
            while (at + 1 < runs_.size() && runs_[at + 1].slot < end)
                ++at;
            head_.starts[i / 64] |= uint64_t{1} << i % 64;
            lists_[list_count_++] = {i * kListSlots, first, at};
            // The last run's only starts in later lists are their own.
            const uint32_t next = at + 1 < runs_.size() ? runs_[at + 1].slot : kAllSlots;
            i = at != first ? i + 1 : std::max(next / kListSlots, i + 1);
            if (at + 1 < runs_.size() && runs_[at + 1].slot <= i * kListSlots)
                ++at;
        }
        for (std::size_t word = 1; word < head_.starts.size(); ++word)
            head_.before[word] = static_cast<uint8_t>(head_.before[word - 1] +
                                                      std::popcount(head_.starts[word - 1]));
    }
    void write_list(const Span& span, unsigned number) {
        start_count_ = 0;
        const std::size_t extras_now = extras_.size();
        for (uint32_t i = span.first; i <= span.last && start_count_ <= kMostStarts; ++i) {
            const Run& run = runs_[i];
            const uint32_t slot = std::max(run.slot, span.slot);
            if (run.code == FibArena::kNoCode)
                extras_.push_back({slot, run.entry});
            // A block may follow a block.
            if (i != span.first && run.code != codes_[start_count_])
                starts_[start_count_++] = static_cast<uint16_t>(slot);
            codes_[start_count_] = run.code;
        }
        const std::size_t long_octets = (start_count_ / (List6::kShortStarts + 1) + 4) * 64;
        if (start_count_ > kMostStarts ||
            next_ + long_octets + extras_.size() * sizeof(Page6::Extra) + kKept > kLimit) {
            extras_.resize(extras_now);
            extras_.push_back({span.slot, head_.blocks});
            start_count_ = 0;
            codes_[0] = FibArena::kNoCode;
        }
        const std::size_t at =
            start_count_ > List6::kShortStarts ? write_long() : write_short(0, start_count_);
        const auto offset = static_cast<uint16_t>(at);
        std::memcpy(octets_.data() + sizeof(Page6) + number * sizeof offset, &offset,
                    sizeof offset);
    }
    // Of `count` starts from `first` on; within a cache line.
    std::size_t write_short(std::size_t first, std::size_t count) {
        const std::size_t size = List6::short_octets(static_cast<unsigned>(count));
        if (next_ % List6::kLine + size > List6::kLine)
            align();
        const std::size_t at = next_;
        std::byte* to = octets_.data() + at;
        to[0] = static_cast<std::byte>(count);
        std::memcpy(to + 1, codes_.data() + first, count + 1);
        std::memcpy(to + List6::kHead + count, starts_.data() + first, count * sizeof(uint16_t));
        next_ += size;
        return at;
    }
    std::size_t write_long() {
        constexpr std::size_t kPart = List6::kShortStarts + 1; // with the one that leads to it
        const std::size_t count = start_count_ / kPart;
        align();
        const std::size_t at = next_;
        octets_[at] = std::byte{List6::kLong};
        octets_[at + 1] = static_cast<std::byte>(count);
        for (std::size_t i = 0; i < count; ++i)
            std::memcpy(octets_.data() + at + List6::kHead + i * sizeof(uint16_t),
                        &starts_[i * kPart + kPart - 1], sizeof(uint16_t));
        next_ += List6::kHead + count * sizeof(uint16_t);
        for (std::size_t i = 0; i <= count; ++i) {
            align();
            write_short(i * kPart, std::min<std::size_t>(kPart - 1, start_count_ - i * kPart));
        }
        align();
        return at;
    }
    void align() { next_ = (next_ + List6::kLine - 1) / List6::kLine * List6::kLine; }

    static constexpr std::size_t kMostStarts =
        std::size_t{List6::kLongStarts} * (List6::kShortStarts + 1);

    const std::vector<Run>& runs_;
    Page6 head_{};
    std::array<Span, Page6::kLists> lists_;
    unsigned list_count_ = 0;
    std::size_t next_ = 0;
    std::size_t start_count_ = 0; // of the list at hand
    std::array<uint16_t, kMostStarts + 1> starts_;
    std::array<uint8_t, kMostStarts + 2> codes_;
    std::vector<Page6::Extra> extras_;
    std::array<std::byte, kLimit> octets_;
};

// Ordered, and without those that are within others.
void merge(std::vector<Range>& ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.low < b.low; });
    std::size_t kept = 0;
    for (const Range& range : ranges) {
        if (kept != 0 && range.low <= ranges[kept - 1].high)
            ranges[kept - 1].high = std::max(ranges[kept - 1].high, range.high);
        else
            ranges[kept++] = range;
    }
    ranges.resize(kept);
}

// Those of a range; `at` is the run that it begins in, or one before.
void copy_runs(const std::vector<Run>& from, std::size_t& at, Range range, RunWriter& to) {
    if (range.low == range.high)
        return;
    while (at + 1 < from.size() && from[at + 1].slot <= range.low)
        ++at;
    to.limit(range);
    to.add(range.low, range.high, from[at].entry, from[at].code);
    const std::size_t next = at + 1;
    while (at + 1 < from.size() && from[at + 1].slot < range.high)
        ++at;
    to.append(&from[next], at + 1 - next);
}

// What has to be found anew. What was left to the page's blocks, for those are others now. And
// blocks beside a change: when one comes or goes between the page and the change, those below it
// inherit another value, and are copied. All of that is within a slot of the page's first block.
void add_moved(const std::vector<Run>& runs, Entry blocks, std::vector<Range>& anew) {
    constexpr unsigned kNear = Page6::kSlotBits - kStride;
    const std::size_t changes = anew.size();
    std::size_t change = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        if (!is_child(runs[i].entry))
            continue;
        const uint32_t slot = runs[i].slot;
        while (change < changes && (anew[change].high - 1) >> kNear < slot >> kNear)
            ++change;
        if (runs[i].entry == blocks ||
            (change < changes && anew[change].low >> kNear <= slot >> kNear))
            anew.push_back({slot, i + 1 < runs.size() ? runs[i + 1].slot : kAllSlots});
    }
}

} // namespace

// The page of `blocks`, which have come from those of `before` by `changes`.
template <>
Entry Writer<Ipv6Addr, Ipv6Prefix>::make_page(const Page* before, Entry blocks, Changes changes) {
    std::vector<Run> old, runs;
    std::vector<Range> anew;
    if (before != nullptr) {
        const std::size_t most = units_of(*before) * std::size_t{FibPool::kUnit} / 3;
        old.reserve(most);
        runs.reserve(most + changes.size() * 2);
        PageReader(*before, FibArena::decoded(arena_.nodes().base()), old).read();
        for (const Route& change : changes) {
            const unsigned end = std::min<unsigned>(change.prefix.length, Page6::kEnd);
            const uint32_t slot = page_slot(change.prefix.addr);
            anew.push_back({slot, slot + (uint32_t{1} << (Page6::kEnd - end))});
        }
        merge(anew);
        add_moved(old, before->blocks, anew);
        merge(anew);
    } else {
        anew.push_back({0, kAllSlots});
    }
    RunWriter writer(arena_, runs);
    uint32_t done = 0;
    std::size_t at = 0;
    for (const Range& range : anew) {
        copy_runs(old, at, {done, range.low}, writer);
        writer.limit(range);
        writer.add_blocks(blocks, 0, kAllSlots, kNoRoute);
        done = range.high;
    }
    copy_runs(old, at, {done, kAllSlots}, writer);

    PageWriter page(runs, blocks);
    page.lay_out();
    const FibIndex index = new_node(page.units());
    page.write(arena_.nodes().at<std::byte>(index));
    return kChild | index;
}

template <> void Writer<Ipv6Addr, Ipv6Prefix>::old_page(Entry child, Readers readers) {
    const Page6& page = *page_at<Ipv6Addr>(arena_.nodes().base(), child);
    old_node(child & kIndexMask, units_of(page), readers);
}

} // namespace isthmus::dataplane::fib
