#include "dataplane/queue_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace isthmus::dataplane {
namespace {

TEST(QueuePlan, OneQueuePortsTakeTurns) {
    std::set<uint16_t> pollers, senders;
    for (uint16_t turn = 0; turn < 4; ++turn) {
        const PortQueues plan = plan_queues({1, 1, {}, turn}, 4);
        ASSERT_EQ(plan.rx_worker.size(), 1u);
        EXPECT_TRUE(plan.spread);
        pollers.insert(plan.rx_worker[0]);
        for (const TxQueue& tx : plan.tx) {
            EXPECT_EQ(tx.queue, 0);
            EXPECT_EQ(tx.owner, plan.tx[0].owner) << "one queue has one owner";
        }
        senders.insert(plan.tx[0].owner);
    }
    EXPECT_EQ(pollers.size(), 4u);
    EXPECT_EQ(senders.size(), 4u);
}

TEST(QueuePlan, EnoughQueuesNeedNoHandingOver) {
    for (uint16_t turn = 0; turn < 3; ++turn) {
        const PortQueues plan = plan_queues({3, 8, {}, turn}, 3);
        EXPECT_FALSE(plan.spread);
        EXPECT_EQ(std::set<uint16_t>(plan.rx_worker.begin(), plan.rx_worker.end()).size(), 3u);
        for (uint16_t worker = 0; worker < 3; ++worker) {
            EXPECT_EQ(plan.tx[worker].owner, worker);
            EXPECT_EQ(plan.tx[worker].queue, worker);
        }
    }
}

TEST(QueuePlan, EveryQueueHasOneOwnerWhateverTheNumbers) {
    for (uint16_t workers = 1; workers <= 9; ++workers)
        for (uint16_t queues = 1; queues <= 9; ++queues)
            for (uint16_t turn = 0; turn < 12; ++turn) {
                const PortQueues plan = plan_queues({queues, queues, {}, turn}, workers);
                SCOPED_TRACE(testing::Message()
                             << workers << " workers, " << queues << " queues, turn " << turn);
                ASSERT_EQ(plan.rx_worker.size(), queues);
                EXPECT_TRUE(
                    std::ranges::all_of(plan.rx_worker, [&](uint16_t w) { return w < workers; }));
                EXPECT_EQ(plan.spread, queues < workers);
                ASSERT_EQ(plan.tx.size(), workers);
                std::vector<int> owner(queues, -1);
                for (const TxQueue& tx : plan.tx) {
                    ASSERT_LT(tx.queue, queues);
                    ASSERT_LT(tx.owner, workers);
                    EXPECT_TRUE(owner[tx.queue] == -1 || owner[tx.queue] == tx.owner);
                    owner[tx.queue] = tx.owner;
                    EXPECT_EQ(plan.tx[tx.owner].owner, tx.owner) << "an owner sends by itself";
                    EXPECT_EQ(plan.tx[tx.owner].queue, tx.queue);
                }
            }
}

TEST(QueuePlan, ConfiguredWorkersAreTakenAsTheyAre) {
    const PortQueues plan = plan_queues({3, 1, {2, 0, 2}, 1}, 3);
    EXPECT_EQ(plan.rx_worker, (std::vector<uint16_t>{2, 0, 2}));
    EXPECT_TRUE(plan.spread) << "worker 1 polls none";
}

} // namespace
} // namespace isthmus::dataplane
