#include "control/http_tags.hpp"

#include <algorithm>

namespace isthmus::control {
namespace {

constexpr std::string_view kBlanks = " \t";

void skip_blanks(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

bool skip(std::string_view& text, std::string_view prefix) {
    const bool there = text.starts_with(prefix);
    text.remove_prefix(there ? prefix.size() : 0);
    return there;
}

// A quoted tag at the front; empty: there is none.
std::string_view take_tag(std::string_view& text) {
    const auto end = text.starts_with('"') ? text.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos)
        return {};
    const auto tag = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    return tag;
}

} // namespace

Result<EntityTags> parse_entity_tags(std::string_view text, std::string field) {
    const Error wrong = invalid_value(std::move(field), std::string(text.substr(0, 64)),
                                      "* or up to " + std::to_string(kMaxTags) + " quoted tags");
    EntityTags tags;
    skip_blanks(text);
    if (skip(text, "*")) {
        skip_blanks(text);
        tags.any = true;
        return text.empty() ? Result<EntityTags>(tags) : wrong;
    }
    for (std::size_t count = 0; count < kMaxTags; ++count) {
        const bool weak = skip(text, "W/");
        const auto tag = take_tag(text);
        if (tag.empty())
            return wrong;
        if (!weak)
            tags.strong.emplace_back(tag);
        skip_blanks(text);
        if (text.empty())
            return tags;
        if (!skip(text, ","))
            return wrong;
        skip_blanks(text);
    }
    return wrong;
}

} // namespace isthmus::control
