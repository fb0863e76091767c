// Published and synthetic vectors from tests/vectors; its README names their sources.
#include "support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iostream>
#include <map>

namespace isthmus::macsec::test {
namespace {

using Json = nlohmann::json;

Json load(const std::string& file) {
    std::ifstream stream(std::string(ISTHMUS_VECTORS) + "/" + file);
    if (!stream)
        throw std::runtime_error(file + " is missing");
    return Json::parse(stream);
}

Octets octets_of(const Json& entry, const char* field) {
    return from_hex(entry.at(field).get<std::string>());
}
uint64_t number_of(const Json& entry, const char* field) {
    return std::stoull(entry.at(field).get<std::string>(), nullptr, 16);
}

// Why this version can not open the frame; empty if it can.
std::string unsupported(const Json& entry) {
    if (!suite_from_name(entry.at("suite").get<std::string>()))
        return "XPN suite";
    if (!entry.at("e").get<bool>())
        return "integrity only";
    if (entry.at("conf_offset").get<int>() != 0)
        return "confidentiality offset";
    return "";
}

// What ran and what was left out, and why, so that neither can shrink unnoticed.
class Tally {
  public:
    explicit Tally(std::string what) : what_(std::move(what)) {}
    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;
    void ran() { ++ran_; }
    void left_out(const std::string& reason) { ++left_out_[reason]; }
    [[nodiscard]] int count() const { return ran_; }
    [[nodiscard]] int count(const std::string& reason) { return left_out_[reason]; }
    ~Tally() {
        std::cout << "[ VECTORS  ] " << what_ << ": ran " << ran_;
        for (const auto& [reason, count] : left_out_)
            std::cout << ", left out " << count << " (" << reason << ")";
        std::cout << "\n";
    }

