#pragma once
// What the FIB's tests need to say about addresses of either family.

#include "dataplane/fib.hpp"

#include <cstdint>
#include <random>

namespace isthmus::dataplane::test {

struct V4 {
    using Addr = Ipv4Addr;
    using Prefix = Ipv4Prefix;
    using Table = Fib4;
    static constexpr uint8_t kBits = 32;
    static Addr random(std::mt19937_64& rng) { return {static_cast<uint32_t>(rng())}; }
    static Addr ones() { return {~uint32_t{0}}; }
    static Addr next(Addr addr) { return {addr.value + 1}; }
    static Addr previous(Addr addr) { return {addr.value - 1}; }
    static uint64_t mix(Addr addr) { return addr.value * 0x9e37'79b9'7f4a'7c15; }
    static Addr flip(Addr addr, unsigned bit) { return {addr.value ^ uint32_t{1} << (31 - bit)}; }
    // The first bits of `head`, then those of `tail`.
    static Addr graft(Addr head, Addr tail, uint8_t bits) {
        return {masked(head, bits).value | (tail.value ^ masked(tail, bits).value)};
    }
};

struct V6 {
    using Addr = Ipv6Addr;
    using Prefix = Ipv6Prefix;
    using Table = Fib6;
    static constexpr uint8_t kBits = 128;
    static Addr random(std::mt19937_64& rng) { return {rng(), rng()}; }
    static Addr ones() { return {~uint64_t{0}, ~uint64_t{0}}; }
    static Addr next(Addr addr) { return {addr.high + (addr.low + 1 == 0), addr.low + 1}; }
    static Addr previous(Addr addr) { return {addr.high - (addr.low == 0), addr.low - 1}; }
    static uint64_t mix(Addr addr) { return (addr.high ^ addr.low * 31) * 0x9e37'79b9'7f4a'7c15; }
    static Addr flip(Addr addr, unsigned bit) {
        if (bit < 64)
            addr.high ^= uint64_t{1} << (63 - bit);
        else
            addr.low ^= uint64_t{1} << (127 - bit);
        return addr;
    }
    static Addr graft(Addr head, Addr tail, uint8_t bits) {
        const Addr top = masked(head, bits), same = masked(tail, bits);
        return {top.high | (tail.high ^ same.high), top.low | (tail.low ^ same.low)};
    }
};

} // namespace isthmus::dataplane::test
