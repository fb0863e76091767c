#pragma once
// A listening Unix socket with a file that outlives no daemon. Control thread.

#include "control/roles.hpp"
#include "isthmus/result.hpp"

#include <string>

#include <sys/stat.h>

namespace isthmus::control {

// The file, removed when this is destroyed unless another one has taken its place. The descriptor
// is closed only if nobody took it over.
class UnixListener {
  public:
    // Owner, group and mode are those of `access`. A file left by a daemon that died is replaced; a
    // socket on which somebody accepts, or anything that is not a socket, is an error that names
    // the path.
    [[nodiscard]] static Result<UnixListener> open(const std::string& path,
                                                   const AccessConfig& access = {});

    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;
    ~UnixListener();

    // For a library that closes the descriptor itself.
    [[nodiscard]] int release_fd();

  private:
    UnixListener(std::string path, int fd, const struct stat& file)
        : path_(std::move(path)), fd_(fd), file_(file) {}

    std::string path_;
    int fd_;
    struct stat file_;
};

} // namespace isthmus::control
