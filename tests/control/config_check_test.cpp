// What depends on the number of workers, which the configuration file can not give yet.

#include "control/config_check.hpp"

#include <gtest/gtest.h>

namespace isthmus::control {
namespace {

class TwoWorkers : public testing::Test {
  protected:
    TwoWorkers() { config_.worker_cores = {1, 2}; }
    std::string refused() const {
        const auto good = check_macsec(channel_, PortConfig{}, config_);
        return good ? "" : good.error().field;
    }
    Config config_;
    ChannelConfig channel_;
};

TEST_F(TwoWorkers, ImpliedSciNeedsOneTransmitSc) {
    for (const IncludeSci form : {IncludeSci::end_station, IncludeSci::scb}) {
        channel_.include_sci = form;
        channel_.tx_sc = TxScMode::per_worker;
        EXPECT_EQ(refused(), "include_sci");
        channel_.tx_sc = TxScMode::shared;
        EXPECT_EQ(refused(), "");
    }
    channel_.tx_sc = TxScMode::per_worker;
    channel_.include_sci = IncludeSci::when_needed;
    EXPECT_EQ(refused(), "");
}

TEST_F(TwoWorkers, EveryWorkerHasAPortIdentifier) {
    channel_.sci = macsec::Sci{0x020000000001fffe};
    EXPECT_EQ(refused(), "");
    channel_.sci = macsec::Sci{0x020000000001ffff};
    EXPECT_EQ(refused(), "sci");
    channel_.tx_sc = TxScMode::shared;
    EXPECT_EQ(refused(), "");
}

} // namespace
} // namespace isthmus::control
