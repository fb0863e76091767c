#pragma once
// Containers whose memory is wiped before it is given back, for octets that may hold a SAK.

#include <openssl/crypto.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace isthmus::control {

template <class T> struct WipingAllocator {
    using value_type = T;

    WipingAllocator() = default;
    template <class U> WipingAllocator(const WipingAllocator<U>&) noexcept {}

    [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>{}.allocate(count); }
    void deallocate(T* memory, std::size_t count) noexcept {
        OPENSSL_cleanse(memory, count * sizeof(T));
        std::allocator<T>{}.deallocate(memory, count);
    }
    friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

// Up to 15 octets stand in the string itself and are not wiped: shorter than any SAK in digits.
using WipedString = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;
using WipedBytes = std::vector<uint8_t, WipingAllocator<uint8_t>>;

} // namespace isthmus::control
