#include "control/journal.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <sys/stat.h>

namespace isthmus::control {
namespace {

TEST(Journal, EntryOfALine) {
    EXPECT_EQ(journal_entry(Severity::error, "disk full"),
              "MESSAGE=disk full\nPRIORITY=3\nSYSLOG_IDENTIFIER=isthmusd\nSYSLOG_FACILITY=3\n");
}

TEST(Journal, EntryOfAnEvent) {
    const Event event{7, 8, EventKind::channel_down, "aws/ch1", "m", "r", 9};
    EXPECT_EQ(journal_entry(event),
              "MESSAGE=m\nPRIORITY=4\nSYSLOG_IDENTIFIER=isthmusd\nSYSLOG_FACILITY=3\n"
              "ISTHMUS_EVENT=channel_down\nISTHMUS_OBJECT_KIND=channel\nISTHMUS_OBJECT=aws/ch1\n"
              "ISTHMUS_REASON=r\nISTHMUS_SEQUENCE=7\nISTHMUS_TIME_US=8\nISTHMUS_GENERATION=9\n");
}

// Else a device's words could add fields.
TEST(Journal, AValueOfSeveralLinesStaysOne) {
    const std::string entry = journal_entry(Severity::info, "a\nPRIORITY=0");
    EXPECT_TRUE(entry.starts_with(std::string("MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 29)));
}

TEST(Journal, StandardErrorIsTheJournal) {
    std::FILE* const file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    struct stat it {};
    ASSERT_EQ(fstat(fileno(file), &it), 0);
    const std::string stream = fmt::format("{}:{}", it.st_dev, it.st_ino);
    EXPECT_TRUE(is_journal(fileno(file), stream.c_str()));
    EXPECT_FALSE(is_journal(fileno(file), (stream + "0").c_str()));
    EXPECT_FALSE(is_journal(fileno(file), ""));
    EXPECT_FALSE(is_journal(fileno(file), nullptr));
    std::fclose(file);
    EXPECT_FALSE(is_journal(-1, stream.c_str()));
}

} // namespace
} // namespace isthmus::control
