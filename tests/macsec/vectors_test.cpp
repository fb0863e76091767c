// Published and synthetic vectors from tests/vectors, each entry by each engine; its README names
// their sources. The program macsec-vectors runs the same code over any folder.
#include "support.hpp"

#include "macsec/tools/vector_checks.hpp"
#include "macsec/tools/vector_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <map>

namespace isthmus::macsec::test {
namespace {

using tools::VectorFile;
using tools::VectorReport;

void expect_none(const std::vector<std::string>& failures) {
    for (const std::string& failure : failures)
        ADD_FAILURE() << failure;
}

// How many entries each file has, so that none can be lost unnoticed.
const std::map<std::string, std::size_t> kFiles = {
    {"macsec_extra.json", 8},      {"macsec_ieee_annexc.json", 16}, {"macsec_invalid.json", 7},
    {"macsec_synthetic.json", 12}, {"rx_counters.json", 29},        {"xpn_pn_recovery.json", 8},
    {"xpn_salt_ssci.json", 5},
};

TEST(Vectors, EveryEntryByEveryEngine) {
    std::map<std::string, std::size_t> seen;
    for (const auto& entry : std::filesystem::directory_iterator(ISTHMUS_VECTORS)) {
        const std::string name = entry.path().filename();
        if (!tools::is_vector_file(name))
            continue;
        SCOPED_TRACE(name);
        const auto file = VectorFile::load(entry.path());
        ASSERT_TRUE(file.has_value()) << file.error().message;
        seen[name] = file->count(true) + file->count(false);
        const VectorReport without = file->run(nullptr);
        expect_none(without.failures);
        EXPECT_EQ(without.passed, file->count(false));
        for (std::string_view engine : aead_engines()) {
            const auto aead = make_aead(engine);
            if (!aead && aead.error().code == ErrorCode::unavailable) {
                std::cout << "[ VECTORS  ] skipped: " << aead.error().message << "\n";
                continue;
            }
            ASSERT_TRUE(aead.has_value()) << aead.error().message;
            const VectorReport report = file->run(aead->get());
            expect_none(report.failures);
            EXPECT_EQ(report.passed, file->count(true)) << engine;
        }
    }
    EXPECT_EQ(seen, kFiles);
}

// A runner that passes everything would show nothing: each vector with one of its octets or numbers
// changed must fail.
TEST(Vectors, AlteredOnesFail) {
    const std::map<std::string, std::vector<std::string_view>> fields = {
        {"macsec_ieee_annexc.json",
         {"key", "pn", "sci", "iv", "aad", "plain_frame", "protected_frame", "icv"}},
        {"macsec_synthetic.json", {"key", "pn", "plain_frame", "protected_frame"}},
        {"rx_counters.json", {}},
        {"xpn_pn_recovery.json", {"recovered_pn"}},
    };
    for (const auto& [name, altered] : fields) {
        auto root = tools::read_json_file(std::string(ISTHMUS_VECTORS) + "/" + name);
        ASSERT_TRUE(root.has_value());
        for (control::JsonValue& object : std::get<control::JsonArray>(root->data)) {
            for (control::JsonMember& member : std::get<control::JsonObject>(object.data)) {
                if (std::ranges::find(altered, member.name) == altered.end())
                    continue;
                const control::JsonValue original = member.value;
                auto& digits = std::get<control::WipedString>(member.value.data);
                digits.back() = digits.back() == '0' ? '1' : '0';
                tools::Record entry(object);
                const std::string wrong = tools::kind_of(entry) == tools::VectorKind::pn_recovery
                                              ? tools::check_pn_recovery(entry)
                                              : tools::check_protected_frame(engine(), entry);
                EXPECT_NE(wrong, "") << name << " " << member.name;
                member.value = original;
            }
        }
    }
}

// The same for what is expected of a received frame.
TEST(Vectors, AlteredExpectationsFail) {
    auto root = tools::read_json_file(std::string(ISTHMUS_VECTORS) + "/rx_counters.json");
    ASSERT_TRUE(root.has_value());
    for (control::JsonValue& object : std::get<control::JsonArray>(root->data)) {
        auto& members = std::get<control::JsonObject>(object.data);
        const auto expect = std::ranges::find(members, "expect", &control::JsonMember::name);
        for (auto& [name, value] : std::get<control::JsonObject>(expect->value.data)) {
            if (name == "octets" && tools::Record(expect->value).find("octet_counter") == nullptr)
                continue; // says nothing
            const control::JsonValue original = value;
            if (auto* number = std::get_if<uint64_t>(&value.data))
                ++*number;
            else if (auto* text = std::get_if<control::WipedString>(&value.data))
                text->back() = text->back() == '0' ? '1' : '0';
            else
                value.data = control::WipedString("00");
            tools::Record entry(object);
            EXPECT_NE(tools::check_receive(engine(), entry), "") << name;
            value = original;
        }
    }
}

// The frames of one SA in their order; macsec_extra.json says which come through.
TEST(Vectors, ReplaySteps) {
    const auto root = tools::read_json_file(std::string(ISTHMUS_VECTORS) + "/macsec_extra.json");
    ASSERT_TRUE(root.has_value());
    RxSide rx;
    rx.binding.replay_window = 32;
    std::vector<ValidateVerdict> verdicts;
    for (const control::JsonValue& object : *root->as<control::JsonArray>()) {
        tools::Record entry(object);
        if (!entry.text("name").starts_with("dpdk_antireplay"))
            continue;
        if (verdicts.empty()) {
            rx.add_sc({entry.integer("sci")});
            rx.add_sa(static_cast<uint8_t>(entry.integer("an")), entry.octets("key"));
        }
        verdicts.push_back(rx.receive(entry.octets("protected_frame")).verdict);
        EXPECT_EQ(entry.problem(), "");
    }
    using enum ValidateVerdict;
    EXPECT_EQ(verdicts, (std::vector{ok, ok, ok, late}));
}

} // namespace
} // namespace isthmus::macsec::test
