#pragma once
// The IV of a frame from the SA's part and its packet number. Hot path of protect and validate.

#include "isthmus/byte_order.hpp"
#include "macsec/secy.hpp"

#include <cstring>

namespace isthmus::macsec {

inline void set_iv(AeadOp& op, const IvBase& base, uint64_t pn) noexcept {
    uint64_t tail;
    std::memcpy(&tail, base.octets.data() + 4, sizeof(tail));
    tail ^= byte_swap(pn);
    std::memcpy(op.iv.data(), base.octets.data(), 4);
    std::memcpy(op.iv.data() + 4, &tail, sizeof(tail));
}

} // namespace isthmus::macsec
