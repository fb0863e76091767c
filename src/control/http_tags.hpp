#pragma once
// Entity tags of If-Match and If-None-Match (RFC 9110, section 8.8.3). Any thread.

#include "isthmus/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kMaxTags = 16;

struct EntityTags {
    bool any = false;                // "*"
    std::vector<std::string> strong; // with their quotes; weak ones match nothing that is changed
};

// `field` is the header's name.
[[nodiscard]] Result<EntityTags> parse_entity_tags(std::string_view text, std::string field);

} // namespace isthmus::control
