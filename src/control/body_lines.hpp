#pragma once
// A change of routes as lines of JSON (application/x-ndjson), read as they arrive: what is kept is
// the change itself, and the piece of a line. Any thread.

#include "control/control_plane.hpp"
#include "control/route_table.hpp"
#include "isthmus/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

inline constexpr std::size_t kMaxLine = 512; // octets

class RouteLines {
  public:
    // After an error the rest is not looked at.
    void take(std::string_view piece);
    // The change, when all has been taken. Errors name the line, counted from 1.
    [[nodiscard]] Result<const RouteChange*> finish();
    // An error of a change that was refused, with the line of the prefix at fault.
    [[nodiscard]] Error with_line(Error error) const;

  private:
    [[nodiscard]] Result<void> read_line(std::string_view line);

    RouteChange change_;
    RouteTable added_, removed_; // the same, to find a prefix in
    std::vector<uint32_t> add_lines_, remove_lines_;
    std::string rest_; // of a line that has not ended
    uint32_t line_ = 0;
    std::optional<Error> error_;
};

} // namespace isthmus::control
