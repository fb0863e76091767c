#include "tests/dataplane/testbed.hpp"

#include <gtest/gtest.h>

#include <set>

namespace isthmus::test {
std::set<Drop>& seen_drop_reasons();

namespace {

// Runs after all tests: a reason that none of them has triggered is a reason nobody has tried.
class EveryReasonSeen : public testing::Environment {
    void TearDown() override {
        if (testing::GTEST_FLAG(filter) != "*")
            return;
        for (std::size_t reason = 0; reason < kDropCount; ++reason)
            EXPECT_TRUE(seen_drop_reasons().contains(static_cast<Drop>(reason)))
                << "no test triggers drop reason " << kDropReasons[reason].name;
    }
};

} // namespace
} // namespace isthmus::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    isthmus::test::start_test_eal(argv[0]);
    testing::AddGlobalTestEnvironment(new isthmus::test::EveryReasonSeen);
    return RUN_ALL_TESTS();
}
