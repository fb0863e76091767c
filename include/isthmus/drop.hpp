#pragma once
// Drop reasons, from drop_reasons.def. Any thread.

#include <array>
#include <cstdint>
#include <string_view>

namespace isthmus {

// The ICMP or ICMPv6 error, if any, that a dropped packet's sender is told.
enum class Notice : uint8_t {
    none,
    net_unreachable,
    host_unreachable,
    time_exceeded,
    packet_too_big
};

enum class Drop : uint8_t {
#define DROP(name, stage, notice, help) name,
#include "isthmus/drop_reasons.def"
#undef DROP
};

struct DropReason {
    std::string_view name;
    std::string_view stage;
    Notice notice;
    std::string_view help;
};

inline constexpr auto kDropReasons = std::to_array<DropReason>({
#define DROP(name, stage, notice, help) {#name, #stage, Notice::notice, help},
#include "isthmus/drop_reasons.def"
#undef DROP
});
inline constexpr std::size_t kDropCount = kDropReasons.size();
static_assert(kDropCount < 128, "a packet's verdict is one octet, shared with punt reasons");

[[nodiscard]] constexpr const DropReason& describe(Drop drop) {
    return kDropReasons[static_cast<std::size_t>(drop)];
}

} // namespace isthmus
