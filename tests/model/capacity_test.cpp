// What may be sold on an interconnect: rules one by one, and random changes against a recount.

#include "control/capacity.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace isthmus::control {
namespace {

constexpr uint64_t kMega = 1'000'000;
const EdgeId kFirstEdge(0);
const InterconnectId kFirst(0), kSecond(1);

void add_channel(Model& model, InterconnectId interconnect, uint32_t capacity_mbps) {
    ChannelConfig& channel = model.config.channels.emplace_back();
    channel.name = "ch" + std::to_string(model.config.channels.size());
    channel.edge = kFirstEdge;
    channel.interconnect = interconnect;
    channel.capacity_mbps = capacity_mbps;
    model.channel_admin.push_back(AdminState::up);
}

// "first": 100 and 300 Mbit/s; "second": 50 Mbit/s.
Model capacity_model() {
    Model m;
    m.config.edges = {{"a", "a"}};
    m.config.interconnects = {{"first", kFirstEdge, "b"}, {"second", kFirstEdge, "c"}};
    add_channel(m, kFirst, 100);
    add_channel(m, kFirst, 300);
    add_channel(m, kSecond, 50);
    return m;
}

std::optional<Limit> limit(uint64_t mbps) {
    if (mbps == 0)
        return std::nullopt;
    Limit it;
    it.rate_bps = mbps * kMega;
    return it;
}

Attachment attachment(uint64_t egress_mbps, uint64_t ingress_mbps,
                      InterconnectId interconnect = kFirst) {
    Attachment spec;
    spec.edge = kFirstEdge;
    spec.interconnect = interconnect;
    spec.egress_limit = limit(egress_mbps);
    spec.ingress_limit = limit(ingress_mbps);
    return spec;
}

Result<void> sell(Model& m, std::size_t slot, const Attachment& spec) {
    const AttachmentId id(slot);
    const auto self = m.attachments.contains(id) ? std::optional(id) : std::nullopt;
    auto good = check_capacity(m, spec, self);
    if (!good)
        return good;
    Attachment other = spec;
    if (self)
        m.exchange(id, other);
    else
        m.add(id, std::move(other));
    return good;
}

TEST(Capacity, PoolIsTheSumOfTheChannelsUnlessSaid) {
    Model m = capacity_model();
    EXPECT_EQ(capacity_of(m, kFirst).staged_bps, 400 * kMega);
    EXPECT_EQ(capacity_of(m, kSecond).staged_bps, 50 * kMega);
    m.config.interconnects[0].max_bandwidth_mbps = 150;
    EXPECT_EQ(capacity_of(m, kFirst).staged_bps, 150 * kMega);
    EXPECT_EQ(capacity_of(m, kFirst).sellable_bps(), 150 * kMega);
}

TEST(Capacity, DirectionsAreApartAndARefusalNamesWhatIsLeft) {
    Model m = capacity_model();
    EXPECT_TRUE(sell(m, 0, attachment(300, 10)));
    EXPECT_TRUE(sell(m, 1, attachment(0, 390)));
    const auto egress = sell(m, 2, attachment(101, 0));
    ASSERT_FALSE(egress);
    EXPECT_EQ(egress.error().code, ErrorCode::conflict);
    EXPECT_EQ(egress.error().field, "limits.egress.rate_bps");
    EXPECT_EQ(egress.error().value, "101000000");
    EXPECT_EQ(egress.error().limit, "100000000");
    const auto ingress = sell(m, 2, attachment(100, 1));
    ASSERT_FALSE(ingress);
    EXPECT_EQ(ingress.error().field, "limits.ingress.rate_bps");
    EXPECT_EQ(ingress.error().limit, "0");
    EXPECT_TRUE(sell(m, 2, attachment(100, 0)));
    EXPECT_EQ(capacity_of(m, kFirst).free_bps(capacity_of(m, kFirst).egress), 0);
}

TEST(Capacity, OwnReservationCountsOnce) {
    Model m = capacity_model();
    EXPECT_TRUE(sell(m, 0, attachment(400, 400)));
    EXPECT_TRUE(sell(m, 0, attachment(400, 400)));
    const auto more = sell(m, 0, attachment(401, 1));
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().limit, "400000000"); // for this attachment
    EXPECT_TRUE(sell(m, 0, attachment(10, 10, kSecond)));
    EXPECT_TRUE(sell(m, 1, attachment(400, 400)));
    EXPECT_FALSE(sell(m, 0, attachment(10, 10, kFirst))); // what it has elsewhere is no claim here
}

TEST(Capacity, PeakIsNotReserved) {
    Model m = capacity_model();
    Attachment spec = attachment(400, 400);
    spec.egress_limit->peak_bps = 800 * kMega;
    EXPECT_TRUE(sell(m, 0, spec));
}

