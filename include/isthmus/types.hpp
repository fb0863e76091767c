#pragma once
// Identifiers: indices into fixed tables, one distinct type each. All ids count from 0 and are
// assigned by the control thread; a default-made id is "none".

#include <compare>
#include <cstddef>
#include <cstdint>

namespace isthmus {

inline constexpr std::size_t kCacheLine = 64;

// Packets that go through the pipeline together.
inline constexpr uint16_t kBurstMax = 64;

template <class Tag> struct Id {
    static constexpr uint16_t kNone = 0xffff;

    uint16_t value = kNone;

    constexpr Id() = default;
    constexpr explicit Id(std::size_t index) : value(static_cast<uint16_t>(index)) {}
    [[nodiscard]] constexpr bool valid() const { return value != kNone; }
    constexpr auto operator<=>(const Id&) const = default;
};

using EdgeId = Id<struct EdgeTag>;
using PortId = Id<struct PortTag>;
using InterconnectId = Id<struct InterconnectTag>;
using ChannelId = Id<struct ChannelTag>; // process-wide; each edge has its own side of a channel
using AttachmentId = Id<struct AttachmentTag>; // process-wide slot; reused after deletion
using WorkerId = Id<struct WorkerTag>;

} // namespace isthmus
