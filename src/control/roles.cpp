#include "control/roles.hpp"

#include "control/http_error.hpp"
#include "control/http_message.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

namespace isthmus::control {
namespace {

constexpr std::array<std::string_view, 3> kRoleNames = {"none", "read", "write"}; // by Role
constexpr std::size_t kMaxEntry = std::size_t{1} << 20; // of the user database; groups may be large

// Any of the peer's groups.
bool in_one_of(const Credentials& peer, const std::vector<gid_t>& groups) {
    return std::ranges::any_of(groups, [&](gid_t group) {
        return peer.gid == group || std::ranges::count(peer.groups, group) != 0;
    });
}

bool contains(const std::vector<uid_t>& users, uid_t user) {
    return std::ranges::count(users, user) != 0;
}

// `get` is getpwnam_r or getgrnam_r.
template <class Entry, class Get>
std::optional<Entry> find_entry(std::string_view name, const Get& get) {
    const std::string text(name);
    std::vector<char> room(4096);
    for (;;) {
        Entry entry{};
        Entry* found = nullptr;
        const int error = get(text.c_str(), &entry, room.data(), room.size(), &found);
        if (error == 0)
            return found == nullptr ? std::nullopt : std::optional(entry);
        if (error != ERANGE || room.size() >= kMaxEntry)
            return std::nullopt;
        room.resize(room.size() * 2);
    }
}

} // namespace

std::string_view role_name(Role role) {
    return kRoleNames.at(static_cast<std::size_t>(role));
}

std::optional<uid_t> find_user(std::string_view name) {
    const auto entry = find_entry<passwd>(name, getpwnam_r);
    return entry ? std::optional(entry->pw_uid) : std::nullopt;
}

std::optional<gid_t> find_group(std::string_view name) {
    const auto entry = find_entry<group>(name, getgrnam_r);
    return entry ? std::optional(entry->gr_gid) : std::nullopt;
}

std::optional<Credentials> credentials_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return std::nullopt;
    Credentials peer{credentials.pid, credentials.uid, credentials.gid};
    // The kernel says how many there are if the room is too small.
    peer.groups.resize(32);
    for (;;) {
        size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0) {
            peer.groups.resize(size / sizeof(gid_t));
            return peer;
        }
        if (errno != ERANGE || size <= peer.groups.size() * sizeof(gid_t))
            return std::nullopt;
        peer.groups.resize(size / sizeof(gid_t));
    }
}

Roles::Roles(const AccessConfig& access, uid_t own_uid, gid_t own_gid) : access_(access) {
    access_.write_users.push_back(0);
    access_.write_users.push_back(own_uid);
    if (!access_.read_groups)
        access_.read_groups = std::vector{access_.socket_group.value_or(own_gid)};
}

Role Roles::role_of(const Credentials& peer) const {
    if (contains(access_.write_users, peer.uid) || in_one_of(peer, access_.write_groups))
        return Role::write;
    if (contains(access_.read_users, peer.uid) || in_one_of(peer, *access_.read_groups))
        return Role::read;
    return Role::none;
}

std::optional<HttpResponse> Roles::refuse(const HttpRequest& request) const {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const Role needed = reads ? Role::read : Role::write;
    const Role has = request.peer ? role_of(*request.peer) : Role::none;
    if (has >= needed)
        return std::nullopt;
    const std::string who =
        request.peer ? "uid " + std::to_string(request.peer->uid) : std::string("unknown peer");
    Error error{ErrorCode::invalid,
                {},
                "role",
                std::string(role_name(has)),
                std::string(role_name(needed))};
    error.message = request.method + " needs the role " + error.limit + ", " + who + " has " +
                    error.value + " ([access] in the configuration)";
    return render_error(403, "forbidden", error);
}

} // namespace isthmus::control
