#include "memory_hooks.hpp"

#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char** argv) {
    if (!isthmus::macsec::test::install_memory_hooks()) {
        std::fputs("libcrypto allocated before its memory functions were set\n", stderr);
        return 1;
    }
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
