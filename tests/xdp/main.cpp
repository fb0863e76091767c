#include "dataplane/eal.hpp"
#include "tests/must.hpp"
#include "tests/xdp/far_host.hpp"
#include "xdp/xdp_port.hpp"

#include <cstdio>
#include <string_view>
#include <unistd.h>

namespace {

// Another process that has a port, to be killed.
int hold(const char* device) {
    isthmus::xdp::Request request;
    request.name = "held";
    request.device = isthmus::test::must(isthmus::xdp::parse_device(device));
    const auto port = isthmus::test::must(isthmus::xdp::open_port(request));
    (void)!write(1, "+", 1);
    for (;;)
        pause();
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == "--hold")
        return hold(argv[2]);
    testing::InitGoogleTest(&argc, argv);
    if (!isthmus::test::enter_namespaces())
        std::puts("these tests need root and network namespaces; most are skipped");
    isthmus::dataplane::EalRequest request;
    request.program = "xdp_tests";
    request.worker_cores = {0};
    request.memory_mb = 96;
    isthmus::test::must(isthmus::dataplane::start_eal(request));
    return RUN_ALL_TESTS();
}
