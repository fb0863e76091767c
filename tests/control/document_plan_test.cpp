// What a document would change: for models made at random, and case by case.

#include "tests/control/document_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace isthmus::control {
namespace {

using test::empty_model;
using test::plan_of;
using test::RandomModels;

// All that a document can say of a model, whatever slots its attachments have.
std::string state_of(const Model& model) {
    return export_document(model, std::vector<ChannelKeys>(model.config.channels.size()));
}

TEST(Plan, LeadsFromAnyModelToAnyOther) {
    RandomModels models(1);
    for (int round = 0; round < 500; ++round) {
        Model now = models.next();
        const Model wanted = models.next();
        const auto now_keys = models.keys(now), wanted_keys = models.keys(wanted);
        auto plan = plan_of(now, now_keys, export_document(wanted, wanted_keys));
        ASSERT_TRUE(plan) << plan.error().message;
        const std::string before = state_of(now), after = state_of(wanted);
        EXPECT_EQ(plan->empty(),
                  export_document(now, now_keys) == export_document(wanted, wanted_keys));
        exchange(now, *plan);
        ASSERT_EQ(state_of(now), after);
        // What it made of itself undoes it, and does it again.
        exchange(now, *plan);
        ASSERT_EQ(state_of(now), before);
        exchange(now, *plan);
        ASSERT_EQ(state_of(now), after);
    }
}

TEST(Plan, OfAnExportChangesNothing) {
    RandomModels models(2);
    for (int round = 0; round < 200; ++round) {
        const Model model = models.next();
        const auto keys = models.keys(model);
        const auto plan = plan_of(model, keys, export_document(model, keys));
        ASSERT_TRUE(plan) << plan.error().message;
        EXPECT_TRUE(plan->empty());
        EXPECT_TRUE(plan->attachments.empty() && plan->ports.empty() && plan->channels.empty() &&
                    plan->new_rx_scs.empty() && plan->old_rx_scs.empty());
    }
}

TEST(Plan, TouchesNothingElse) {
    RandomModels models(3);
    for (int round = 0; round < 200; ++round) {
        const Model now = models.next();
        const Model wanted = models.next();
        std::map<std::pair<EdgeId, std::string>, std::string> after;
        for (const auto& [id, spec] : wanted.attachments)
            after[{spec.edge, spec.name}] = attachment_text(wanted.config, spec);
        const auto keys = models.keys(now);
        const auto plan = plan_of(now, keys, export_document(wanted, keys));
        ASSERT_TRUE(plan) << plan.error().message;
        for (const AttachmentStep& step : plan->attachments) {
            const auto found = now.attachments.find(step.id);
            if (found == now.attachments.end() || !step.whole)
                continue;
            EXPECT_NE(attachment_text(now.config, found->second),
                      (after[{found->second.edge, found->second.name}]));
        }
    }
}

TEST(Plan, HasTheFingerprintOfWhatItChanges) {
    RandomModels models(4);
    const Model a = models.next(), b = models.next();
    const auto keys = models.keys(a);
    const std::string document = export_document(b, keys);
    const std::string first = plan_of(a, keys, document)->fingerprint();
    EXPECT_EQ(first.size(), 32u);
    EXPECT_EQ(first, plan_of(a, keys, document)->fingerprint());
    EXPECT_NE(first, plan_of(b, keys, document)->fingerprint());
}

// Two attachments, c1 with VLAN 100 and c2 with VLAN 200, and a route of the first.
struct PlanCases : testing::Test {
    Model model = empty_model();
    std::vector<ChannelKeys> keys = std::vector<ChannelKeys>(4);

