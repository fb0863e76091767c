#include "control/database_copy.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include <sys/stat.h>

namespace isthmus::control {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause{50};

// What tells that a file was written.
struct Stamp {
    off_t size = -1;
    int64_t seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;

    static Stamp of(const std::string& path) {
        struct stat found {};
        if (stat(path.c_str(), &found) != 0)
            return {};
        return {found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
    }
};

Error failed(const std::string& path, const std::string& why) {
    return {ErrorCode::unavailable, fmt::format("state: {}: {}", path, why), "state", path, ""};
}

} // namespace

DatabaseCopy::DatabaseCopy(std::string folder)
    : folder_(std::move(folder)), path_(folder_ + "/state.db") {}

DatabaseCopy::~DatabaseCopy() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Result<std::unique_ptr<DatabaseCopy>> DatabaseCopy::make(const std::string& path) {
    std::error_code failure;
    const fs::path parent = fs::temp_directory_path(failure);
    std::string folder = (failure ? fs::path("/tmp") : parent) / "isthmus-check-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr)
        return failed(path, fmt::format("no copy in {}: {}", folder, std::strerror(errno)));
    std::unique_ptr<DatabaseCopy> copy(new DatabaseCopy(folder));
    if (!fs::is_regular_file(path, failure))
        return failed(path, failure ? failure.message() : "not a regular file");
    const std::string log = path + "-wal";
    for (int attempt = 0; attempt < kTries; ++attempt) {
        const Stamp file_before = Stamp::of(path), log_before = Stamp::of(log);
        fs::remove(copy->path() + "-wal", failure);
        if (!fs::copy_file(path, copy->path(), fs::copy_options::overwrite_existing, failure))
            return failed(path, failure.message());
        if (log_before != Stamp{} && !fs::copy_file(log, copy->path() + "-wal", failure) &&
            failure != std::errc::no_such_file_or_directory)
            return failed(log, failure.message());
        if (Stamp::of(path) == file_before && Stamp::of(log) == log_before)
            return copy;
        std::this_thread::sleep_for(kPause);
    }
    return failed(path, "it changes too often for a check now");
}

} // namespace isthmus::control
