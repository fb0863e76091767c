#pragma once
// The options of the [access] table. Included by config.cpp alone.

#include "control/config_reader.hpp"
#include "control/roles.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kMaxAccessEntries = 64;

// An id, or a name that exists. The highest id means "none" to the kernel.
template <auto Find> std::optional<uint32_t> read_principal(const toml::node& node) {
    if (const auto* id = node.as_integer()) {
        if (id->get() < 0 || id->get() >= std::numeric_limits<uint32_t>::max())
            return std::nullopt;
        return static_cast<uint32_t>(id->get());
    }
    const auto* name = node.as_string();
    return name ? Find(name->get()) : std::nullopt;
}

template <auto Find, auto Member>
bool read_one_principal(AccessConfig& out, const toml::node& node) {
    out.*Member = read_principal<Find>(node);
    return (out.*Member).has_value();
}

template <auto Find, auto Member> bool read_principals(AccessConfig& out, const toml::node& node) {
    const auto* list = node.as_array();
    if (!list || list->size() > kMaxAccessEntries)
        return false;
    std::vector<uint32_t> ids;
    for (const auto& entry : *list) {
        const auto id = read_principal<Find>(entry);
        if (!id)
            return false;
        ids.push_back(*id);
    }
    out.*Member = std::move(ids);
    return true;
}

inline bool read_socket_mode(AccessConfig& out, const toml::node& node) {
    const auto text = node.value_or(std::string_view{});
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out.socket_mode, 8);
    return text.size() >= 3 && text.size() <= 4 && error == std::errc{} && stop == end &&
           out.socket_mode <= 0777 && (out.socket_mode & 0600) == 0600;
}

inline constexpr std::string_view kUsers = "a list of at most 64 users that exist, names or ids";
inline constexpr std::string_view kGroups = "a list of at most 64 groups that exist, names or ids";

inline constexpr auto kAccessOptions = std::to_array<Option<AccessConfig>>({
    {"socket_mode", Need::optional,
     Special<AccessConfig>{"octal digits as a text, '0600' to '0777' with 6 or 7 for the owner",
                           read_socket_mode}},
    {"socket_owner", Need::optional,
     Special<AccessConfig>{"a user that exists, name or id",
                           read_one_principal<find_user, &AccessConfig::socket_owner>}},
    {"socket_group", Need::optional,
     Special<AccessConfig>{"a group that exists, name or id",
                           read_one_principal<find_group, &AccessConfig::socket_group>}},
    {"read_users", Need::optional,
     Special<AccessConfig>{kUsers, read_principals<find_user, &AccessConfig::read_users>}},
    {"read_groups", Need::optional,
     Special<AccessConfig>{kGroups, read_principals<find_group, &AccessConfig::read_groups>}},
    {"write_users", Need::optional,
     Special<AccessConfig>{kUsers, read_principals<find_user, &AccessConfig::write_users>}},
    {"write_groups", Need::optional,
     Special<AccessConfig>{kGroups, read_principals<find_group, &AccessConfig::write_groups>}},
});

} // namespace isthmus::control
