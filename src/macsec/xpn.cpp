#include "macsec/xpn.hpp"

#include <algorithm>

namespace isthmus::macsec {

Salt make_salt(const MemberIdentifier& key_server, uint32_t key_number) {
    Salt salt = key_server;
    const uint32_t halves_swapped = key_number << 16 | key_number >> 16;
    for (int i = 0; i < 4; ++i)
        salt[i] ^= static_cast<uint8_t>(halves_swapped >> (24 - 8 * i));
    return salt;
}

uint32_t ssci_of(Sci sci, std::span<const Sci> members) {
    if (std::ranges::find(members, sci) == members.end())
        return 0;
    const auto greater = std::ranges::count_if(members, [&](Sci other) { return other > sci; });
    return static_cast<uint32_t>(greater + 1);
}

} // namespace isthmus::macsec