    PlanCases() {
        const auto plan = apply(edge_with(two("100", "200",
                                              R"(,"routes":[)"
                                              R"({"prefix":"10.9.0.0/16","via":"channels"}])")));
        EXPECT_TRUE(plan) << plan.error().message;
    }
    static std::string edge_with(const std::string& attachments) {
        return R"({"edges":[{"name":"a","attachments":[)" + attachments + "]}]}";
    }
    static std::string one(const std::string& name, const std::string& vlan,
                           const std::string& address, const std::string& more = "") {
        return R"({"name":")" + name + R"(","port":"a-vpc0","vlan":)" + vlan +
               R"(,"addresses":[")" + address + R"("])" + more + "}";
    }
    static std::string two(const std::string& vlan1, const std::string& vlan2,
                           const std::string& more = "") {
        return one("c1", vlan1, "10.1.0.1/24", more) + "," + one("c2", vlan2, "10.2.0.1/24");
    }
    Result<Plan> plan(const std::string& document) const { return plan_of(model, keys, document); }
    Result<Plan> apply(const std::string& document) {
        auto made = plan(document);
        if (made)
            exchange(model, *made);
        return made;
    }
    void refused(const std::string& document, const std::string& field,
                 ErrorCode code = ErrorCode::invalid) const {
        const auto made = plan(document);
        ASSERT_FALSE(made) << document;
        EXPECT_EQ(made.error().field, field) << made.error().message;
        EXPECT_EQ(made.error().code, code) << made.error().message;
        EXPECT_TRUE(made.error().message.starts_with(field)) << made.error().message;
    }
    const Attachment& attachment(const std::string& name) const {
        for (const auto& [id, spec] : model.attachments)
            if (spec.name == name)
                return spec;
        throw std::out_of_range(name);
    }
};

TEST_F(PlanCases, SwapsWhatOnlyOneCanHave) {
    const auto made = apply(edge_with(two("200", "100")));
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->entries.size(), 2u);
    EXPECT_EQ(made->entries[0].fields.at(0).field, "vlan");
    EXPECT_EQ(made->entries[0].fields.at(0).before, "100");
    EXPECT_EQ(made->entries[0].fields.at(0).after, "200");
    EXPECT_EQ(attachment("c1").vlan, 200);
    EXPECT_EQ(attachment("c2").vlan, 100);
    EXPECT_EQ(attachment("c1").routes.size(), 1u);
}

TEST_F(PlanCases, LeavesAbsentSectionsAlone) {
    EXPECT_TRUE(plan(R"({"edges":[]})")->empty());
    EXPECT_TRUE(plan(R"({"edges":[{"name":"a"}]})")->empty());
    EXPECT_TRUE(plan(edge_with(two("100", "200")))->empty());
    const auto limited = one("c1", "100", "10.1.0.1/24",
                             R"(,"limits":{"egress":{"rate_bps":1000000}},"neighbours":[{)"
                             R"("address":"10.1.0.9","mac":"02:00:00:00:00:09"}])") +
                         "," + one("c2", "200", "10.2.0.1/24");
    ASSERT_TRUE(apply(edge_with(limited)));
    EXPECT_TRUE(attachment("c1").egress_limit);
    EXPECT_EQ(attachment("c1").static_neighbours.size(), 1u);
    EXPECT_TRUE(plan(edge_with(two("100", "200")))->empty());
    // A section that is there is complete.
    const auto empty = two("100", "200", R"(,"limits":{},"neighbours":[],"routes":[])");
    ASSERT_TRUE(apply(edge_with(empty)));
    EXPECT_FALSE(attachment("c1").egress_limit);
    EXPECT_TRUE(attachment("c1").static_neighbours.empty());
    EXPECT_TRUE(attachment("c1").routes.empty());
}

TEST_F(PlanCases, NamesWhatItRemoves) {
    const auto made = plan(edge_with(one("c2", "200", "10.2.0.1/24")));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->removals(), std::vector<std::string>{"attachment a/c1"});
    ASSERT_EQ(made->entries.size(), 1u);
    EXPECT_EQ(made->entries[0].routes.removed, 1u);
    EXPECT_EQ(made->entries[0].routes.first.at(0), "- 10.9.0.0/16 via channels");
}

TEST_F(PlanCases, TakesAFreePlaceBeforeOneThatIsLeft) {
    const auto made = plan(edge_with(one("c3", "100", "10.2.0.1/24")));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->attachments.size(), 3u);
    for (const AttachmentStep& step : made->attachments)
        EXPECT_EQ(step.other.has_value(), step.id.value == 2) << step.id.value;
}

