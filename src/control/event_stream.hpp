#pragma once
// Events as Server-Sent Events (text/event-stream of the HTML standard), from a place in the ring
// onwards. A reader has nothing of its own but that place: one that is slower than the ring is
// told `lagged` and ended. Control thread only.

#include "control/events.hpp"
#include "control/http_stream.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace isthmus::control {

// Of a query or a header; errors name the field.
[[nodiscard]] Result<uint64_t> parse_sequence(std::string_view text, const char* field);

inline constexpr uint64_t kHeartbeatNs = 15'000'000'000;

class EventStream : public BodyStream {
  public:
    // From behind `after`; nothing: what comes from now on. `log` outlives this.
    EventStream(EventLog& log, std::optional<uint64_t> after);
    ~EventStream() override { --log_.watchers; }
    EventStream(const EventStream&) = delete;
    EventStream& operator=(const EventStream&) = delete;

    [[nodiscard]] bool ready(uint64_t now_ns) const override;
    [[nodiscard]] std::optional<std::string> next(uint64_t now_ns) override;

  private:
    EventLog& log_;
    uint64_t next_;
    uint64_t told_ns_ = 0; // 0: nothing yet
    bool ended_ = false;
};

} // namespace isthmus::control
