#pragma once
// Measures several ways of doing one thing in turn: A B C A B C. The machines are shared and their
// speed swings within seconds, so figures are medians over rounds, and ratios and differences are
// taken within a round before their median is.

#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace isthmus::bench {

inline double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// One contestant: `prepare` runs before every call of `work`, outside the measured time.
struct Contestant {
    std::function<void()> prepare;
    std::function<void()> work;
};

// ns per call of `work`, by contestant and round.
class Rounds {
  public:
    static constexpr std::size_t kRounds = 101;
    static constexpr double kSliceNs = 100'000;

    explicit Rounds(const std::vector<Contestant>& contestants) {
        ns_per_tick_ = calibrate();
        const auto slice_ticks = static_cast<uint64_t>(kSliceNs / ns_per_tick_);
        ns_.resize(contestants.size());
        for (const Contestant& contestant : contestants)
            (void)slice(contestant, slice_ticks); // caches and branch predictors
        for (std::size_t round = 0; round < kRounds; ++round)
            for (std::size_t c = 0; c < contestants.size(); ++c)
                ns_[c].push_back(slice(contestants[c], slice_ticks) * ns_per_tick_);
    }

    [[nodiscard]] double ns(std::size_t contestant) const { return median(ns_[contestant]); }
    [[nodiscard]] double cycles(std::size_t contestant) const {
        return ns(contestant) / ns_per_tick_;
    }
    // Median over rounds of compare(a's time, b's time in the same round).
    template <class Compare>
    [[nodiscard]] double paired(std::size_t a, std::size_t b, Compare compare) const {
        std::vector<double> values;
        for (std::size_t round = 0; round < kRounds; ++round)
            values.push_back(compare(ns_[a][round], ns_[b][round]));
        return median(values);
    }

  private:
    // TSC ticks per call over about `slice_ticks`, preparation included.
    static double slice(const Contestant& contestant, uint64_t slice_ticks) {
        const uint64_t end = __rdtsc() + slice_ticks;
        uint64_t ticks = 0;
        uint64_t calls = 0;
        uint64_t now = 0;
        do {
            contestant.prepare();
            const uint64_t start = __rdtsc();
            contestant.work();
            now = __rdtsc();
            ticks += now - start;
            ++calls;
        } while (now < end);
        return static_cast<double>(ticks) / static_cast<double>(calls);
    }

    static double calibrate() {
        using std::chrono::steady_clock;
        const auto start = steady_clock::now();
        const uint64_t ticks = __rdtsc();
        while (steady_clock::now() - start < std::chrono::milliseconds(20)) {
        }
        const std::chrono::duration<double, std::nano> spent = steady_clock::now() - start;
        return spent.count() / static_cast<double>(__rdtsc() - ticks);
    }

    std::vector<std::vector<double>> ns_;
    double ns_per_tick_ = 0;
};

} // namespace isthmus::bench
