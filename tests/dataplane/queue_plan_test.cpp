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
        EXPECT_TRUE(plan.hands_over);
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
        EXPECT_FALSE(plan.hands_over);
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
                EXPECT_EQ(plan.hands_over, queues < workers);
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
    EXPECT_TRUE(plan.hands_over) << "worker 1 polls none";
}

// By purpose, for ports of the same form.
std::size_t count(const std::vector<HandOff>& pairs, HandOffPurpose purpose) {
    return static_cast<std::size_t>(std::ranges::count(pairs, purpose, &HandOff::purpose));
}

TEST(HandOffs, OneWorkerHandsNothingOver) {
    const std::vector<PortQueues> ports{plan_queues({1, 1, {}, 0, true}, 1)};
    EXPECT_TRUE(plan_handoffs(ports, 1).empty());
}

TEST(HandOffs, OnlyWhoPollsHandsOverAndOnlyWhoOwnsAQueueIsHandedTo) {
    constexpr uint16_t kWorkers = 64;
    std::vector<PortQueues> ports;
    for (uint16_t turn = 0; turn < 4; ++turn)
        ports.push_back(plan_queues({1, 1, {}, turn, true}, kWorkers));
    const auto pairs = plan_handoffs(ports, kWorkers);
    EXPECT_EQ(count(pairs, HandOffPurpose::forward), 4u * (kWorkers - 1));
    EXPECT_EQ(count(pairs, HandOffPurpose::send), 4u * (kWorkers - 1));
    EXPECT_TRUE(std::ranges::all_of(pairs, [](const HandOff& pair) {
        return (pair.purpose == HandOffPurpose::forward ? pair.from : pair.to) < 4;
    }));
    EXPECT_EQ(std::set<HandOff>(pairs.begin(), pairs.end()).size(), pairs.size());
}

TEST(HandOffs, AVpcPortWithAQueueForEveryWorkerNeedsNone) {
    EXPECT_TRUE(plan_handoffs(std::vector{plan_queues({8, 8, {}, 0, false}, 8)}, 8).empty());
    // On a channel the frames of an SC may come by any queue.
    const auto pairs = plan_handoffs(std::vector{plan_queues({8, 8, {}, 0, true}, 8)}, 8);
    EXPECT_EQ(count(pairs, HandOffPurpose::forward), 8u * 7);
    EXPECT_EQ(count(pairs, HandOffPurpose::send), 0u);
}

TEST(HandOffs, CoverEveryWayOfAPacket) {
    for (uint16_t workers = 1; workers <= 7; ++workers)
        for (uint16_t queues = 1; queues <= 7; ++queues) {
            std::vector<PortQueues> ports;
            for (uint16_t turn = 0; turn < 3; ++turn)
                ports.push_back(plan_queues({queues, queues, {}, turn, turn == 0}, workers));
            const auto pairs = plan_handoffs(ports, workers);
            const auto known = [&](HandOff pair) {
                return pair.from == pair.to || std::ranges::find(pairs, pair) != pairs.end();
            };
            for (const PortQueues& port : ports)
                for (uint16_t worker = 0; worker < workers; ++worker) {
                    EXPECT_TRUE(known({HandOffPurpose::send, worker, port.tx[worker].owner}));
                    for (const uint16_t from : port.rx_worker)
                        EXPECT_TRUE(!port.hands_over ||
                                    known({HandOffPurpose::forward, from, worker}));
                }
        }
}

} // namespace
} // namespace isthmus::dataplane
