#pragma once
// Lists of routes within bodies. Used by the body_*.cpp files alone.

#include "control/body_fields.hpp"
#include "control/model.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kMaxRoutes = 4'000'000; // of one change

// Refuses prefixes that occur twice. `in_order`: the same once more.
[[nodiscard]] Result<void> read_routes(RouteTable& out, const JsonValue& value,
                                       const FieldPath& path,
                                       std::vector<std::pair<IpPrefix, Route>>* in_order = nullptr);

} // namespace isthmus::control
