#include "control/audit.hpp"

#include "control/json_value.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>

namespace isthmus::control {
namespace {

class Audit : public testing::Test {
  protected:
    Audit() {
        std::string folder = "/tmp/isthmus-audit-XXXXXX";
        EXPECT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder;
        path_ = folder_ + "/audit.jsonl";
    }
    ~Audit() override { std::filesystem::remove_all(folder_); }

    static std::vector<std::string> lines(const std::string& path) {
        std::ifstream file(path);
        std::vector<std::string> found;
        for (std::string line; std::getline(file, line);)
            found.push_back(line);
        return found;
    }
    static HttpRequest request(std::string method) {
        HttpRequest it;
        it.method = std::move(method);
        it.path = "/v1/x";
        it.peer = Credentials{3, 1, 2};
        return it;
    }

    std::string folder_, path_;
    std::vector<std::string> told_;
};

TEST_F(Audit, OneLineForEachWrite) {
    auto log = AuditLog::open(path_, {});
    ASSERT_TRUE(log);
    log->record(request("GET"), {}, {200});
    log->record(request("PUT"), {nullptr, R"({"a":1})", "{}", ""}, {200, "{}"});
    log->record(request("POST"), {}, {403, R"({"error":{}})"});
    const auto found = lines(path_);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_TRUE(found[0].ends_with(R"("record":1,"uid":1,"gid":2,"pid":3,"method":"PUT",)"
                                   R"("path":"/v1/x","status":200,"outcome":"done",)"
                                   R"("change":{"a":1},"before":{}})"))
        << found[0];
    EXPECT_TRUE(found[1].ends_with(R"("outcome":"refused","reply":{"error":{}}})")) << found[1];
    for (const std::string& line : found)
        EXPECT_TRUE(parse_json(line)) << line;
    struct stat file {};
    ASSERT_EQ(stat(path_.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(Audit, SecretsAreLeftOut) {
    const std::string text = R"({"sak":"0123","list":[{"cak":{"x":"4567"}}],"an":1})";
    const auto body = parse_json(text);
    ASSERT_TRUE(body);
    EXPECT_EQ(audit_body(*body, text.size()),
              R"x({"sak":"(secret)","list":[{"cak":"(secret)"}],"an":1})x");
    EXPECT_EQ(audit_body(*body, 5000), R"({"octets":5000})");
}

TEST_F(Audit, WhatCouldBeASakIsLeftOutWhereverItStands) {
    const std::string sak = "00112233445566778899aabbccddeeff";
    const std::string text = R"({"unknown":")" + sak + R"(","list":["x)" + sak + R"("],")" + sak +
                             R"(":1,"salt":"0011"})";
    const auto body = parse_json(text);
    ASSERT_TRUE(body);
    EXPECT_EQ(audit_body(*body, text.size()),
              R"x({"unknown":"(secret)","list":["x(secret)"],"(secret)":1,"salt":"0011"})x");
    auto log = AuditLog::open(path_, {});
    ASSERT_TRUE(log);
    HttpRequest asked = request("PUT");
    asked.path = "/v1/" + sak;
    log->record(asked, {}, {404, R"({"error":{"value":")" + sak + R"("}})"});
    ASSERT_EQ(lines(path_).size(), 1u);
    const std::string line = lines(path_)[0];
    EXPECT_EQ(line.find(sak), std::string::npos);
    EXPECT_NE(line.find(R"x("path":"/v1/(secret)")x"), std::string::npos) << line;
    EXPECT_NE(line.find(R"x("value":"(secret)")x"), std::string::npos) << line;
}

TEST_F(Audit, AFileThatIsMovedAwayIsMadeAnew) {
    auto log = AuditLog::open(path_, {});
    ASSERT_TRUE(log);
    log->record(request("PUT"), {}, {200});
    std::filesystem::rename(path_, path_ + ".1");
    log->record(request("PUT"), {}, {200});
    EXPECT_EQ(lines(path_).size(), 1u);
    EXPECT_EQ(lines(path_ + ".1").size(), 1u);
}

TEST_F(Audit, TroubleIsToldOnce) {
    auto log = AuditLog::open(path_, [&](const std::string& why) { told_.push_back(why); });
    ASSERT_TRUE(log);
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    log->record(request("PUT"), {}, {200});
    log->record(request("PUT"), {}, {200});
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_FALSE(log->trouble().empty());
    std::filesystem::remove(path_);
    log->record(request("PUT"), {}, {200});
    EXPECT_EQ(told_.back(), "");
    EXPECT_TRUE(log->trouble().empty());
    EXPECT_EQ(lines(path_).size(), 1u);
}

TEST_F(Audit, NoHalfLineIsLeft) {
    auto log = AuditLog::open(path_, [&](const std::string& why) { told_.push_back(why); });
    ASSERT_TRUE(log);
    log->record(request("PUT"), {}, {200});
    // The rest of a disk that is nearly full.
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{std::filesystem::file_size(path_) + 10, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    log->record(request("PUT"), {}, {200});
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_NE(told_[0].find("no room for a whole line"), std::string::npos) << told_[0];
    log->record(request("PUT"), {}, {200});
    EXPECT_EQ(told_.back(), "");
    const auto found = lines(path_);
    EXPECT_EQ(found.size(), 2u);
    for (const std::string& line : found)
        EXPECT_TRUE(parse_json(line)) << line;
}

TEST_F(Audit, WhereItIs) {
    EXPECT_EQ(audit_path("", "none"), "none");
    EXPECT_EQ(audit_path("", "/var/lib/isthmus/state.db"), "/var/lib/isthmus/state.audit.jsonl");
    EXPECT_EQ(audit_path("none", "/x/state.db"), "none");
    EXPECT_EQ(audit_path("/y", "none"), "/y");
    EXPECT_FALSE(AuditLog::open(folder_ + "/no/such", {}));
    auto none = AuditLog::open("none", {});
    ASSERT_TRUE(none);
    none->record(request("PUT"), {}, {200});
}

} // namespace
} // namespace isthmus::control
