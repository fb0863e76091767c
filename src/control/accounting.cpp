// No part of control_plane_read.cpp, so that what renders it needs no data path.

#include "control/control_plane.hpp"

namespace isthmus::control {

int64_t EdgeAccounting::unaccounted() const {
    int64_t left = static_cast<int64_t>(rx + originated + fragments - tx - fragmented);
    for (const uint64_t packets : drops)
        left -= static_cast<int64_t>(packets);
    for (std::size_t reason = 0; reason < punted.size(); ++reason)
        if (reason != static_cast<std::size_t>(PuntReason::notice))
            left -= static_cast<int64_t>(punted[reason]);
    return left;
}

} // namespace isthmus::control