  private:
    std::string what_;
    int ran_ = 0;
    std::map<std::string, int> left_out_;
};

std::vector<Json> protected_frames() {
    std::vector<Json> all;
    for (const char* file :
         {"macsec_ieee_annexc.json", "macsec_synthetic.json", "macsec_extra.json"})
        for (const Json& entry : load(file))
            all.push_back(entry);
    return all;
}

TEST(Vectors, ProtectReproducesThem) {
    Tally tally("protect");
    for (const Json& entry : protected_frames()) {
        std::string reason = unsupported(entry);
        if (reason.empty() && !entry.at("sc").get<bool>())
            reason = "no explicit SCI";
        const Octets plain = octets_of(entry, "plain_frame");
        if (reason.empty() && plain.size() < 14)
            reason = "shorter than an Ethernet header";
        if (!reason.empty()) {
            tally.left_out(reason);
            continue;
        }
        SCOPED_TRACE(entry.at("name").get<std::string>());
        TxSide tx({number_of(entry, "sci")}, *suite_from_name(entry.at("suite").get<std::string>()),
                  entry.at("an").get<uint8_t>(), number_of(entry, "pn"), octets_of(entry, "key"));
        EXPECT_EQ(to_hex(tx.protect(plain)), entry.at("protected_frame").get<std::string>());
        EXPECT_EQ(tx.sc.counters.out_pkts_encrypted.get(), 1u);
        EXPECT_EQ(tx.sc.counters.out_octets_encrypted.get(), plain.size() - 12);
        EXPECT_EQ(tx.sa->out_pkts_encrypted.get(), 1u);
        tally.ran();
    }
    EXPECT_EQ(tally.count(), 12);
    EXPECT_EQ(tally.count("XPN suite"), 10);
    EXPECT_EQ(tally.count("integrity only"), 6);
    EXPECT_EQ(tally.count("confidentiality offset"), 3);
    EXPECT_EQ(tally.count("no explicit SCI"), 4);
    EXPECT_EQ(tally.count("shorter than an Ethernet header"), 1);
}

TEST(Vectors, ValidateReturnsThePlainFrame) {
    Tally tally("validate");
    for (const Json& entry : protected_frames()) {
        if (const std::string reason = unsupported(entry); !reason.empty()) {
            tally.left_out(reason);
            continue;
        }
        SCOPED_TRACE(entry.at("name").get<std::string>());
        for (const char* form : {"protected_frame", "wire_frame_padded_to_60"}) {
            if (!entry.contains(form))
                continue;
            RxSide rx;
            rx.add_sc({number_of(entry, "sci")});
            rx.add_sa(entry.at("an").get<uint8_t>(), octets_of(entry, "key"), 1,
                      *suite_from_name(entry.at("suite").get<std::string>()));
            const Validated result = rx.validate(octets_of(entry, form));
            EXPECT_EQ(result.verdict, ValidateVerdict::ok) << form;
            EXPECT_EQ(to_hex(result.frame), entry.at("plain_frame").get<std::string>()) << form;
            tally.ran();
        }
    }
    EXPECT_EQ(tally.count(), 20);
    EXPECT_EQ(tally.count("XPN suite"), 10);
    EXPECT_EQ(tally.count("integrity only"), 6);
    EXPECT_EQ(tally.count("confidentiality offset"), 3);
}

TEST(Vectors, InvalidFramesAreRefused) {
    Tally tally("invalid");
    for (const Json& entry : load("macsec_invalid.json")) {
        SCOPED_TRACE(entry.at("name").get<std::string>());
        const Octets frame = octets_of(entry, "protected_frame");
        // The SC of the tag's SCI, so that nothing but the fault itself refuses the frame.
        RxSide rx;
        Octets sci(frame.begin() + 20, frame.begin() + 28);
        rx.add_sc({std::stoull(to_hex(sci), nullptr, 16)});
        rx.add_sa(frame[14] & 3, octets_of(entry, "key"));
        const bool tag_valid = entry.at("tag_valid").get<bool>();
        EXPECT_EQ(rx.validate(frame).verdict,
                  tag_valid ? ValidateVerdict::not_valid : ValidateVerdict::bad_tag);
        EXPECT_EQ(rx.counts().bad_tag, tag_valid ? 0u : 1u);
        EXPECT_EQ(rx.counts().not_valid, tag_valid ? 1u : 0u);
        tally.ran();
    }
    EXPECT_EQ(tally.count(), 7);
}

TEST(Vectors, DpdkReplaySteps) {
    RxSide rx;
    rx.binding.replay_window = 32;
    std::string verdicts;
    for (const Json& entry : load("macsec_extra.json")) {
        if (!entry.at("name").get<std::string>().starts_with("dpdk_antireplay"))
            continue;
        if (verdicts.empty()) {
            rx.add_sc({number_of(entry, "sci")});
            rx.add_sa(entry.at("an").get<uint8_t>(), octets_of(entry, "key"));
        }
        const auto verdict = rx.validate(octets_of(entry, "protected_frame")).verdict;
        verdicts += verdict == ValidateVerdict::ok ? "ok " : "";
        verdicts += verdict == ValidateVerdict::late ? "late " : "";
    }
    EXPECT_EQ(verdicts, "ok ok ok late ");
}

// A counter by its name in the vectors.
uint64_t packet_counter(const Counts& counts, const std::string& name) {
    const std::map<std::string, uint64_t> by_name = {
        {"InPktsNoTag", counts.no_tag},    {"InPktsBadTag", counts.bad_tag},
        {"InPktsNoSCI", counts.no_sci},    {"InPktsNotUsingSA", counts.not_using_sa},
        {"InPktsLate", counts.late},       {"InPktsNotValid", counts.not_valid},
        {"InPktsDelayed", counts.delayed}, {"InPktsOK", counts.ok},
    };
    return by_name.at(name);
}

// Empty if this version must behave as the entry says.
std::string unsupported_receive(const Json& entry, const Octets& frame) {
    if (!suite_from_name(entry.at("suite").get<std::string>()))
        return "XPN suite";
    if (entry.at("validate_frames") != "strict")
        return "validateFrames is not strict";
    const bool tagged = frame[12] == 0x88 && frame[13] == 0xe5;
    const auto& deliver = entry.at("expect").at("deliver");
    if (tagged && (frame[14] & kTciEncrypted) == 0 && !deliver.is_null())
        return "integrity only";
    return "";
}

TEST(Vectors, ReceiveCounters) {
    Tally tally("receive counters");
    for (const Json& entry : load("rx_counters.json")) {
        SCOPED_TRACE(entry.at("name").get<std::string>());
        const Octets frame = octets_of(entry, "frame");
        if (const auto reason = unsupported_receive(entry, frame); !reason.empty()) {
            tally.left_out(reason);
            continue;
        }
        RxSide rx;
        rx.binding.replay_protect = entry.at("replay_protect").get<bool>();
        rx.binding.replay_window = entry.at("replay_window").get<uint32_t>();
        rx.add_sc({number_of(entry, "rx_sci")});
        RxSa& sa = rx.add_sa(entry.at("an").get<uint8_t>(), octets_of(entry, "sak"));
        sa.next_pn.set(entry.at("next_pn").get<uint64_t>());
        sa.lowest_pn.set(entry.at("lowest_pn").get<uint64_t>());

        const Validated result = rx.validate(frame);
        const Json& expect = entry.at("expect");
        if (expect.at("deliver").is_null()) {
            EXPECT_NE(result.verdict, ValidateVerdict::ok);
        } else {
            EXPECT_EQ(result.verdict, ValidateVerdict::ok);
            EXPECT_EQ(to_hex(result.frame), expect.at("deliver").get<std::string>());
        }
        const Counts counts = rx.counts();
        EXPECT_EQ(packet_counter(counts, expect.at("packet_counter")), 1u);
        EXPECT_EQ(counts.no_tag + counts.bad_tag + counts.no_sci + counts.not_using_sa +
                      counts.late + counts.not_valid + counts.delayed + counts.ok,
                  1u);
        if (expect.at("octet_counter") != "InOctetsValidated") {
            EXPECT_EQ(counts.octets, expect.at("octets").get<uint64_t>());
        }
        if (expect.contains("next_pn_after")) {
            EXPECT_EQ(sa.next_pn.get(), expect.at("next_pn_after").get<uint64_t>());
        }
        if (expect.contains("lowest_pn_after")) {
            EXPECT_EQ(sa.lowest_pn.get(), expect.at("lowest_pn_after").get<uint64_t>());
        }
        tally.ran();
    }
    EXPECT_EQ(tally.count(), 11);
    EXPECT_EQ(tally.count("validateFrames is not strict"), 17);
    EXPECT_EQ(tally.count("integrity only"), 1);
}

} // namespace
} // namespace isthmus::macsec::test
