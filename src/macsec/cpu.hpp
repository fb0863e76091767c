#pragma once
// What this CPU, and the operating system on it, can run beyond the baseline of the build.

namespace isthmus::macsec {

struct CpuFeatures {
    // AES-NI, PCLMULQDQ, AVX2, VAES and VPCLMULQDQ, and the system saves YMM registers.
    bool vaes_256 = false;
    // Also AVX-512 F, BW, DQ and VL, and the system saves ZMM and mask registers.
    bool vaes_512 = false;
};

// Any thread.
[[nodiscard]] CpuFeatures cpu_features() noexcept;

} // namespace isthmus::macsec
