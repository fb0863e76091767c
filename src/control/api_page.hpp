#pragma once
// Lists in pages: {"NAME":[...],"total":N,"next":CURSOR|null}. Elements are in the order of their
// keys, and the key of the last one is the cursor: pages hold while elements come and go.

#include "control/api_call.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::control {

inline void end_page(JsonWriter& json, std::size_t total, const std::string& next) {
    json.end_array().member("total", total).key("next");
    if (next.empty())
        json.null();
    else
        json.value(next);
    json.end_object();
}

// `write(json, item)` of each element of the page.
template <class Item, class Write>
HttpResponse page_reply(const CallQuery& query, std::string_view name,
                        std::vector<std::pair<std::string, Item>> items, const Write& write) {
    std::ranges::sort(items, {}, [](const auto& item) -> const std::string& { return item.first; });
    const auto first = query.after.empty()
                           ? items.begin()
                           : std::ranges::upper_bound(
                                 items, query.after, {},
                                 [](const auto& item) -> const std::string& { return item.first; });
    const auto left = static_cast<std::size_t>(items.end() - first);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min(left, query.limit));
    JsonWriter json;
    json.begin_object().key(name).begin_array();
    for (auto it = first; it != last; ++it)
        write(json, it->second);
    end_page(json, items.size(), last == items.end() ? "" : std::prev(last)->first);
    return {200, json.take()};
}

} // namespace isthmus::control
