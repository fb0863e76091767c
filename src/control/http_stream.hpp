#pragma once
// The body of a reply that comes piece by piece, for as long as the client stays.

#include <cstdint>
#include <optional>
#include <string>

namespace isthmus::control {

class BodyStream {
  public:
    virtual ~BodyStream() = default;
    // Whether next() has something to say, or is at its end.
    [[nodiscard]] virtual bool ready(uint64_t now_ns) const = 0;
    // Nothing: the end. Empty: nothing now.
    [[nodiscard]] virtual std::optional<std::string> next(uint64_t now_ns) = 0;
};

} // namespace isthmus::control
