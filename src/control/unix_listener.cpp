#include "control/unix_listener.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr int kBacklog = 64;

Error failed(const std::string& path, const std::string& what) {
    return {ErrorCode::unavailable, "socket " + path + ": " + what, "socket", path};
}

Error failed_errno(const std::string& path, const std::string& what) {
    return failed(path, what + ": " + std::strerror(errno));
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0)
            close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

// Makes the path free, or says why it is not.
Result<void> remove_stale(const std::string& path) {
    struct stat file {};
    if (lstat(path.c_str(), &file) != 0)
        return errno == ENOENT ? Result<void>{} : failed_errno(path, "cannot look at it");
    if (!S_ISSOCK(file.st_mode))
        return failed(path, "the path exists and is not a socket");
    const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = address_of(path);
    if (probe.get() < 0)
        return failed_errno(path, "cannot make a socket");
    // EAGAIN: somebody listens, but is too busy to accept.
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN)
        return failed(path, "another process accepts connections on it");
    if (errno != ECONNREFUSED)
        return failed_errno(path, "cannot tell whether it is in use");
    if (unlink(path.c_str()) != 0)
        return failed_errno(path, "cannot remove the file of an earlier process");
    return {};
}

Result<void> give_away(const std::string& path, const AccessConfig& access) {
    if (!access.socket_owner && !access.socket_group)
        return {};
    const auto keep = static_cast<uid_t>(-1);
    const uid_t owner = access.socket_owner.value_or(keep);
    const gid_t group = access.socket_group.value_or(keep);
    if (lchown(path.c_str(), owner, group) == 0)
        return {};
    const auto text = [](const auto& id) { return id ? std::to_string(*id) : std::string("same"); };
    return failed_errno(path, "cannot give it to socket_owner " + text(access.socket_owner) +
                                  ", socket_group " + text(access.socket_group));
}

} // namespace

Result<UnixListener> UnixListener::open(const std::string& path, const AccessConfig& access) {
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
        return invalid_value("socket", path, "a path of 1..107 octets");
    // /run is empty after a boot: the folder of the default path must be made.
    std::error_code failure;
    if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty())
        std::filesystem::create_directories(folder, failure);
    if (failure)
        return failed(path, "cannot make its folder: " + failure.message());
    if (auto removed = remove_stale(path); !removed)
        return removed.error();
    Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0)
        return failed_errno(path, "cannot make a socket");
    const sockaddr_un address = address_of(path);
    // The file begins with no more than its mode, and nobody can connect before listen().
    const mode_t before = umask(static_cast<mode_t>(~access.socket_mode & 0777));
    const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int bind_error = errno;
    umask(before);
    errno = bind_error;
    if (bound != 0)
        return failed_errno(path, "cannot bind");
    if (auto given = give_away(path, access); !given) {
        unlink(path.c_str());
        return given.error();
    }
    struct stat file {};
    if (listen(fd.get(), kBacklog) != 0 || lstat(path.c_str(), &file) != 0) {
        const Error error = failed_errno(path, "cannot listen");
        unlink(path.c_str());
        return error;
    }
    return UnixListener(path, fd.release(), file);
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::exchange(other.fd_, -1)), file_(other.file_) {
}

UnixListener::~UnixListener() {
    struct stat now {};
    if (!path_.empty() && lstat(path_.c_str(), &now) == 0 && now.st_ino == file_.st_ino &&
        now.st_dev == file_.st_dev)
        unlink(path_.c_str());
    if (fd_ >= 0)
        close(fd_);
}

int UnixListener::release_fd() {
    return std::exchange(fd_, -1);
}

} // namespace isthmus::control
