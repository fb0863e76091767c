#pragma once
// Folders of a test's own, and a disk that is full.

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <sys/resource.h>

namespace isthmus::test {

// A folder that goes with this object.
class Scratch {
  public:
    Scratch() {
        std::string name = "/tmp/isthmus-test-XXXXXX";
        if (mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("cannot make a folder in /tmp");
        folder_ = name;
    }
    ~Scratch() { std::filesystem::remove_all(folder_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  private:
    std::string folder_;
};

// While this object lives, no file of the process grows: the limit is one octet.
class DiskFull {
  public:
    DiskFull() {
        before_ = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &limit_);
        const rlimit none{1, limit_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &none);
    }
    ~DiskFull() {
        setrlimit(RLIMIT_FSIZE, &limit_);
        std::signal(SIGXFSZ, before_);
    }
    DiskFull(const DiskFull&) = delete;
    DiskFull& operator=(const DiskFull&) = delete;

  private:
    rlimit limit_{};
    void (*before_)(int) = SIG_DFL;
};

} // namespace isthmus::test
