#pragma once

#include <cstdint>

namespace isthmus::control {

// Whether a key of the configuration or a field of a body may be left out.
enum class Need : uint8_t { optional, required };

} // namespace isthmus::control
