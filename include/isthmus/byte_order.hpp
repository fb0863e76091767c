#pragma once
// Big-endian integers as types: a missing byte swap does not compile. Alignment 1, so headers may
// be overlaid on any octet of a frame.

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace isthmus {

static_assert(std::endian::native == std::endian::little, "Isthmus runs on little-endian CPUs");

[[nodiscard]] constexpr uint8_t byte_swap(uint8_t value) {
    return value;
}
[[nodiscard]] constexpr uint16_t byte_swap(uint16_t value) {
    return __builtin_bswap16(value);
}
[[nodiscard]] constexpr uint32_t byte_swap(uint32_t value) {
    return __builtin_bswap32(value);
}
[[nodiscard]] constexpr uint64_t byte_swap(uint64_t value) {
    return __builtin_bswap64(value);
}

template <std::unsigned_integral T> class BigEndian {
  public:
    BigEndian() = default;
    BigEndian(T host) { *this = host; }
    BigEndian& operator=(T host) {
        const T swapped = byte_swap(host);
        std::memcpy(octets_, &swapped, sizeof(T));
        return *this;
    }
    [[nodiscard]] T host() const {
        T swapped;
        std::memcpy(&swapped, octets_, sizeof(T));
        return byte_swap(swapped);
    }
    // The value as it stands in memory, for constants compared without a swap and for checksums.
    [[nodiscard]] T raw() const {
        T value;
        std::memcpy(&value, octets_, sizeof(T));
        return value;
    }
    void set_raw(T value) { std::memcpy(octets_, &value, sizeof(T)); }
    friend bool operator==(const BigEndian& a, const BigEndian& b) { return a.raw() == b.raw(); }

  private:
    uint8_t octets_[sizeof(T)];
};

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;
using Be64 = BigEndian<uint64_t>;
static_assert(alignof(Be64) == 1 && sizeof(Be64) == 8 && sizeof(Be16) == 2);

} // namespace isthmus
