#pragma once
// Counts every allocation of the process through operator new and through libcrypto, and looks for
// a secret in every block that libcrypto or operator delete gives back.

#include <cstdint>
#include <span>

namespace isthmus::macsec::test {

// Before the first use of libcrypto; false if libcrypto has allocated already.
[[nodiscard]] bool install_memory_hooks();

// Calls of operator new and of libcrypto's malloc and realloc so far.
[[nodiscard]] uint64_t allocations();

// Blocks that libcrypto holds now.
[[nodiscard]] int64_t live_crypto_blocks();

// While set, each freed block is searched for any eight consecutive octets of `secret` that are
// aligned in it to four; an empty span ends the search.
void watch_for(std::span<const uint8_t> secret);
struct FreedBlocks {
    uint64_t searched = 0;
    uint64_t with_secret = 0;
};
[[nodiscard]] FreedBlocks freed_blocks();

} // namespace isthmus::macsec::test
