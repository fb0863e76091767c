#pragma once
// Opens the ports that a configuration names. Control thread, before workers start.

#include "control/config.hpp"
#include "dataplane/port.hpp"
#include "isthmus/result.hpp"

#include <memory>
#include <string>
#include <vector>

struct rte_mempool;

namespace isthmus::control {

// By PortId. Errors begin with FILE:LINE of the port and name it.
[[nodiscard]] Result<std::vector<std::unique_ptr<dataplane::Port>>>
open_ports(const Config& config, const std::string& file_name, rte_mempool* pool);

} // namespace isthmus::control
