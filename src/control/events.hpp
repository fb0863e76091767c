#pragma once
// What an operator is told: kinds from one table, a bounded ring of what happened last, and the
// text forms of an event. Control thread only.

#include "control/json_writer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace isthmus::control {

enum class Severity : uint8_t { debug, info, notice, warning, error };
[[nodiscard]] std::string_view severity_name(Severity severity);

enum class EventKind : uint8_t {
#define EVENT(name, severity, object, help) name,
#include "isthmus/event_kinds.def"
#undef EVENT
};

struct EventKindInfo {
    std::string_view name;
    Severity severity;
    std::string_view object; // what `Event::object` names
    std::string_view help;
};
inline constexpr auto kEventKinds = std::to_array<EventKindInfo>({
#define EVENT(name, severity, object, help) {#name, Severity::severity, #object, help},
#include "isthmus/event_kinds.def"
#undef EVENT
});
[[nodiscard]] inline const EventKindInfo& info_of(EventKind kind) {
    return kEventKinds.at(static_cast<std::size_t>(kind));
}

struct Event {
    uint64_t sequence = 0;
    uint64_t time_us = 0; // since 1970
    EventKind kind{};
    std::string object;      // such as "aws/ch1"
    std::string message;     // a whole line for people
    std::string reason;      // for programs; may be empty
    uint64_t generation = 0; // of the forwarding state at that moment
};
void write_event(JsonWriter& json, const Event& event);
[[nodiscard]] std::string event_json(const Event& event);

inline constexpr std::size_t kEventsKept = 4096;
inline constexpr std::size_t kMaxWatchers = 32;

class EventLog {
  public:
    using Sink = std::function<void(const Event&)>;
    // Every event goes to `sink` first. Sequence numbers grow over restarts, too: the first one
    // follows from the clock.
    explicit EventLog(Sink sink = {}, std::size_t keep = kEventsKept);

    void emit(EventKind kind, std::string object, std::string message, std::string reason = {});
    void set_generation(uint64_t generation) { generation_ = generation; }

    // Sequence numbers of the oldest event that is kept and of the newest one; first = last + 1:
    // none.
    [[nodiscard]] uint64_t first() const { return next_ - kept_.size(); }
    [[nodiscard]] uint64_t last() const { return next_ - 1; }
    // first() <= sequence <= last()
    [[nodiscard]] const Event& at(uint64_t sequence) const { return kept_.at(sequence - first()); }

    // How many streams read it now; see event_stream.hpp.
    std::size_t watchers = 0;

  private:
    Sink sink_;
    std::size_t keep_;
    std::deque<Event> kept_;
    uint64_t next_;
    uint64_t generation_ = 0;
};

} // namespace isthmus::control
