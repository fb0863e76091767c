#pragma once
// DPDK logs an error for what a device can not do, or whom it can not reach, where that is no error
// here. Control thread.

#include <rte_log.h>

namespace isthmus::dataplane {

class QuietDpdk {
  public:
    QuietDpdk() { rte_log_set_level_pattern("*", RTE_LOG_EMERG); }
    ~QuietDpdk() { rte_log_set_level_pattern("*", RTE_LOG_WARNING); }
    QuietDpdk(const QuietDpdk&) = delete;
    QuietDpdk& operator=(const QuietDpdk&) = delete;
};

} // namespace isthmus::dataplane
