#pragma once
// The state file at start, for the programs: read whole or refused, checked, or rid of rows. Before
// any thread is started.

#include "control/state_store.hpp"

namespace isthmus::control {

struct StartState {
    std::unique_ptr<StateStore> store;
    SavedState saved;
    std::string summary; // a line for the log
};
// Refused with the rows that this configuration has no use for, and the ways out.
[[nodiscard]] Result<StartState> start_state(const Config& config);

// The same of a copy, page by page; returns a line that says what is in it.
[[nodiscard]] Result<std::string> check_state(const Config& config);

enum class Forget : uint8_t { nothing, sas, unusable };
// Returns a line for each thing that was removed.
[[nodiscard]] Result<std::vector<std::string>> forget_rows(const Config& config, Forget what);

} // namespace isthmus::control
