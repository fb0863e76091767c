// Memory of tables with a part for each attachment.

#include "dataplane/large_pages.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <list>
#include <string>
#include <vector>

namespace isthmus::dataplane {
namespace {

constexpr std::size_t kPage = std::size_t{2} << 20;

struct alignas(64) Line {
    uint64_t value = 0;
};

// Whether the kernel was asked for huge pages at this address.
bool advised(const void* at) {
    std::ifstream maps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<uintptr_t>(at);
    bool here = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long begin = 0, end = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
            here = begin <= wanted && wanted < end;
        else if (here && line.starts_with("VmFlags:"))
            return line.find(" hg") != std::string::npos;
    }
    return false;
}

bool kernel_has_them() {
    return std::filesystem::exists("/sys/kernel/mm/transparent_hugepage");
}

TEST(LargePages, LargeTablesBeginWithAPage) {
    for (const std::size_t count : {std::size_t{4096}, std::size_t{40'000}}) {
        const std::vector<Line, LargePages<Line>> table(count);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(table.data()) % kPage, 0u);
        EXPECT_EQ(advised(table.data()), kernel_has_them()) << count;
        EXPECT_EQ(table.back().value, 0u);
    }
}

TEST(LargePages, SmallTablesAreOfTheHeap) {
    std::vector<Line, LargePages<Line>> table(1);
    for (uint64_t n = 1; n <= 5000; ++n) { // moves several times, from one kind to the other
        ASSERT_EQ(reinterpret_cast<uintptr_t>(table.data()) % alignof(Line), 0u);
        if (n == 1000) {
            EXPECT_FALSE(advised(table.data()));
        }
        table.push_back({n});
    }
    for (uint64_t n = 0; n <= 5000; ++n)
        ASSERT_EQ(table[n].value, n);
}

TEST(LargePages, PartsShareThem) {
    using Part = std::vector<Line, SharedLargePages<Line>>;
    std::list<Part> parts;
    for (uint64_t n = 0; n < 20'000; ++n) {
        parts.emplace_back(1 + n % 4)[0].value = n;
        ASSERT_EQ(reinterpret_cast<uintptr_t>(parts.back().data()) % alignof(Line), 0u);
        if (n % 3 == 0)
            parts.pop_front();
    }
    EXPECT_EQ(advised(parts.back().data()), kernel_has_them());
    uint64_t previous = 0;
    for (const Part& part : parts) {
        EXPECT_TRUE(previous == 0 || part[0].value == previous + 1);
        previous = part[0].value;
    }
}

TEST(LargePages, NoMemoryIsAnError) {
    EXPECT_EQ(map_large_pages(std::size_t{1} << 60), nullptr);
    using Table = std::vector<Line, LargePages<Line>>;
    EXPECT_THROW(Table(std::size_t{1} << 50), std::bad_alloc);
}

} // namespace
} // namespace isthmus::dataplane