TEST(Capacity, AChannelOutOfUseUnsellsNothing) {
    Model m = capacity_model();
    EXPECT_TRUE(sell(m, 0, attachment(350, 50)));
    m.channel_admin[1] = AdminState::drain;
    auto sheet = capacity_of(m, kFirst);
    EXPECT_EQ(sheet.sellable_bps(), 100 * kMega);
    EXPECT_EQ(sheet.free_bps(sheet.egress), -static_cast<int64_t>(250 * kMega));
    EXPECT_TRUE(sheet.is_short());
    EXPECT_EQ(sheet.channels[0].share_permille, 1000u);
    EXPECT_EQ(sheet.channels[1].share_permille, 0u);
    EXPECT_TRUE(sell(m, 0, attachment(340, 50))); // lower, though still too much
    const auto higher = sell(m, 0, attachment(341, 50));
    ASSERT_FALSE(higher);
    EXPECT_EQ(higher.error().limit, "100000000");
    EXPECT_FALSE(sell(m, 0, attachment(340, 101)));
    EXPECT_TRUE(sell(m, 0, attachment(340, 100)));
    m.channel_admin[0] = AdminState::down;
    sheet = capacity_of(m, kFirst); // no channel: nothing is divided by zero
    EXPECT_EQ(sheet.sellable_bps(), 0u);
    EXPECT_EQ(sheet.headroom_n1_bps(sheet.egress), -static_cast<int64_t>(340 * kMega));
}

TEST(Capacity, HeadroomWithoutTheLargestChannel) {
    Model m = capacity_model();
    EXPECT_TRUE(sell(m, 0, attachment(60, 120)));
    const auto sheet = capacity_of(m, kFirst);
    EXPECT_EQ(sheet.headroom_n1_bps(sheet.egress), static_cast<int64_t>(40 * kMega));
    EXPECT_EQ(sheet.headroom_n1_bps(sheet.ingress), -static_cast<int64_t>(20 * kMega));
    EXPECT_EQ(sheet.channels[0].share_permille, 250u);
    EXPECT_EQ(sheet.channels[1].share_permille, 750u);
}

TEST(Capacity, StrictSellsNothingWithoutALimit) {
    Model m = capacity_model();
    EXPECT_TRUE(sell(m, 0, attachment(0, 0)));
    EXPECT_EQ(capacity_of(m, kFirst).egress.unlimited, 1u);
    m.config.interconnects[0].sell_strictly = true;
    const auto none = sell(m, 1, attachment(10, 0));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::invalid);
    EXPECT_EQ(none.error().field, "limits.ingress");
    EXPECT_TRUE(sell(m, 1, attachment(10, 10)));
    EXPECT_TRUE(sell(m, 2, attachment(0, 0, kSecond)));
}

// A second opinion, as plainly as can be said: two numbers for each customer.
struct Ledger {
    struct Sale {
        std::size_t interconnect;
        uint64_t mbps[2];
    };
    std::map<std::size_t, Sale> sales;
    uint64_t capacity[3] = {100, 300, 50};
    bool up[3] = {true, true, true};
    uint64_t pool[2] = {350, 50};

    [[nodiscard]] uint64_t most(std::size_t interconnect) const {
        uint64_t sum = 0;
        for (std::size_t c = 0; c < 3; ++c)
            if ((c == 2) == (interconnect == 1) && up[c])
                sum += capacity[c];
        return std::min(sum, pool[interconnect]);
    }
    [[nodiscard]] uint64_t sold(std::size_t interconnect, int direction) const {
        uint64_t sum = 0;
        for (const auto& [slot, sale] : sales)
            if (sale.interconnect == interconnect)
                sum += sale.mbps[direction];
        return sum;
    }
    // Sells and looks at the sum: more than there is, and more than before, is undone.
    bool sell(std::size_t slot, const Sale& sale) {
        const Ledger before = *this;
        sales[slot] = sale;
        for (const int direction : {0, 1}) {
            const auto had = before.sales.find(slot);
            const bool same =
                had != before.sales.end() && had->second.interconnect == sale.interconnect;
            const uint64_t own = same ? had->second.mbps[direction] : 0;
            if (sale.mbps[direction] > own &&
                sold(sale.interconnect, direction) > most(sale.interconnect)) {
                *this = before;
                return false;
            }
        }
        return true;
    }
};

TEST(Capacity, RandomChangesAreNeverOversold) {
    std::mt19937 random(20240607);
    const auto below = [&](uint64_t bound) { return random() % bound; };
    for (int round = 0; round < 200; ++round) {
        Model m = capacity_model();
        m.config.interconnects[0].max_bandwidth_mbps = 350;
        Ledger ledger;
        for (int step = 0; step < 200; ++step) {
            const std::size_t slot = below(8);
            if (const auto what = below(10); what == 0) {
                if (m.attachments.contains(AttachmentId(slot)))
                    m.erase(AttachmentId(slot));
                ledger.sales.erase(slot);
            } else if (what == 1) {
                const std::size_t channel = below(3);
                const auto state = static_cast<AdminState>(below(3));
                m.channel_admin[channel] = state;
                ledger.up[channel] = state == AdminState::up;
            } else {
                const Ledger::Sale sale{below(2), {below(4) * below(60), below(4) * below(60)}};
                const bool sold =
                    sell(m, slot,
                         attachment(sale.mbps[0], sale.mbps[1], InterconnectId(sale.interconnect)))
                        .has_value();
                ASSERT_EQ(sold, ledger.sell(slot, sale)) << "round " << round << " step " << step;
            }
            for (const std::size_t i : {0, 1}) {
                const auto sheet = capacity_of(m, InterconnectId(i));
                ASSERT_EQ(sheet.egress.sold_bps, ledger.sold(i, 0) * kMega);
                ASSERT_EQ(sheet.ingress.sold_bps, ledger.sold(i, 1) * kMega);
                ASSERT_EQ(sheet.sellable_bps(), ledger.most(i) * kMega);
            }
        }
    }
}

} // namespace
} // namespace isthmus::control
