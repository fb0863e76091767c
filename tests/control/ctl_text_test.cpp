#include "control/ctl/text.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>

namespace isthmus::ctl {
namespace {

TEST(Rate, ReadsUnits) {
    const std::pair<const char*, uint64_t> rows[] = {
        {"64000", 64'000},
        {"64k", 64'000},
        {"300M", 300'000'000},
        {"1.5G", 1'500'000'000},
        {"0.064M", 64'000},
        {"10G", 10'000'000'000},
        {"1.000000001G", 1'000'000'001},
        {"18446744073709551615", ~uint64_t{0}},
    };
    for (const auto& [text, bps] : rows) {
        const auto rate = parse_rate(text, "egress");
        ASSERT_TRUE(rate) << text;
        EXPECT_EQ(*rate, bps) << text;
        EXPECT_EQ(*parse_rate(rate_text(bps), ""), bps);
    }
    for (const char* bad :
         {"", "M", "1.", ".5G", "1.5", "1.0000000001G", "1.5.5G", "-1", "+1", "1 G", "1GG", "0x10",
          "18446744073709551616", "18446744073709551615k", "300m", "none"})
        EXPECT_FALSE(parse_rate(bad, "egress")) << bad;
    EXPECT_EQ(rate_text(1'500'000'000), "1500M");
    EXPECT_EQ(rate_text(64'001), "64001");
    EXPECT_EQ(rate_text(0), "0");
}

// A file with this content, removed at the end.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& content) {
        close(mkstemp(path_.data()));
        std::ofstream(path_) << content;
    }
    ~TemporaryFile() { unlink(path_.c_str()); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/isthmus-test-XXXXXX";
};

TEST(KeyFile, LeavesOutBlanks) {
    const TemporaryFile file("00 11\t22\r\n33\n");
    const auto digits = read_key_file(file.path());
    ASSERT_TRUE(digits) << digits.error().message;
    EXPECT_EQ(std::string(*digits), "00112233");
}

TEST(KeyFile, ErrorsShowNoContent) {
    const TemporaryFile wrong("0011x2233");
    EXPECT_EQ(read_key_file(wrong.path()).error().message,
              wrong.path() + ": not only hexadecimal digits");
    const TemporaryFile empty("\n");
    EXPECT_EQ(read_key_file(empty.path()).error().message,
              empty.path() + ": no hexadecimal digits");
    const TemporaryFile large(std::string(5000, '0'));
    EXPECT_EQ(read_key_file(large.path()).error().message, large.path() + ": over 4096 octets");
    EXPECT_EQ(read_key_file("/nonexistent").error().message,
              "/nonexistent: cannot read: No such file or directory");
}

} // namespace
} // namespace isthmus::ctl
