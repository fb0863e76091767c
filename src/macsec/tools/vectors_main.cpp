// macsec-vectors DIR...: known-answer vectors against every engine of this build and CPU.

#include "macsec/aead.hpp"
#include "macsec/tools/vector_file.hpp"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace isthmus::macsec::tools {
namespace {

constexpr const char* kUsage =
    "usage: macsec-vectors DIR...\n"
    "\n"
    "Runs every macsec_*.json, rx_counters*.json and xpn_*.json of the folders against each\n"
    "AES-GCM engine that this machine can run. The last line is \"N passed, N failed\"; the exit\n"
    "code is 0 only if all passed and there was something to run.\n";

struct Totals {
    std::size_t passed = 0;
    std::size_t failed = 0;
};

void fail(Totals& totals, const std::string& what) {
    fmt::print("FAILED {}\n", what);
    ++totals.failed;
}

// Engines that this CPU lacks are passed over; one that answers wrongly is a failure.
std::vector<std::unique_ptr<Aead>> available_engines(Totals& totals) {
    std::vector<std::unique_ptr<Aead>> engines;
    for (std::string_view name : aead_engines()) {
        auto engine = make_aead(name);
        if (engine)
            engines.push_back(*std::move(engine));
        else if (engine.error().code == ErrorCode::unavailable)
            fmt::print("skipped: {}: {}\n", name, engine.error().message);
        else
            fail(totals, fmt::format("{}: {}", name, engine.error().message));
    }
    return engines;
}

void run(const VectorFile& file, const std::string& path, const Aead* engine, Totals& totals) {
    if (file.count(engine != nullptr) == 0)
        return;
    const std::string by = engine != nullptr ? fmt::format(" ({})", engine->name()) : "";
    const VectorReport report = file.run(engine);
    for (const std::string& failure : report.failures)
        fmt::print("FAILED {}{}: {}\n", path, by, failure);
    fmt::print("{}{}: {} passed, {} failed\n", path, by, report.passed, report.failures.size());
    totals.passed += report.passed;
    totals.failed += report.failures.size();
}

void run_folder(const std::string& folder, const std::vector<std::unique_ptr<Aead>>& engines,
                Totals& totals) {
    std::error_code error;
    std::vector<std::string> paths;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error))
        if (is_vector_file(at->path().filename().string()))
            paths.push_back(at->path().string());
    if (error)
        return fail(totals, fmt::format("{}: {}", folder, error.message()));
    if (paths.empty())
        return fail(totals, fmt::format("{}: holds no file of vectors", folder));
    std::ranges::sort(paths);
    for (const std::string& path : paths) {
        const auto file = VectorFile::load(path);
        if (!file) {
            fail(totals, file.error().message);
            continue;
        }
        run(*file, path, nullptr, totals);
        for (const auto& engine : engines)
            run(*file, path, engine.get(), totals);
    }
}

int main(int argc, char** argv) {
    static constexpr option kOptions[] = {{"help", no_argument, nullptr, 'h'}, {}};
    for (int choice; (choice = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
        std::fputs(kUsage, choice == 'h' ? stdout : stderr);
        return choice == 'h' ? 0 : 2;
    }
    if (optind == argc) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    Totals totals;
    const auto engines = available_engines(totals);
    if (engines.empty())
        fail(totals, "no engine is available");
    for (int i = optind; i < argc; ++i)
        run_folder(argv[i], engines, totals);
    fmt::print("{} passed, {} failed\n", totals.passed, totals.failed);
    return totals.failed == 0 && totals.passed != 0 ? 0 : 1;
}

} // namespace
} // namespace isthmus::macsec::tools

int main(int argc, char** argv) {
    return isthmus::macsec::tools::main(argc, argv);
}
