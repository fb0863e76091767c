#include "tests/ports/guest.hpp"
#include "tests/ports/peer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string_view>

// LeakSanitizer asks for it: what libxdp, which DPDK's net_af_xdp calls, does not give back.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libxdp.so\n";
}

int main(int argc, char** argv) {
    isthmus::test::this_program = std::filesystem::canonical("/proc/self/exe");
    if (argc == 4 && std::string_view(argv[1]) == "--peer")
        return isthmus::test::run_peer(argv[2], static_cast<uint32_t>(std::stoul(argv[3])));
    if (argc == 3 && std::string_view(argv[1]) == "--guest")
        return isthmus::test::run_guest(argv[2]);
    testing::InitGoogleTest(&argc, argv);
    isthmus::test::start_port_eal();
    return RUN_ALL_TESTS();
}
