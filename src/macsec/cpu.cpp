// Bits as in the Intel 64 Software Developer's Manual, volume 2A (CPUID) and volume 1, chapter 13
// (XCR0); AMD64 Architecture Programmer's Manual, volume 3, appendix E has the same.
#include "macsec/cpu.hpp"

#include <cpuid.h>

#include <cstdint>

namespace isthmus::macsec {
namespace {

constexpr uint32_t bit(int position) {
    return 1u << position;
}

constexpr bool has(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

// Only where CPUID says that OSXSAVE is set.
uint32_t enabled_states() noexcept {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

} // namespace

CpuFeatures cpu_features() noexcept {
    constexpr uint32_t kPclmul = bit(1), kAes = bit(25), kOsXsave = bit(27), kAvx = bit(28);
    constexpr uint32_t kAvx2 = bit(5), kAvx512 = bit(16) | bit(17) | bit(30) | bit(31);
    constexpr uint32_t kVaes = bit(9), kVpclmul = bit(10);
    constexpr uint32_t kYmmState = bit(1) | bit(2);
    constexpr uint32_t kZmmState = kYmmState | bit(5) | bit(6) | bit(7);

    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 ||
        !has(ecx, kPclmul | kAes | kOsXsave | kAvx) ||
        __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0)
        return {};
    const uint32_t states = enabled_states();
    CpuFeatures features;
    features.vaes_256 = has(states, kYmmState) && has(ebx, kAvx2) && has(ecx, kVaes | kVpclmul);
    features.vaes_512 = features.vaes_256 && has(states, kZmmState) && has(ebx, kAvx512);
    return features;
}

} // namespace isthmus::macsec
