#pragma once
// What both ends of an XPN suite derive rather than send (IEEE 802.1AE-2018 clauses 10.7.8 and
// 10.7.13). Pure functions; any thread.

#include "macsec/suite.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace isthmus::macsec {

using MemberIdentifier = std::array<uint8_t, 12>; // of the Key Server, in wire order
using Salt = std::array<uint8_t, 12>;

// The Key Server's MI, with the two halves of the Key Number put into its first four octets, the
// low half first.
[[nodiscard]] Salt make_salt(const MemberIdentifier& key_server, uint32_t key_number);

// The members of a CA are numbered from 1 by falling SCI. 0, which no SSCI is, if `sci` is not
// among `members`; these are in any order, each once.
[[nodiscard]] uint32_t ssci_of(Sci sci, std::span<const Sci> members);

} // namespace isthmus::macsec
