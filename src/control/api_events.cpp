#include "control/api_call.hpp"
#include "control/event_stream.hpp"

#include <algorithm>

namespace isthmus::control {
namespace {

constexpr std::size_t kMaxEventsInReply = 1000;

// `?since=`, or the header that a reader of Server-Sent Events sends when it comes back.
Result<std::optional<uint64_t>> place_of(const Call& call) {
    if (!call.request.last_event_id)
        return call.query.since;
    const auto sequence = parse_sequence(*call.request.last_event_id, "Last-Event-ID");
    if (!sequence)
        return sequence.error();
    return std::optional(*sequence);
}

} // namespace

Reply get_events(Call& call) {
    const auto since = place_of(call);
    if (!since)
        return since.error();
    const EventLog& log = call.control.events();
    const uint64_t wanted = *since ? **since + 1 : log.first();
    uint64_t next = std::max(wanted, log.first());
    JsonWriter json;
    json.begin_object()
        .member("first", log.first())
        .member("last", log.last())
        .member("lost", *since && wanted < log.first())
        .key("events")
        .begin_array();
    for (std::size_t n = 0; n < kMaxEventsInReply && next <= log.last(); ++n, ++next)
        write_event(json, log.at(next));
    json.end_array().member("more", next <= log.last()).end_object();
    return HttpResponse{200, json.take()};
}

Reply get_watch(Call& call) {
    const auto since = place_of(call);
    if (!since)
        return since.error();
    EventLog& log = call.control.events();
    if (log.watchers >= kMaxWatchers)
        return Error{ErrorCode::unavailable,
                     "all " + std::to_string(kMaxWatchers) + " places for watchers are taken", "",
                     "", std::to_string(kMaxWatchers)};
    HttpResponse reply{200};
    reply.content_type = "text/event-stream";
    // HEAD has no body to wait for.
    if (call.request.method == "GET")
        reply.stream = std::make_shared<EventStream>(log, *since);
    return reply;
}

} // namespace isthmus::control
