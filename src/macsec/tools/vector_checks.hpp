#pragma once
// One entry of a vector file against the data path. Each check returns what is wrong, or nothing.

#include "macsec/aead.hpp"
#include "macsec/tools/record.hpp"

#include <string>

namespace isthmus::macsec::tools {

// A plain frame and what it is once protected: both directions must lead from one to the other.
[[nodiscard]] std::string check_protected_frame(const Aead& aead, Record& entry);
// A frame that must be refused, and whether by its tag or by its ICV.
[[nodiscard]] std::string check_invalid_frame(const Aead& aead, Record& entry);
// One frame, the receive SA and its state; frame delivered, counters and state afterwards.
[[nodiscard]] std::string check_receive(const Aead& aead, Record& entry);
// 10.6.2, 10.7.8 and 10.7.13: no cipher in these.
[[nodiscard]] std::string check_pn_recovery(Record& entry);
[[nodiscard]] std::string check_salt(Record& entry);
[[nodiscard]] std::string check_ssci(Record& entry);

// "WHAT is GOT, expected WANTED", or nothing if they are equal.
[[nodiscard]] std::string differs(const std::string& what, const std::string& got,
                                  const std::string& wanted);

} // namespace isthmus::macsec::tools
