// One EAL for all tests of this process: no hugepages, no devices.

#include <gtest/gtest.h>
#include <rte_eal.h>

#include <cstdio>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    const char* args[] = {
        "sim_tests", "--no-huge",      "--no-shconf", "--no-telemetry", "--no-pci",           "-m",
        "64",        "--iova-mode=va", "--lcores",    "0@(0-1)",        "--log-level=*:error"};
    if (rte_eal_init(static_cast<int>(std::size(args)), const_cast<char**>(args)) < 0) {
        std::fputs("EAL does not start\n", stderr);
        return 1;
    }
    const int result = RUN_ALL_TESTS();
    rte_eal_cleanup();
    return result;
}
