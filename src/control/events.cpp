#include "control/events.hpp"

#include <chrono>
#include <utility>

namespace isthmus::control {
namespace {

constexpr std::array<std::string_view, 5> kSeverities = {"debug", "info", "notice", "warning",
                                                         "error"};
constexpr std::size_t kMaxText = 1024; // of a message: what is kept is bounded

uint64_t now_us() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

std::string cut(std::string text) {
    if (text.size() > kMaxText)
        text.resize(kMaxText);
    return text;
}

} // namespace

std::string_view severity_name(Severity severity) {
    return kSeverities.at(static_cast<std::size_t>(severity));
}

void write_event(JsonWriter& json, const Event& event) {
    const EventKindInfo& kind = info_of(event.kind);
    json.begin_object()
        .member("sequence", event.sequence)
        .member("time_us", event.time_us)
        .member("kind", kind.name)
        .member("severity", severity_name(kind.severity))
        .member("object_kind", kind.object)
        .member("object", event.object)
        .member("message", event.message);
    if (!event.reason.empty())
        json.member("reason", event.reason);
    json.member("generation", event.generation).end_object();
}

std::string event_json(const Event& event) {
    JsonWriter json;
    write_event(json, event);
    return json.take();
}

// Less than one event a microsecond over the life of a daemon: the next one begins above.
EventLog::EventLog(Sink sink, std::size_t keep)
    : sink_(std::move(sink)), keep_(keep), next_(now_us()) {}

void EventLog::emit(EventKind kind, std::string object, std::string message, std::string reason) {
    kept_.push_back({next_++, now_us(), kind, cut(std::move(object)), cut(std::move(message)),
                     cut(std::move(reason)), generation_});
    if (kept_.size() > keep_)
        kept_.pop_front();
    if (sink_)
        sink_(kept_.back());
}

} // namespace isthmus::control