TEST_F(PlanCases, RefusesTheWholeWithThePath) {
    const std::string first = "edges[0].attachments[0].", second = "edges[0].attachments[1].";
    refused(edge_with(two("100", "100")), second + "vlan", ErrorCode::conflict);
    refused(edge_with(two("100", "5000")), second + "vlan");
    refused(edge_with(two("100", "200", R"(,"colour":1)")), first + "colour");
    refused(edge_with(two("100", "200") + "," + one("c1", "300", "10.1.0.1/24")),
            "edges[0].attachments[2].name");
    refused(edge_with(one("c1", "100", "10.1.0.0/24")), first + "addresses");
    refused(edge_with(two("100", "200", R"(,"features":{"ch9":{}})")), first + "features.ch9");
    refused(edge_with(two("100", "200", R"(,"features":{"ch0":{"vlan":1}})")),
            first + "features.ch0.vlan");
    refused(
        edge_with(two("100", "200", R"(,"routes":[{"prefix":"10.1.0.0/24","via":"channels"}])")),
        first + "routes[10.1.0.0/24].prefix", ErrorCode::conflict);
    refused(edge_with(two("100", "200", R"(,"routes":[{"prefix":"10.8.0.0/24","via":"x"}])")),
            first + "routes[0].via");
    refused(edge_with(two("100", "200",
                          R"(,"neighbours":[{"address":"10.9.0.1","mac":)"
                          R"("02:00:00:00:00:01"}])")),
            first + "neighbours.address");
    refused(edge_with(two("100", "200", R"(,"neighbours":[{"address":"10.1.0.9","mac":"x"}])")),
            first + "neighbours[0].mac");
    refused(edge_with(two("100", "200", R"(,"neighbours":{})")), first + "neighbours");
    // The route that stays does not suit the addresses that come.
    refused(edge_with(one("c1", "100", "10.9.0.1/16")), first + "routes[10.9.0.0/16].prefix",
            ErrorCode::conflict);
    refused(R"({"edges":[{"name":"x"}]})", "edges[0].name");
    refused(R"({"edges":[{"name":"a"},{"name":"a"}]})", "edges[1].name");
    refused(R"({"edges":{}})", "edges");
    refused(R"({"edges":[3]})", "edges[0]");
    refused(R"({})", "edges");
    refused(R"([])", "body");
    refused(R"({"edges":[{"name":"a","ports":[{"name":"b-vpc0"}]}]})", "edges[0].ports[0].name");
    refused(R"({"edges":[{"name":"a","ports":[{"name":"a-vpc0","admin_state":"drain"}]}]})",
            "edges[0].ports[0].admin_state");
}

TEST_F(PlanCases, RefusesMoreThanThereIsRoomFor) {
    std::string many = one("n0", "10", "10.1.0.1/24");
    for (int n = 1; n < 13; ++n)
        many.append(",").append(
            one(fmt::format("n{}", n), fmt::format("{}", 10 + n), "10.1.0.1/24"));
    refused(edge_with(many), "edges[0].attachments[12]", ErrorCode::conflict);
}

struct PlanKeys : PlanCases {
    static std::string channel(const std::string& members) {
        return R"({"edges":[{"name":"a","channels":[{"name":"ch0",)" + members + "}]}]}";
    }
    const std::string sak = std::string(64, 'a');
    const std::string tx = R"("keys":{"tx":[{"an":0,"sak":")" + sak + R"("}]})";
    const std::string rx = R"("keys":{"rx":{"0000000000000001":[{"an":0,"sak":")" + sak +
                           R"("},{"an":1,"sak":")" + std::string(64, 'b') + R"("}]}})";
};

TEST_F(PlanKeys, InstallsKeysWhereThereAreNone) {
    auto made = plan(channel(tx));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->keys.size(), 1u);
    EXPECT_EQ(render_plan(*made).find(sak), std::string::npos);
    refused(channel(rx), "edges[0].channels[0].keys.rx.0000000000000001[0]");
    made = plan(channel(R"("rx_scs":["0000000000000001"],)" + rx));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->keys.size(), 2u);
    EXPECT_EQ(made->new_rx_scs.size(), 1u);
}

TEST_F(PlanKeys, LeavesKeysThatAreThereAlone) {
    keys[0].tx_sas = 1;
    keys[0].rx_scs = {{macsec::Sci{1}, 2}};
    for (const std::string& section : {tx, rx}) {
        const auto made = plan(channel(section));
        ASSERT_TRUE(made) << made.error().message;
        EXPECT_TRUE(made->empty());
        EXPECT_EQ(made->notes.size(), 1u);
    }
    // But not those of an SC that is to go.
    const auto made = plan(channel(R"("rx_scs":[])"));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->removals(), std::vector<std::string>{"receive SC a/ch0/0000000000000001"});
}

TEST_F(PlanKeys, RefusesWhatIsNoKey) {
    refused(channel(R"("keys":{"tx":[{"an":0,"sak":{"file":"x"}}]})"),
            "edges[0].channels[0].keys.tx[0].sak");
    refused(channel(R"("keys":{"tx":[{"an":4,"sak":")" + sak + R"("}]})"),
            "edges[0].channels[0].keys.tx[0].an");
    refused(channel(R"("keys":{"rx":{"zz":[]}})"), "edges[0].channels[0].keys.rx.zz");
    refused(channel(R"("rx_scs":["1"])"), "edges[0].channels[0].rx_scs[0]");
    refused(channel(R"("rx_scs":["0000000000000001","0000000000000001"])"),
            "edges[0].channels[0].rx_scs[1]");
}

} // namespace
} // namespace isthmus::control
