#pragma once
// Who may use the control socket: the kernel says who a peer is, the configuration what that is
// worth. Control thread.

#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace isthmus::control {

struct HttpRequest;
struct HttpResponse;

// [access] of the configuration, names resolved.
struct AccessConfig {
    mode_t socket_mode = 0660;
    std::optional<uid_t> socket_owner; // default: the daemon's user
    std::optional<gid_t> socket_group; // default: the daemon's group
    std::vector<uid_t> read_users, write_users;
    std::optional<std::vector<gid_t>> read_groups; // default: the socket's group
    std::vector<gid_t> write_groups;
};

// The other end of a connection, as it was when it connected (SO_PEERCRED, SO_PEERGROUPS).
struct Credentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups = {}; // supplementary ones
};
[[nodiscard]] std::optional<Credentials> credentials_of(int fd);

// write includes read.
enum class Role : uint8_t { none, read, write };
[[nodiscard]] std::string_view role_name(Role role);

class Roles {
  public:
    // `own_uid` and root may always write. `own_gid` is the socket's group unless one is given.
    Roles(const AccessConfig& access, uid_t own_uid, gid_t own_gid);

    [[nodiscard]] Role role_of(const Credentials& peer) const;
    // 403 if the request's peer lacks the role: GET and HEAD need read, everything else write.
    // Looks at method and peer only.
    [[nodiscard]] std::optional<HttpResponse> refuse(const HttpRequest& request) const;

  private:
    AccessConfig access_;
};

// Ids by name; nothing if there is no such user or group.
[[nodiscard]] std::optional<uid_t> find_user(std::string_view name);
[[nodiscard]] std::optional<gid_t> find_group(std::string_view name);

} // namespace isthmus::control
