// What metering 10,000 attachments takes of the control thread: a checkpoint of the state file with
// all or none of them changed, the end of an interval, the removal of an old one, and a page of
// records. Beside the time of each: that of its longest part, between which packets are looked
// after. The file is in the current folder, so that its disk is measured.

#include "control/usage_store.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr uint16_t kAttachments = 10'000;
constexpr int64_t kLength = 300'000;

[[noreturn]] void fail(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    std::exit(1);
}

double ms_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
}

class Bed {
  public:
    Bed() : folder_("bench-usage-" + std::to_string(getpid())) {
        auto database = Database::open(folder_ + "/state.db");
        if (!database)
            fail(database.error());
        store.emplace(*database);
        if (auto started = store->start(); !started)
            fail(started.error());
        run(1000);
        auto begun = (*database)->transact([&]() -> Result<void> {
            for (uint16_t slot = 0; slot < kAttachments; ++slot)
                if (auto done = store->begin_life(slot, "aws", std::to_string(slot)); !done)
                    return done;
            return {};
        });
        if (!begun)
            fail(begun.error());
        for (uint16_t slot = 0; slot < kAttachments; ++slot)
            meter.follow(slot, *store->life_at(slot), store->clock().now_ms());
        write();
    }
    ~Bed() {
        store.reset();
        std::filesystem::remove_all(folder_);
    }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    void run(int64_t ms) {
        now_ms_ += ms;
        store->clock().read(now_ms_, now_ms_);
    }
    void advance() {
        const auto begin = std::chrono::steady_clock::now();
        meter.advance(store->clock());
        longest_ms = std::max(longest_ms, ms_since(begin));
    }
    void write() {
        for (bool all = false; !all;) {
            const auto begin = std::chrono::steady_clock::now();
            const auto done = store->write(meter);
            if (!done)
                fail(done.error());
            all = *done;
            longest_ms = std::max(longest_ms, ms_since(begin));
        }
    }

    UsageTotals passed;
    double longest_ms = 0;
    std::optional<UsageStore> store;
    UsageMeter meter{kLength, [this](uint16_t) { return passed; }};

  private:
    std::string folder_;
    int64_t now_ms_ = 1'795'867'200'000;
};

void report(benchmark::State& state, const Bed& bed) {
    state.counters["longest_ms"] = bed.longest_ms;
}

void usage_checkpoint(benchmark::State& state) {
    Bed bed;
    bed.longest_ms = 0;
    for (auto _ : state) {
        bed.passed.egress_bytes += state.range(0) != 0 ? 1500u : 0u;
        bed.run(1);
        bed.advance();
        bed.write();
    }
    report(state, bed);
}
BENCHMARK(usage_checkpoint)->ArgName("changed")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void usage_interval(benchmark::State& state) {
    Bed bed;
    bed.longest_ms = 0;
    for (auto _ : state) {
        bed.passed.egress_bytes += 1500;
        bed.run(kLength);
        bed.advance();
        bed.write();
    }
    report(state, bed);
}
BENCHMARK(usage_interval)->Iterations(50)->Unit(benchmark::kMillisecond);

void usage_purge(benchmark::State& state) {
    Bed bed;
    for (int n = 0; n < 51; ++n) {
        bed.run(kLength);
        bed.advance();
        bed.write();
    }
    bed.longest_ms = 0;
    std::size_t kept = 50;
    for (auto _ : state) {
        for (int part = 0; part < 6; ++part) {
            const auto begin = std::chrono::steady_clock::now();
            if (auto done = bed.store->purge(kept); !done)
                fail(done.error());
            bed.longest_ms = std::max(bed.longest_ms, ms_since(begin));
        }
        --kept;
    }
    report(state, bed);
}
BENCHMARK(usage_purge)->Iterations(40)->Unit(benchmark::kMillisecond);

void usage_page(benchmark::State& state) {
    Bed bed;
    for (int n = 0; n < 20; ++n) {
        bed.run(kLength);
        bed.advance();
        bed.write();
    }
    UsageRequest request;
    request.edge = "aws";
    request.limit = static_cast<std::size_t>(state.range(0));
    for (auto _ : state) {
        const auto page = bed.store->read(request);
        if (!page || page->rows.size() != request.limit)
            std::exit(1);
        request.after_interval_ms = page->more ? page->last_interval_ms : INT64_MIN;
        request.after_life = page->last_life;
    }
}
BENCHMARK(usage_page)->ArgName("records")->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

} // namespace
} // namespace isthmus::control

BENCHMARK_MAIN();
